"""Merge the windows of one long recording into one reduction, as time runs through it.

A window's trace fills its share of the recording's bins, the peak is the most extreme of the windows' peaks, counts
and positions add up, and pooled values follow the rules of :mod:`otoscope.record.pooling`. Windows are merged one
after another, so a recording of any length takes the memory of one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from otoscope.record.pooling import into_bins
from otoscope.record.ranking import POLES
from otoscope.record.reduce import PoleTrace, Reduction


def place(window: Reduction, begin: float, end: float, n_bins: int) -> Reduction:
    """Return a window's reduction ``(1, neuron)`` with its trace put where the window lies in its clip.

    Parameters
    ----------
    window : Reduction
        One window.
    begin, end : float
        The shares of the clip, 0 to 1, between which the window answers.
    n_bins : int
        Length of the clip's trace; bins elsewhere hold the pole's opposite infinity.
    """
    first = min(int(begin * n_bins + 1e-9), n_bins - 1)
    last = max(first + 1, min(n_bins, math.ceil(end * n_bins - 1e-9)))
    poles = []
    for one, pole in zip(window.poles, POLES, strict=True):
        empty = -torch.inf if pole == "high" else torch.inf
        trace = torch.full_like(one.trace, empty)
        trace[..., first:last] = into_bins(one.trace.float(), last - first, pole).half()
        poles.append(PoleTrace(trace, one.peak_s, one.peak_hz, one.peak_value))
    return Reduction(window.pooled, window.positions, window.positives, tuple(poles))


def merge(a: Reduction, b: Reduction, pooling: str) -> Reduction:
    """Return the reduction ``(1, neuron)`` of the windows of ``a`` and then those of ``b``."""
    counted = a.positives is not None and b.positives is not None
    return Reduction(
        _pooled(a, b, pooling),
        a.positions + b.positions,
        a.positives + b.positives if counted else None,  # type: ignore[operator]
        tuple(_pole(one, other, pole) for one, other, pole in zip(a.poles, b.poles, POLES, strict=True)),
    )


def _pooled(a: Reduction, b: Reduction, pooling: str) -> Tensor:
    if pooling == "max":
        return torch.maximum(a.pooled, b.pooled)
    if pooling == "first":
        return a.pooled
    share = (b.positions / (a.positions + b.positions)).to(a.pooled)
    return a.pooled + (b.pooled - a.pooled) * share[:, None]


def _pole(a: PoleTrace, b: PoleTrace, pole: str) -> PoleTrace:
    later = b.peak_value > a.peak_value if pole == "high" else b.peak_value < a.peak_value
    extreme = torch.maximum if pole == "high" else torch.minimum
    return PoleTrace(
        extreme(a.trace, b.trace),
        torch.where(later, b.peak_s, a.peak_s),
        torch.where(later, b.peak_hz, a.peak_hz),
        extreme(a.peak_value, b.peak_value),
    )
