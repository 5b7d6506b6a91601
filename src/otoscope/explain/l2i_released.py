"""Released interpreters of L2I, as a trained explainer of the classifier that they belong to.

The files are those that ``otoscope import-weights`` makes: of the authors' ``.pt`` the ``released.safetensors`` in the
classifier's folder (``psi.``, ``theta.`` and ``dictionary.`` before the keys); of SpeechBrain's recipes one file each
of Psi, Theta and the dictionary. SpeechBrain's columns are not of unit length: they are brought to it, activations are
multiplied and the head divided by what they were, so that masks and copies stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from otoscope.arrays import to_tensor
from otoscope.errors import FormatError, InputError
from otoscope.explain import trained
from otoscope.explain.hidden import HiddenMaps
from otoscope.explain.l2i import RECIPE, ListenToInterpret, layers_of
from otoscope.explain.l2i_config import PRESETS, L2IConfig
from otoscope.explain.nmf import unit
from otoscope.explain.spectrogram import Spectrogram
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.record.probe import probe_samples
from otoscope.store import tensors

_PARTS = {"convt1.weight": "psi", "decoder.0.weight": "psi", "hard_att.weight": "theta", "W": "dictionary"}
_THETA = {
    "fc1.weight": "head.weight",
    "classifier.0.weight": "head.weight",
    "hard_att.weight": "pooling.hard_att.weight",
    "attention_V.0": "pooling.signal",
    "attention_U.0": "pooling.gate",
    "attention_weights": "pooling.weight",
    "attention.0": "pooling.signal",
    "attention.2": "pooling.weight",
}
"""Key of a released Theta (or what stands before ``.weight`` and ``.bias``) -> ours."""


def import_l2i(model: AudioModel, files: Sequence[Path | str], out: Path | str) -> ListenToInterpret:
    """Write released weights as the folder of a trained explainer, and open it.

    Parameters
    ----------
    model : AudioModel
        The classifier that they belong to.
    files : sequence of path
        See the module.
    out : path

    Raises
    ------
    InputError
        If a part is missing.
    FormatError
        If the weights do not fit the classifier.
    """
    parts = _parts([Path(one) for one in files])
    config = _config(parts)
    lengths, spectra = _spectra(parts["dictionary"]["W"], config)
    content = _content(model, config, parts["theta"], spectra, [Path(one).name for one in files])
    net = RECIPE.build(model, content)
    try:
        net.load_state_dict({"spectra": spectra, **_weights(parts, config, lengths)})
    except RuntimeError as error:
        raise FormatError(
            f"these weights are of another interpreter than this classifier's: {error}"
        ) from error
    trained.save(net, Path(out), content)
    return cast(ListenToInterpret, trained.open_explainer(out, model))


def _content(
    model: AudioModel, config: L2IConfig, theta: Mapping[str, Tensor], spectra: Tensor, names: list[str]
) -> dict[str, Any]:
    """Return the manifest of the explainer."""
    maps = HiddenMaps.of(model, layers_of(config), probe_samples(model))
    facts = {
        "layers": list(maps.layers),
        "shapes": [list(one) for one in maps.shapes],
        "n_frequencies": int(spectra.shape[0]),
        "n_components": int(spectra.shape[1]),
        "n_classes": len(_head(theta)),
        "n_frames": int(theta.get("hard_att.weight", torch.zeros(1, 1)).shape[1]),
        "domain": "log1p",
        "labels": None,
        "dictionary": {"files": names},
    }
    classifier = {"weights_hash": hash_weights(model), "classes": list(model.classes), "spec": model.spec}
    return {
        "method": "l2i",
        "spectrogram": Spectrogram.of(model).to_json(),
        "classifier": classifier,
        "n_samples": probe_samples(model),
        "config": config.model_dump(mode="json"),
        "net": facts,
        "training": {"imported": names},
    }


def _parts(files: Sequence[Path]) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {}
    for file in files:
        arrays = {key: to_tensor(one) for key, one in tensors.read(file).items()}
        whole = next((name for key, name in _PARTS.items() if key in arrays), None)
        for key, one in arrays.items():
            part, _, rest = (whole, "", key) if whole else key.partition(".")
            found.setdefault(part, {})[rest] = one
    missing = {"psi", "theta", "dictionary"} - found.keys()
    if missing:
        raise InputError(
            f"{', '.join(map(str, files))}: no {', '.join(sorted(missing))} of an interpreter of L2I"
        )
    return found


def _config(parts: Mapping[str, Mapping[str, Tensor]]) -> L2IConfig:
    psi, theta = parts["psi"], parts["theta"]
    if "hard_att.weight" in theta:
        return L2IConfig.of(
            PRESETS["l2i-speechbrain-conv2d" if "decoder.14.weight" in psi else "l2i-speechbrain"]
        )
    pooling = "attention" if "attention_V.0.weight" in theta else "tanh-attention"
    if not any(key.startswith("attention") for key in theta):
        pooling = "max"
    n_classes, n_components = _head(theta).shape
    preset = PRESETS["l2i-2022-sonyc" if n_classes == 8 else "l2i-2022"]
    return L2IConfig.of({**preset, "pooling": pooling, "n_components": int(n_components)})


def _head(theta: Mapping[str, Tensor]) -> Tensor:
    return theta["fc1.weight"] if "fc1.weight" in theta else theta["classifier.0.weight"]


def _spectra(released: Tensor, config: L2IConfig) -> tuple[Tensor, Tensor]:
    """Return what the columns' lengths are in the released product, and the unit columns."""
    positive = released.float().clamp_min(0)
    authors = config.psi == "authors"  # their decoder normalises W itself
    lengths = torch.ones(positive.shape[1]) if authors else positive.norm(dim=0)
    return lengths.clamp_min(1e-12), unit(positive)


def _weights(
    parts: Mapping[str, Mapping[str, Tensor]], config: L2IConfig, lengths: Tensor
) -> dict[str, Tensor]:
    psi = dict(parts["psi"])
    if config.psi == "cnn14":  # (neuron, component, kernel), and the bias
        psi["convt9.weight"] = psi["convt9.weight"] * lengths[:, None, None]
        psi["convt9.bias"] = psi["convt9.bias"] * lengths
    elif config.psi == "conv2d":
        psi["decoder.14.weight"] = psi["decoder.14.weight"] * lengths[:, None]
        psi["decoder.14.bias"] = psi["decoder.14.bias"] * lengths
    theta = {_ours(key): one for key, one in parts["theta"].items()}
    theta["head.weight"] = theta["head.weight"] / lengths
    return {
        **{f"psi.{key}": one for key, one in psi.items()},
        **{f"theta.{key}": one for key, one in theta.items()},
    }


def _ours(key: str) -> str:
    if key in _THETA:
        return _THETA[key]
    before, _, kind = key.rpartition(".")
    if before not in _THETA:
        raise FormatError(f"Theta has an unknown weight {key!r}; known are {', '.join(_THETA)}")
    return f"{_THETA[before]}.{kind}"
