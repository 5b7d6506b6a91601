"""What must be known of the neurons before any is ablated: means, importance, and clips to borrow from.

Reference clips are those of the run that are not evaluated; where every clip is evaluated, all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.ablate.hearing import Hearing, Window
from otoscope.ablate.lesion import Donors
from otoscope.ablate.places import Place
from otoscope.data.clips import Clips
from otoscope.errors import EmptyDataError, InputError
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import capturing, tensor_of
from otoscope.record.layers import Layer, modules_of
from otoscope.record.probe import eager
from otoscope.store.run import Run

Rows = NDArray[np.int64]


def neuron_means(
    run: Run, model: AudioModel, places: Sequence[Place], clips: Clips, rows: Rows, workers: int | None
) -> Tensor:
    """Return the mean of each of the run's neurons over positions and reference clips, float32 (neuron,).

    Read from the run where it keeps pooled means; else (another pooling, or ranks only) the clips are heard once.

    Parameters
    ----------
    run : Run
    model : AudioModel
    places : sequence of Place
    clips : Clips
    rows : array of int
        The reference clips.
    workers : int or None
        Decoding processes.
    """
    means = torch.zeros(run.neurons().height)
    kept = all(run.layer(one.layer.name).pooling == "mean" for one in places)
    if kept and all(run.has_activations(one.layer.name) for one in places):
        for place in places:
            values = run.activations(place.layer.name, rows=rows)
            means[place.neurons] = torch.from_numpy(np.nanmean(values, axis=0, dtype=np.float64)).float()
        return means
    hearing = Hearing(model, clips, rows, memory_bytes=0, workers=workers)
    return _heard_means(model, places, hearing, means)


def _heard_means(model: AudioModel, places: Sequence[Place], hearing: Hearing, means: Tensor) -> Tensor:
    by_layer = {one.layer: one for one in places}
    totals, seconds, share = torch.zeros(len(means), dtype=torch.float64), 0.0, 0.0

    def listen(layer: Layer, output: Any) -> None:
        place = by_layer[layer]
        totals[place.neurons] += share * place.positions_mean(tensor_of(layer, output))[0].double().cpu()

    with capturing(modules_of(model), by_layer, listen), torch.inference_mode(), eager():
        for window in hearing:
            share = window.seconds
            seconds += share
            model.net(*window.features)
    return (totals / seconds).float()


def some_windows(
    model: AudioModel, clips: Clips, rows: Rows, n_windows: int, seed: int, workers: int | None
) -> tuple[Window, ...]:
    """Return the first window of up to ``n_windows`` clips drawn from ``rows``; clips that fail are left out.

    Raises
    ------
    EmptyDataError
        If none can be heard.
    """
    chosen = np.random.default_rng(seed).permutation(rows)[:n_windows]
    first: dict[int, Window] = {}
    for window in Hearing(model, clips, chosen, memory_bytes=0, workers=workers):
        first.setdefault(window.row, window)
    return tuple(first.values())


def donors(windows: Sequence[Window], groups: Sequence[str], seed: int) -> Donors:
    """Return a function that lends each window one of ``windows``, of another group and of the same shape.

    Parameters
    ----------
    windows : sequence of Window
        The bank.
    groups : sequence of str
        Group of each clip, by row.
    seed : int
        With the row, decides which one: the same window has the same donor.
    """
    if not windows:
        raise EmptyDataError("there is no clip to take activations from")

    def lend(window: Window) -> Window:
        fits = [
            one for one in windows if groups[one.row] != groups[window.row] and one.shapes == window.shapes
        ]
        if not fits:
            raise InputError(
                f"no reference clip of another group has windows like those of clip {window.row}: resample needs "
                "windows of one length; choose intervention mean, or open the network with a fixed clip length"
            )
        return fits[int(np.random.default_rng([seed, window.row]).integers(len(fits)))]

    return lend
