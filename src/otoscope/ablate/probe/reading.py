"""What a probe reads of a network: the input of its head, or a layer's mean over positions.

A *reader* is a function of the net's arguments (what the front end gave) that runs the net and returns
``(clip, dimension)``. Interventions that are installed on the net's modules act on it like on any forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope import heap
from otoscope.ablate.places import Place, place_of
from otoscope.ablate.probe.fitted import Fitted
from otoscope.data.clips import Clips
from otoscope.errors import Failure, InputError
from otoscope.models.audio_model import AudioModel
from otoscope.models.embedding import embedding_of
from otoscope.models.evaluate import clip_vectors
from otoscope.record.hooks import capturing, lent, tensor_of
from otoscope.record.layers import Layer, modules_of
from otoscope.record.probe import device_of
from otoscope.store.run import Run

Reader = Callable[..., Tensor]


def reader(model: AudioModel, run: Run | None, layer: str | None) -> Reader:
    """Return what reads the network.

    Parameters
    ----------
    model : AudioModel
    run : Run or None
        Knows where the positions of its recorded layers lie.
    layer : str or None
        None: what the head takes.

    Raises
    ------
    InputError
        If a layer is named without a run, or it is the output.
    UnknownNameError
        If the layer was not recorded.
    """
    if layer is None:
        return lambda *features: embedding_of(model, features)
    if run is None:
        raise InputError(
            f"layer {layer!r} can be read with a run that recorded it: otoscope probe RUN --layer {layer}"
        )
    place = place_of(model, run.layer(layer))
    if place is None:
        raise InputError(f"layer {layer!r} is the network's output: a probe reads what leads to it")
    return _of_place(model, place)


def _of_place(model: AudioModel, place: Place) -> Reader:
    modules = modules_of(model)

    def read(*features: Tensor | None) -> Tensor:
        found: list[Tensor] = []

        def listen(layer: Layer, output: Any) -> None:
            found.append(place.positions_mean(tensor_of(layer, output)))

        with capturing(modules, (place.layer,), listen):
            model.net(*features)
        return found[-1]

    return read


def judged_by(read: Reader, fitted: Fitted) -> Reader:
    """Return a reader that gives a probe's logits ``(clip, class)`` in place of embeddings."""
    weight, bias = (torch.from_numpy(one) for one in fitted.affine())

    def answer(*features: Tensor | None) -> Tensor:
        return read(*features).cpu().double() @ weight.T + bias

    return answer


def heard(
    model: AudioModel, clips: Clips, read: Reader, *, batch_windows: int, workers: int
) -> tuple[NDArray[np.float32], tuple[Failure, ...]]:
    """Return what is read of each clip ``(clip, dimension)``, NaN where it could not be decoded, and the failures."""

    def forward(waveform: Tensor, lengths: Tensor) -> Tensor:
        features = model.features(waveform, lengths)
        return read(*(features if isinstance(features, tuple) else (features,)))

    with lent(model), heap.kept():
        return clip_vectors(
            forward,
            model,
            clips,
            batch_size=batch_windows,
            workers=workers,
            device=str(device_of(model)),
            what="listening",
        )
