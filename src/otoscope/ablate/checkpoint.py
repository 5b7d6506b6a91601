"""Write a network out with neurons ablated in its weights, so that it can be used without hooks.

``zero``, ``mean`` and ``gain`` become edited rows of the affine module behind each layer
(:mod:`otoscope.ablate.affine`); ``resample`` depends on the clip and cannot. Our own architectures are written as a
folder with ``model.json``, those of the Hugging Face hub by ``save_pretrained`` with their feature extractor. Beside
the weights ``ablation.json`` says what was ablated, and how far the edited network's answers lie from the hooked
one's: they are compared on reference clips first, and a network that differs is not written.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.ablate import affine
from otoscope.ablate.hearing import Window
from otoscope.ablate.interventions import intervention
from otoscope.ablate.lesion import Lesion
from otoscope.ablate.places import Place, masks_of
from otoscope.errors import InputError, ModelError
from otoscope.models import folder, huggingface
from otoscope.models.audio_model import AudioModel, unwrap
from otoscope.models.weights import hash_weights
from otoscope.record.hooks import lent
from otoscope.record.layers import modules_of
from otoscope.store import manifest

NOTE = "ablation.json"
_ALIKE = 1e-4
"""Largest difference of logits, relative to their spread, that counts as rounding."""


def edited(
    model: AudioModel,
    places: Sequence[Place],
    neurons: NDArray[np.int64],
    how: str,
    *,
    gain: float = 0.0,
    means: Tensor | None = None,
) -> AudioModel:
    """Return a copy of the network with neurons ablated in its weights.

    Parameters
    ----------
    model : AudioModel
        Not touched.
    places : sequence of Place
    neurons : array of int64 (chosen,)
        The run's numbers.
    how : str
        ``zero``, ``mean`` or ``gain``.
    gain : float
        Factor of ``gain``.
    means : Tensor, optional
        Mean of each of the run's neurons ``(neuron,)``, for ``mean``.

    Raises
    ------
    InputError
        If the intervention depends on the clip, or a neuron lies outside the places.
    ModelError
        If a layer has no affine module behind it: the layer and the reason are named.
    """
    if intervention(how).needs == "donors" or how not in ("zero", "mean", "gain"):
        raise InputError(f"{how} depends on the clip, no weights can do it: choose zero, mean or gain")
    if how == "mean" and means is None:
        raise InputError("mean needs the neurons' means")
    if sum(len(_inside(place, neurons)) for place in places) != len(neurons):
        raise InputError(f"some of the {len(neurons)} neurons lie in none of the layers that can be ablated")
    changed = copy.deepcopy(model)
    modules = modules_of(changed)
    for place in places:
        inside = _inside(place, neurons)
        if not len(inside):
            continue
        with lent(model):
            source = affine.source_of(model, place.layer)
        module, name = modules[source.path], place.layer.name
        for neuron in inside.tolist():
            index = neuron - place.first
            if how == "gain":
                affine.scale(module, index, gain, source.between, name)
            else:
                value = float(means[neuron]) if how == "mean" and means is not None else 0.0
                affine.set_constant(module, index, affine.constant_before(source.between, value, name), name)
    return changed


def write(
    model: AudioModel,
    places: Sequence[Place],
    neurons: NDArray[np.int64],
    how: str,
    out: Path | str,
    *,
    windows: Sequence[Window],
    n_neurons: int,
    gain: float = 0.0,
    means: Tensor | None = None,
    account: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the edited network to the folder ``out`` and return what ``ablation.json`` says.

    Parameters
    ----------
    model, places, neurons, how, gain, means
        As in :func:`edited`.
    out : path
        The folder; new or empty.
    windows : sequence of Window
        Sound on which the edited and the hooked network are compared.
    n_neurons : int
        Of the run.
    account : dict, optional
        JSON-able: what the neurons stand for.

    Raises
    ------
    ModelError
        If a layer cannot be edited, the edited network differs from the hooked one, or there is no format to write
        such a network in.
    """
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is not an empty folder: choose another one")
    saver = _saver(model)
    changed = edited(model, places, neurons, how, gain=gain, means=means)
    worst = difference(model, changed, places, neurons, how, windows, n_neurons, gain=gain, means=means)
    note = {
        "edited_from": {"spec": model.spec, "weights_hash": hash_weights(model)},
        "weights_hash": hash_weights(changed),
        "intervention": how,
        "gain": gain if how == "gain" else None,
        "neurons": _named(places, neurons),
        "largest_difference_from_hooks": worst,
        **(account or {}),
    }
    saver(changed, target)
    manifest.write(target / NOTE, note)
    return note


def difference(
    model: AudioModel,
    changed: AudioModel,
    places: Sequence[Place],
    neurons: NDArray[np.int64],
    how: str,
    windows: Sequence[Window],
    n_neurons: int,
    *,
    gain: float = 0.0,
    means: Tensor | None = None,
) -> float:
    """Return the largest difference of logits between the edited and the hooked network.

    Raises
    ------
    ModelError
        If it is more than rounding: an output of the edited module is used elsewhere, too.
    """
    mask = masks_of([neurons], n_neurons)
    lesion = Lesion(model, places, intervention(how), gain=gain, means=means)
    with lent(model), lent(changed), torch.inference_mode():
        hooked = torch.cat([lesion.logits(one, mask) for one in windows])
        plain = torch.cat([changed.net(*one.features).float().cpu() for one in windows])
    worst, spread = float((hooked - plain).abs().max()), float(hooked.std()) + 1e-6
    if not worst <= _ALIKE * spread:
        raise ModelError(
            f"the edited network's logits differ from the ablated network's by {worst:.3g} (their spread is "
            f"{spread:.3g}), so it is not written: some module's output is read elsewhere, too. Ablate at run time"
        )
    return worst


def _inside(place: Place, neurons: NDArray[np.int64]) -> NDArray[np.int64]:
    return neurons[(neurons >= place.first) & (neurons < place.first + place.n_neurons)]


def _named(places: Sequence[Place], neurons: NDArray[np.int64]) -> dict[str, list[int]]:
    found = {one.layer.name: sorted((_inside(one, neurons) - one.first).tolist()) for one in places}
    return {name: indices for name, indices in found.items() if indices}


def _saver(model: AudioModel) -> Any:
    if "architecture" in model.config:
        return folder.save
    if hasattr(unwrap(model.net), "save_pretrained") and model.spec.startswith("hf:"):
        return _save_pretrained
    raise ModelError(
        f"{model.spec or type(unwrap(model.net)).__name__} has no format of its own to be written in: ablate at run "
        "time, or save the network that checkpoint.edited returns"
    )


def _save_pretrained(model: AudioModel, out: Path) -> None:
    transformers = huggingface.transformers()
    name, _, revision = huggingface.parse(model.spec.removeprefix("hf:"))
    inner: Any = unwrap(model.net)
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        inner.save_pretrained(out)
        given = {} if revision is None else {"revision": revision}
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "At least one mel filter", UserWarning
            )  # AST's own; unused here
            transformers.AutoFeatureExtractor.from_pretrained(name, **given).save_pretrained(out)
    finally:
        if bars:
            transformers.utils.logging.enable_progress_bar()
