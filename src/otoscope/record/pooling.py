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

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

TAIL_SHARE = 0.1
#: Size of the piece of a layer that goes through all passes at a time.
CACHE_BYTES = 2_500_000


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


@dataclass(frozen=True)
class Passes:
    """What the passes over a grid's positions gave.

    Attributes
    ----------
    pooled : Tensor
        ``(clip, neuron)`` float32.
    positives : Tensor or None
        Positions > 0, ``(clip, neuron)`` float32 (exact up to 2**24 positions).
    high, low : Tensor
        Largest and smallest position of each frame, ``(clip, neuron, frame)``.
    """

    pooled: Tensor
    positives: Tensor | None
    high: Tensor
    low: Tensor


def passes(grid: Tensor, pooling: str, counts: bool) -> Passes:
    """Return everything that needs all positions of ``grid``.

    On a CPU one clip goes through all passes before the next, while it is in the cache.
    """
    pool = GRID_POOLINGS.get(pooling, mean)
    if grid.is_cuda:
        positives = (grid > 0).sum(dim=(2, 3)).float() if counts else None
        return Passes(pool(grid), positives, grid.amax(dim=2), grid.amin(dim=2))
    parts = [_of_one(grid[i : i + 1], pool, counts) for i in range(grid.shape[0])]
    return Passes(
        torch.cat([part.pooled for part in parts]),
        torch.cat([part.positives for part in parts if part.positives is not None]) if counts else None,
        _stacked([part.high for part in parts]),
        _stacked([part.low for part in parts]),
    )


def _of_one(clip: Tensor, pool: Callable[[Tensor], Tensor], counts: bool) -> Passes:
    """Return the passes over one clip, some neurons at a time."""
    n_neurons = clip.shape[1]
    step = max(1, CACHE_BYTES // max(1, clip[0, 0].numel() * clip.element_size()))
    pooled, positives = [], []
    high, low = (torch.empty_like(clip[:, :, 0]) for _ in range(2))
    for start in range(0, n_neurons, step):
        part = clip[:, start : start + step]
        pooled.append(pool(part))
        if counts:
            above = torch.empty_like(part, dtype=torch.float32)
            positives.append(torch.gt(part, 0, out=above).sum(dim=(2, 3)))
        high[:, start : start + step] = _folded(part, torch.maximum)
        low[:, start : start + step] = _folded(part, torch.minimum)
    return Passes(torch.cat(pooled, dim=1), torch.cat(positives, dim=1) if counts else None, high, low)


def _stacked(traces: list[Tensor]) -> Tensor:
    """Return traces ``(1, neuron, frame)`` as ``(clip, neuron, frame)`` in the order in which they lie in memory."""
    if len(traces) > 1 and traces[0].stride(1) == 1:  # neurons side by side, as in a transformer
        return torch.cat([one.transpose(1, 2) for one in traces]).transpose(1, 2)
    return torch.cat(traces) if len(traces) > 1 else traces[0]


def _folded(grid: Tensor, extreme: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return the extreme over axis 2 by halving it: elementwise steps are several times faster than a reduction."""
    while (n := grid.shape[2]) > 1:
        half = n // 2
        folded = extreme(grid[:, :, :half], grid[:, :, half : 2 * half])
        if n % 2:
            folded[:, :, :1] = extreme(folded[:, :, :1], grid[:, :, 2 * half :])
        grid = folded
    return grid[:, :, 0]


def into_bins(traces: Tensor, n_bins: int, pole: str) -> Tensor:
    """Return traces ``(..., frame)`` as ``(..., bin)``: the extreme of each bin's frames, repeats of scarce ones."""
    frames = traces.shape[-1]
    if frames == n_bins:
        return traces
    at = torch.arange(n_bins, device=traces.device)
    first, last = (at * frames) // n_bins, -(-(at + 1) * frames // n_bins) - 1
    extreme = torch.maximum if pole == "high" else torch.minimum
    binned = traces.index_select(-1, first)
    for step in range(1, int((last - first).max()) + 1):
        binned = extreme(binned, traces.index_select(-1, torch.minimum(first + step, last)))
    return binned
