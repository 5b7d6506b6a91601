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

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

TAIL_SHARE = 0.1
#: Size of the piece of a layer that goes through all passes at a time.
CACHE_BYTES = 2_500_000
#: Share of the pairs up to which traces are made pair by pair; less where a pair's positions are scattered in memory.
_FEW, _FEW_SCATTERED = 0.5, 0.04


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
    """

    pooled: Tensor
    positives: Tensor | None


def passes(grid: Tensor, pooling: str, counts: bool) -> Passes:
    """Return everything that needs all positions of ``grid`` whatever their values.

    On a CPU a piece goes through all passes before the next one does, while it is in the cache.
    """
    pool = GRID_POOLINGS.get(pooling, mean)
    if grid.is_cuda:
        return Passes(pool(grid), (grid > 0).sum(dim=(2, 3)).float() if counts else None)
    pooled = torch.empty(grid.shape[:2])
    positives = torch.empty(grid.shape[:2]) if counts else None
    above: Tensor | None = None
    scattered = _has_gaps(grid)
    for piece in _pieces(grid):
        part = torch.empty_like(grid[piece]).copy_(grid[piece]) if scattered else grid[piece]
        pooled[piece] = pool(part)
        if positives is not None:
            if above is None or above.shape != part.shape:
                above = torch.empty_like(part, dtype=torch.float32)
            positives[piece] = torch.gt(part, 0, out=above).sum(dim=(2, 3))
    return Passes(pooled, positives)


def _has_gaps(grid: Tensor) -> bool:
    """Return whether neurons lie side by side and positions are cut out of more: torch's sums are then slow.

    So are tokens that run through the frames of one frequency row after another, of which the last frames are padding.
    """
    _, neuron, row, frame = grid.stride()
    if neuron >= min(row, frame) or 1 in grid.shape[2:]:
        return False
    return row != grid.shape[3] * frame and frame != grid.shape[2] * row


def traces(grid: Tensor) -> Tensor:
    """Return ``(clip, pole neuron, frame)``: the largest position of each frame, of the neurons and their negatives."""
    if grid.is_cuda:
        return torch.cat([grid.amax(dim=2), -grid.amin(dim=2)], dim=1)
    n_clips, n_neurons, _, n_frames = grid.shape
    found = torch.empty(n_clips, 2 * n_neurons, n_frames, dtype=grid.dtype)
    for clips, neurons in _pieces(grid):
        piece = grid[clips, neurons]
        found[clips, neurons] = _folded(piece, torch.maximum)
        negatives = slice(n_neurons + neurons.start, n_neurons + neurons.stop)
        torch.neg(_folded(piece, torch.minimum), out=found[clips, negatives])
    return found


def traces_of(grid: Tensor, clip: Tensor, pole_neuron: Tensor) -> Tensor:
    """Return the traces ``(pair, frame)`` of some pairs of clip and pole neuron.

    Cost O(pairs) where they are few; where they are many, or a pair's positions lie scattered in memory, all traces
    are made and the pairs taken.
    """
    n_clips, n_neurons, n_rows, n_frames = grid.shape
    scattered = grid.stride(3) > grid.stride(1) and grid.stride(2) > grid.stride(1)
    few = _FEW_SCATTERED if scattered else _FEW
    if len(clip) > few * n_clips * 2 * n_neurons:
        return traces(grid)[clip, pole_neuron]
    found = torch.empty(len(clip), n_frames, dtype=grid.dtype, device=grid.device)
    step = len(clip) if grid.is_cuda else max(1, CACHE_BYTES // (n_rows * n_frames * grid.element_size()))
    low = pole_neuron >= n_neurons
    neuron = torch.where(low, pole_neuron - n_neurons, pole_neuron)
    sign = torch.where(low, -1, 1).to(grid.dtype)[:, None, None]
    for start in range(0, len(clip), max(1, step)):
        at = slice(start, start + step)
        slabs = _slabs(grid, clip[at], neuron[at]).mul_(sign[at])
        found[at] = _folded(slabs[:, None], torch.maximum)[:, 0]
    return found


def _slabs(grid: Tensor, clip: Tensor, neuron: Tensor) -> Tensor:
    """Return ``(pair, frequency, frame)``; where slabs lie one after another they are copied row by row."""
    if grid.stride(3) == 1 and grid.stride(0) == grid.shape[1] * grid.stride(1):
        return grid.flatten(0, 1).index_select(0, clip * grid.shape[1] + neuron)
    return grid[clip, neuron]


def _pieces(grid: Tensor) -> Iterator[tuple[slice, slice]]:
    """Yield clips and neurons that fit the cache: some clips whole, or some neurons of one."""
    n_clips, n_neurons = grid.shape[:2]
    neuron_bytes = max(1, grid.shape[2] * grid.shape[3] * grid.element_size())
    at_once = max(1, CACHE_BYTES // (neuron_bytes * n_neurons))
    step = n_neurons if at_once > 1 else max(1, CACHE_BYTES // neuron_bytes)
    for clip in range(0, n_clips, at_once):
        for neuron in range(0, n_neurons, step):
            yield slice(clip, min(clip + at_once, n_clips)), slice(neuron, min(neuron + step, n_neurons))


def _folded(grid: Tensor, extreme: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return the extreme over axis 2 by halving it: elementwise steps are several times faster than a reduction."""
    while (n := grid.shape[2]) > 1:
        half = n // 2
        folded = extreme(grid[:, :, :half], grid[:, :, half : 2 * half])
        if n % 2:
            folded[:, :, :1] = extreme(folded[:, :, :1], grid[:, :, 2 * half :])
        grid = folded
    return grid[:, :, 0]


def into_bins(traces: Tensor, n_bins: int) -> Tensor:
    """Return traces ``(..., frame)`` as ``(..., bin)``: the largest of each bin's frames, repeats of scarce ones."""
    frames = traces.shape[-1]
    if frames == n_bins:
        return traces
    at = torch.arange(n_bins, device=traces.device)
    first, last = (at * frames) // n_bins, -(-(at + 1) * frames // n_bins) - 1
    binned = traces.index_select(-1, first)
    for step in range(1, -(-frames // n_bins) + 1 if frames > n_bins else 1):
        binned = torch.maximum(binned, traces.index_select(-1, torch.minimum(first + step, last)))
    return binned
