"""A trained explainer on disk: ``explainer.json`` (what it is, and of which classifier) and what it learnt.

``explainer.json``, format version 1::

    format_version   1
    kind             "explainer"
    method           a name of otoscope.explain.TRAINABLE
    spectrogram      sample_rate, n_fft, hop_length, ...: what its masks lie on, checked
    classifier       weights_hash (checked), classes, spec
    n_samples        length of sound that it was trained on
    config           the recipe's options
    net              what the recipe needs to build the net (layers, shapes)
    weights_hash     sha256 of the arrays, checked
    training         account: data, parts, best epoch, test; the history is in training.json

``explainer.safetensors`` holds the state of the net. A folder with ``dictionary.json`` is a dictionary of spectra,
which belongs to a spectrogram and to no classifier; opened as an explainer it is NMF-component occlusion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from otoscope.arrays import to_tensor
from otoscope.errors import FormatError, InputError
from otoscope.explain import TRAINABLE, dictionary
from otoscope.explain.components import ComponentOcclusion
from otoscope.explain.explanation import Explainer
from otoscope.explain.recipe import Learning, Recipe, Trainable
from otoscope.explain.spectrogram import Spectrogram
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.record.probe import device_of
from otoscope.registry import lookup
from otoscope.store import manifest, tensors
from otoscope.store.hashing import canonical_json

FORMAT_VERSION = 1
MANIFEST, ARRAYS = "explainer.json", "explainer.safetensors"


def recipe_of(method: str) -> Trainable:
    """Return the recipe of that name.

    Raises
    ------
    UnknownNameError
        If no method of that name is trained.
    """
    found: Trainable = lookup(TRAINABLE, method, room="trainable_explainers", kind="method that is trained")
    return found


def open_explainer(folder: Path | str, model: AudioModel, **options: Any) -> Explainer:
    """Return the explainer in a folder, for the classifier that it was trained on.

    Parameters
    ----------
    folder : path
        Written by ``otoscope train-explainer``.
    model : AudioModel
        The classifier; the explainer is put on its device.
    **options
        Options of the recipe's config that act when explaining (a threshold), instead of those it was trained with.

    Raises
    ------
    InputError
        If there is no explainer, or it is of another classifier, rate or STFT.
    FormatError
        If it was written by a newer version, or its weights are not those of the manifest.
    """
    place = Path(folder)
    if (place / dictionary.MANIFEST).is_file():
        return ComponentOcclusion(dictionary.Dictionary.load(place, Spectrogram.of(model)), **options)
    content = read_explainer(place)
    check(content, model, str(place))
    recipe = recipe_of(content["method"])
    if not isinstance(recipe, Recipe):
        raise FormatError(f"{place / MANIFEST} names the method {recipe.name!r}, which writes no explainer")
    if options:
        changed = recipe.config.of({**content["config"], **options})
        content = {**content, "config": changed.model_dump(mode="json")}
    with torch.random.fork_rng():  # the weights that are drawn are replaced
        net = recipe.build(model, content)
    load(net, place, content)
    return recipe.explainer(net.to(device_of(model)).eval().requires_grad_(False), model, content)


def read_explainer(folder: Path | str) -> dict[str, Any]:
    """Return the content of ``explainer.json``; errors as :func:`open_explainer`."""
    place = Path(folder)
    if not (place / MANIFEST).is_file():
        there = f"no {MANIFEST} in it" if place.is_dir() else "no such folder"
        raise InputError(
            f"{place} is no trained explainer: there is {there} (otoscope train-explainer writes one)"
        )
    content = manifest.read(place / MANIFEST)
    version = content.get("format_version")
    if content.get("kind") != "explainer" or not isinstance(version, int):
        raise FormatError(f"{place / MANIFEST} does not describe an explainer (format_version {version!r})")
    if version > FORMAT_VERSION:
        raise FormatError(
            f"{place} is an explainer of format {version}; this Otoscope reads up to {FORMAT_VERSION}: update Otoscope"
        )
    missing = {"method", "spectrogram", "classifier", "config", "net", "weights_hash"} - content.keys()
    if missing:
        raise FormatError(f"{place / MANIFEST} lacks {', '.join(sorted(missing))}")
    return content


def check(content: Mapping[str, Any], model: AudioModel, what: str) -> None:
    """Raise if an explainer is of another classifier, rate or STFT than ``model`` has."""
    Spectrogram.of(model).require(Spectrogram.from_json(content["spectrogram"]), f"the explainer {what}")
    wanted, found = content["classifier"]["weights_hash"], hash_weights(model)
    if found != wanted:
        raise InputError(
            f"the explainer {what} was trained on another classifier ({content['classifier']['spec'] or 'unnamed'}, "
            f"weights {wanted[:8]}); this one has weights {found[:8]}. Train an explainer for it"
        )


def save(net: nn.Module, folder: Path, content: Mapping[str, Any]) -> None:
    """Write the state of ``net`` and the manifest; ``content`` is the manifest without version, kind and hash."""
    arrays = {name: one.detach().cpu().numpy() for name, one in net.state_dict().items()}
    tensors.write(folder / ARRAYS, arrays)
    fixed = {"format_version": FORMAT_VERSION, "kind": "explainer", "weights_hash": _hash(arrays)}
    manifest.write(folder / MANIFEST, {**content, **fixed})


def manifest_of(method: str, lesson: Learning[Any]) -> dict[str, Any]:
    """Return what the manifest says of a lesson that is over, without its training."""
    setting = lesson.setting
    model = setting.model
    return {
        "method": method,
        "spectrogram": setting.on.to_json(),
        "classifier": {
            "weights_hash": hash_weights(model),
            "classes": list(model.classes),
            "spec": model.spec,
        },
        "n_samples": setting.n_samples,
        "config": lesson.config.model_dump(mode="json"),
        "net": dict(lesson.facts),
    }


def load(net: nn.Module, folder: Path, content: Mapping[str, Any]) -> None:
    """Load what :func:`save` wrote into ``net``."""
    arrays = tensors.read(folder / ARRAYS)
    if _hash(arrays) != content["weights_hash"]:
        raise FormatError(f"{folder / ARRAYS} is not the file that {MANIFEST} names")
    try:
        net.load_state_dict({name: to_tensor(array) for name, array in arrays.items()})
    except RuntimeError as error:
        raise FormatError(f"{folder / ARRAYS} does not fit {folder / MANIFEST}: {error}") from error


def _hash(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(canonical_json([name, str(array.dtype), list(array.shape)]).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
