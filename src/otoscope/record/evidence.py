"""Where and when is each pole neuron most extreme in a batch of windows, and how does it run over time?

All windows are looked at together, each at its own valid frames; only pairs of a window and a pole neuron that may
still be ranked are. Once a block has heard many clips those are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from otoscope.models.geometry import Geometry
from otoscope.record import pooling

Span = tuple[int, int]


@dataclass(frozen=True)
class Evidence:
    """Where and when pole neurons are most extreme, one row a pair of a clip and a pole neuron, in that order.

    Attributes
    ----------
    clip, pole_neuron : Tensor
        The pairs for which it was wanted, int64 ``(pair,)``.
    trace : Tensor
        float16 ``(pair, bin)``.
    peak_s, peak_hz, peak_value : Tensor
        float32 ``(pair,)``; NaN where the layer has no time or no frequency.
    """

    clip: Tensor
    pole_neuron: Tensor
    trace: Tensor
    peak_s: Tensor
    peak_hz: Tensor
    peak_value: Tensor

    def __len__(self) -> int:
        return len(self.clip)

    def part(self, pairs: Tensor) -> Evidence:
        """Return some of the pairs."""
        return Evidence(*(getattr(self, one.name)[pairs] for one in fields(self)))


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
    return Evidence(window, pole_neuron, trace.half(), seconds, hertz, value.float())


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
