"""From a layer's positions to one value a clip, its trace over time, its peak and its firing count.

Every function takes a grid ``(clip, neuron, frequency, frame)`` whose frames are all valid: special tokens, padding
and, where asked, digital silence have been left out. Poolings:

====== =============================================================================================
mean   mean over positions
max    largest position
tail   mean of the highest 10 % of the positions (at least one)
first  the first position of the grid (lowest row, first frame)
cls    the first special token; only networks with special tokens have one
====== =============================================================================================

A long recording is heard in windows. Their ``mean``, ``tail`` and ``cls`` are averaged, weighted by positions (so
``tail`` is the mean of the windows' own tails), ``max`` is their largest and ``first`` the first window's.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool1d

TAIL_SHARE = 0.1


def mean(grid: Tensor) -> Tensor:
    """Return the mean over positions ``(clip, neuron)``."""
    return grid.mean(dim=(2, 3), dtype=torch.float32)


def maximum(grid: Tensor) -> Tensor:
    """Return the largest position ``(clip, neuron)``."""
    return grid.amax(dim=(2, 3))


def tail(grid: Tensor) -> Tensor:
    """Return the mean of the highest 10 % of the positions ``(clip, neuron)``."""
    flat = grid.flatten(2)  # (clip, neuron, position)
    k = max(1, round(TAIL_SHARE * flat.shape[2]))
    return flat.topk(k, dim=2, sorted=False).values.mean(dim=2, dtype=torch.float32)


def first(grid: Tensor) -> Tensor:
    """Return the first position ``(clip, neuron)``."""
    return grid[:, :, 0, 0]


#: name -> pooling over the grid; ``cls`` reads the special tokens instead.
GRID_POOLINGS = {"mean": mean, "max": maximum, "tail": tail, "first": first}
POOLINGS = (*GRID_POOLINGS, "cls")


def count_positive(grid: Tensor) -> Tensor:
    """Return how many positions are > 0, ``(clip, neuron)`` float32 (exact up to 2**24 positions)."""
    return torch.gt(grid, 0).to(grid.dtype).sum(dim=(2, 3), dtype=torch.float32)


def trace(grid: Tensor, pole: str) -> Tensor:
    """Return the most extreme position of each frame ``(clip, neuron, frame)``: largest, for ``low`` smallest."""
    if grid.shape[2] == 1:
        return grid[:, :, 0]
    return grid.amax(dim=2) if pole == "high" else grid.amin(dim=2)


def peak(grid: Tensor, traces: Tensor, pole: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return where each neuron is most extreme: frame, frequency row and value, each ``(clip, neuron)``."""
    best = traces.max(dim=2) if pole == "high" else traces.min(dim=2)
    if grid.shape[2] == 1:
        return best.indices, torch.zeros_like(best.indices), best.values
    at = best.indices[:, :, None, None].expand(-1, -1, grid.shape[2], 1)
    column = grid.gather(3, at)[..., 0]  # (clip, neuron, frequency)
    row = column.argmax(dim=2) if pole == "high" else column.argmin(dim=2)
    return best.indices, row, best.values


def into_bins(traces: Tensor, n_bins: int, pole: str) -> Tensor:
    """Return traces ``(clip, neuron, frame)`` as ``(clip, neuron, bin)``: the extreme of each bin, or repeats."""
    frames = traces.shape[2]
    if frames == n_bins:
        return traces
    if frames < n_bins:
        at = (torch.arange(n_bins, device=traces.device) * frames) // n_bins
        return traces.index_select(2, at)
    signed = traces if pole == "high" else -traces
    pooled = adaptive_max_pool1d(signed, n_bins)
    return pooled if pole == "high" else -pooled
