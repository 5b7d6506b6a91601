"""A trained network on disk: ``model.json`` (what it is) and ``weights.safetensors`` (what it learnt).

``model.json``, format version 1::

    format_version   1
    kind             "audio-model"
    architecture     a name of otoscope.models.ARCHITECTURES
    options          the architecture's options
    classes          names of the output neurons
    sample_rate      Hz
    weights_hash     checked when the folder is read
    label_kind       "multi": a sigmoid of each output, several labels a clip; absent for others
    training         data, metrics and class-wise results of the training; absent for others
    origin           kind, name and sha256 of the released file it was imported from; absent for others

``weights.safetensors`` holds ``front_end.<name>`` and ``net.<name>``. No pickle is written or read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from otoscope.arrays import to_tensor
from otoscope.errors import FormatError, InputError, ModelError
from otoscope.models.audio_model import AudioModel, unwrap
from otoscope.models.weights import hash_weights
from otoscope.registry import lookup
from otoscope.store import manifest, tensors

FORMAT_VERSION = 1
MANIFEST = "model.json"
WEIGHTS = "weights.safetensors"


def save(
    model: AudioModel,
    path: Path | str,
    *,
    training: dict[str, Any] | None = None,
    origin: dict[str, Any] | None = None,
) -> None:
    """Write the model to the folder ``path``.

    Parameters
    ----------
    model : AudioModel
        One of our architectures: ``model.config`` names it and its options.
    path : path
        The folder; made where it does not exist.
    training : dict, optional
        JSON-able account of how it was trained.
    origin : dict, optional
        JSON-able account of the released file that it was made from.

    Raises
    ------
    ModelError
        If the model was not built by one of our architectures.
    """
    if "architecture" not in model.config:
        raise ModelError(
            f"{model.spec or type(model.net).__name__!r} is not one of our architectures and is not saved "
            "in a folder: keep its own checkpoint and open it by hf: or py:"
        )
    folder = Path(path)
    tensors.write(folder / WEIGHTS, _arrays(model))
    content: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "kind": "audio-model",
        "architecture": model.config["architecture"],
        "options": model.config.get("options", {}),
        "classes": list(model.classes),
        "sample_rate": model.sample_rate,
        "weights_hash": hash_weights(model),
    }
    accounts = {"training": training, "origin": origin}
    given = {name: account for name, account in accounts.items() if account is not None}
    if model.label_kind == "multi":
        content["label_kind"] = "multi"
    manifest.write(folder / MANIFEST, content | given)


def _arrays(model: AudioModel) -> dict[str, Any]:
    return {
        f"{part}.{name}": tensor.detach().cpu().numpy()
        for part, module in (("front_end", model.front_end), ("net", model.net))
        for name, tensor in unwrap(module).state_dict().items()
    }


def load(path: Path | str, device: str = "cpu") -> AudioModel:
    """Return the model in the folder ``path``, in evaluation mode, on ``device``.

    Raises
    ------
    InputError
        If there is no model in the folder.
    FormatError
        If it was written by a newer version, or its weights are not those of ``model.json``.
    """
    folder = Path(path)
    content = read_manifest(folder)
    build = lookup(_architectures(), content["architecture"], room="architectures", kind="architecture")
    model: AudioModel = build(tuple(content["classes"]), **content["options"])
    arrays = tensors.read(folder / WEIGHTS)
    try:
        model.load_state_dict({name: to_tensor(array) for name, array in arrays.items()})
    except RuntimeError as error:
        raise FormatError(f"{folder / WEIGHTS} does not fit {folder / MANIFEST}: {error}") from error
    found = hash_weights(model)
    if found != content["weights_hash"]:
        raise FormatError(
            f"{folder / WEIGHTS} is not the file that {MANIFEST} names: its hash begins with {found[:8]}, "
            f"expected {content['weights_hash'][:8]}"
        )
    model.spec, model.label_kind = str(path), _label_kind(content)
    return model.to(device).eval()


def _label_kind(content: dict[str, Any]) -> Literal["single", "multi"] | None:
    """Return what the outputs were trained to be; None for a network that was not trained here."""
    if content.get("label_kind") == "multi":
        return "multi"
    return "single" if "training" in content else None


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the content of ``model.json``; errors as :func:`load`."""
    if not (folder / MANIFEST).is_file():
        there = f"no {MANIFEST} in it" if folder.is_dir() else "no such folder"
        raise InputError(
            f"{folder} is not a model: there is {there}. A model is a folder written by "
            "`otoscope train`, or demo:, planted:..., hf:NAME_OR_PATH, py:module:factory"
        )
    content = manifest.read(folder / MANIFEST)
    version = content.get("format_version")
    if not isinstance(version, int) or content.get("kind") != "audio-model":
        raise FormatError(f"{folder / MANIFEST} does not describe a model (format_version {version!r})")
    if version > FORMAT_VERSION:
        raise FormatError(
            f"{folder} is a model of format {version}; this Otoscope reads up to {FORMAT_VERSION}: "
            "update Otoscope"
        )
    missing = {"architecture", "options", "classes", "sample_rate", "weights_hash"} - content.keys()
    if missing:
        raise FormatError(f"{folder / MANIFEST} lacks {', '.join(sorted(missing))}")
    return content


def _architectures() -> dict[str, str]:
    from otoscope.models import ARCHITECTURES

    return ARCHITECTURES
