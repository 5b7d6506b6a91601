"""Where and when is each pole neuron most extreme in a batch of windows, and how does it run over time?

All windows are looked at together, each at its own valid frames; only pairs of a window and a pole neuron that may
still be ranked are. Once a block has heard many clips those are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from otoscope.models.geometry import Geometry
from otoscope.record import pooling

Span = tuple[int, int]


@dataclass(frozen=True)
class Evidence:
    """Where and when each pole neuron is most extreme; axes ``(clip, pole neuron)``.

    Zero and NaN where it was not wanted (below the floor).

    Attributes
    ----------
    trace : Tensor
        float16 ``(clip, pole neuron, bin)``.
    peak_s, peak_hz, peak_value : Tensor
        float32.
    """

    trace: Tensor
    peak_s: Tensor
    peak_hz: Tensor
    peak_value: Tensor


def evidence(
    grid: Tensor,
    frames: Sequence[Span | Tensor],
    starts: Tensor,
    geometry: Geometry,
    n_bins: int,
    wanted: Tensor,
) -> Evidence:
    """Return the evidence of the wanted pairs.

    Parameters
    ----------
    grid : Tensor
        ``(window, neuron, frequency, frame)``, all frames.
    frames : sequence of (int, int) or Tensor
        Each window's valid frames: a span, or with gaps their numbers.
    starts : Tensor
        When each window starts, in seconds ``(window,)``.
    geometry : Geometry
        Gives frames their seconds and rows their hertz.
    n_bins : int
        Length of a trace.
    wanted : Tensor
        bool ``(window, pole neuron)``.
    """
    window, pole_neuron = wanted.nonzero(as_tuple=True)
    every = pooling.traces_of(grid, window, pole_neuron)
    kinds, kind = _kinds(frames)
    if len(kinds) == 1:
        value, peak, trace = _extreme(every, kinds[0], n_bins)
    else:
        value, peak = every.new_empty(len(every)), torch.empty_like(window)
        trace = every.new_empty(len(every), n_bins)
        of_pair = torch.tensor(kind, device=grid.device)[window]
        for number, own in enumerate(kinds):
            at = (of_pair == number).nonzero()[:, 0]
            value[at], peak[at], trace[at] = _extreme(every[at], own, n_bins)
    seconds = _seconds(geometry, peak, starts[window])
    hertz = _hertz(grid, window, pole_neuron, peak, geometry)
    return _spread(wanted, (window, pole_neuron), trace, (seconds, hertz, value))


def _kinds(frames: Sequence[Span | Tensor]) -> tuple[list[Span | Tensor], list[int]]:
    """Return the different choices of frames, and each window's."""
    kinds: dict[Span | int, Span | Tensor] = {}
    for one in frames:
        kinds.setdefault(_key(one), one)
    number = {key: place for place, key in enumerate(kinds)}
    return list(kinds.values()), [number[_key(one)] for one in frames]


def _key(frames: Span | Tensor) -> Span | int:
    return id(frames) if isinstance(frames, Tensor) else frames


def _extreme(traces: Tensor, frames: Span | Tensor, n_bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest value of each ``(pair, frame)`` trace at some frames, its frame, and the trace in bins."""
    if isinstance(frames, Tensor):
        at = frames.to(traces.device)
        value, place = (own := traces[:, at]).max(dim=-1)
        return value, at[place], pooling.into_bins(own, n_bins)
    value, place = (own := traces[:, slice(*frames)]).max(dim=-1)
    return value, place + frames[0], pooling.into_bins(own, n_bins)


def _seconds(geometry: Geometry, frame: Tensor, starts: Tensor) -> Tensor:
    if geometry.n_time == 1:
        return torch.full_like(starts, torch.nan)  # a layer without time has no peak in time
    return geometry.offset_s + geometry.stride_s * frame.float() + starts


def _hertz(grid: Tensor, window: Tensor, pole_neuron: Tensor, frame: Tensor, geometry: Geometry) -> Tensor:
    """Return the centre frequency of each pair's most extreme row at its peak; NaN where rows have none."""
    if geometry.frequency_hz is None:
        return torch.full(window.shape, torch.nan, device=grid.device)
    n_neurons = grid.shape[1]
    low = pole_neuron >= n_neurons
    column = grid[window, torch.where(low, pole_neuron - n_neurons, pole_neuron), :, frame]
    row = torch.where(low[:, None], -column, column).argmax(dim=-1)
    return torch.tensor(geometry.frequency_hz, device=grid.device, dtype=torch.float32)[row]


def _spread(
    wanted: Tensor, pairs: tuple[Tensor, Tensor], trace: Tensor, peaks: tuple[Tensor, Tensor, Tensor]
) -> Evidence:
    """Return evidence with the pairs' values in their places."""
    traces = _zeros((*wanted.shape, trace.shape[1]), wanted.device)
    traces[pairs] = trace.half()
    spread = torch.full((3, *wanted.shape), torch.nan, device=wanted.device)
    for place, values in zip(spread, peaks, strict=True):
        place[pairs] = values.float()
    return Evidence(traces, *spread)


def _zeros(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return float16 zeros; on a CPU memory that is not written to is not touched, and most of a trace is not."""
    if device.type == "cpu":
        return torch.from_numpy(np.zeros(shape, np.float16))
    return torch.zeros(shape, dtype=torch.float16, device=device)
