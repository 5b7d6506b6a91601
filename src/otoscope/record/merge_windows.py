"""Merge the windows of one long recording into one reduction, as time runs through it.

A window's trace fills its share of the recording's bins, the peak is the most extreme of the windows' peaks, counts
and positions add up, and pooled values follow the rules of :mod:`otoscope.record.pooling`. Windows are merged one
after another, so a recording of any length takes the memory of one.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from otoscope.record.pooling import into_bins
from otoscope.record.reduce import Reduction


def place(window: Reduction, begin: float, end: float, n_bins: int) -> Reduction:
    """Return a window's reduction ``(1, neuron)`` with its trace put where the window lies in its clip.

    Parameters
    ----------
    window : Reduction
        One window.
    begin, end : float
        The shares of the clip, 0 to 1, between which the window answers.
    n_bins : int
        Length of the clip's trace; bins elsewhere hold minus infinity.
    """
    first = min(int(begin * n_bins + 1e-9), n_bins - 1)
    last = max(first + 1, min(n_bins, math.ceil(end * n_bins - 1e-9)))
    own = window.evidence
    trace = torch.full_like(own.trace, -torch.inf)
    trace[:, first:last] = into_bins(own.trace, last - first)
    return replace(window, evidence=replace(own, trace=trace))


def merge(a: Reduction, b: Reduction, pooling: str) -> Reduction:
    """Return the reduction ``(1, neuron)`` of the windows of ``a`` and then those of ``b``.

    Both have evidence of every pole neuron.
    """
    one, other = a.evidence, b.evidence
    later = other.peak_value > one.peak_value
    evidence = replace(
        one,
        trace=torch.maximum(one.trace, other.trace),
        peak_s=torch.where(later, other.peak_s, one.peak_s),
        peak_hz=torch.where(later, other.peak_hz, one.peak_hz),
        peak_value=torch.maximum(one.peak_value, other.peak_value),
    )
    counted = a.positives is not None and b.positives is not None
    positives = a.positives + b.positives if counted else None  # type: ignore[operator]
    special = a.special + b.special if a.special is not None and b.special is not None else None
    events = tuple((*one, *other) for one, other in zip(a.events, b.events, strict=True))
    return Reduction(_pooled(a, b, pooling), a.positions + b.positions, positives, evidence, special, events)


def _pooled(a: Reduction, b: Reduction, pooling: str) -> Tensor:
    if pooling == "max":
        return torch.maximum(a.pooled, b.pooled)
    if pooling == "first":
        return a.pooled
    share = (b.positions / (a.positions + b.positions)).to(a.pooled)
    return a.pooled + (b.pooled - a.pooled) * share[:, None]
