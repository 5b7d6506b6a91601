"""Halves, blocks and permutations of the shared clips, all by group, and intervals by jackknife.

The jackknife leaves out one block of groups at a time: with values v_j without block j, of J blocks,

    standard error = sqrt((J - 1) / J  sum over j of (v_j - mean v)^2),   interval = value -+ 1.96 standard errors.

It suits statistics that clips drawn twice would spoil (counts of selected neurons, CKA, matchings), where a bootstrap
does not work. Differences of two runs are left out together, so that the interval is paired.

Reference: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Floats = NDArray[np.float64]


def blocks(groups: NDArray[Any], n_blocks: int, seed: int) -> list[Places]:
    """Return, for each block, the places of the clips that stay; at most as many blocks as groups.

    Examples
    --------
    >>> [one.tolist() for one in blocks(np.array(["a", "a", "b"]), 2, seed=0)]
    [[2], [0, 1]]
    """
    code = np.unique(groups, return_inverse=True)[1].reshape(-1)
    n_groups = int(code.max()) + 1
    used = min(n_blocks, n_groups)
    if used < 2:
        return []
    block_of = np.random.default_rng(seed).permutation(n_groups) % used
    return [np.flatnonzero(block_of[code] != one) for one in range(used)]


def split(groups: NDArray[Any], seed: int) -> tuple[Places, Places]:
    """Return two halves of the clips, groups whole, each as near to half of the clips as groups allow."""
    code = np.unique(groups, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(code)
    side, filled = np.zeros(len(sizes), dtype=np.int64), np.zeros(2)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        side[group] = int(filled[1] < filled[0])
        filled[side[group]] += sizes[group]
    return np.flatnonzero(side[code] == 0), np.flatnonzero(side[code] == 1)


def jackknife(value: float, left_out: Floats) -> tuple[float, float]:
    """Return the ends of the 95 % interval; NaN with fewer than two values.

    Parameters
    ----------
    value : float
        On all clips.
    left_out : array (block,)
        Without each block.

    Examples
    --------
    >>> low, high = jackknife(1.0, np.array([1.0, 1.0, 1.0]))
    >>> low, high
    (1.0, 1.0)
    """
    known = left_out[np.isfinite(left_out)]
    if len(known) < 2 or not np.isfinite(value):
        return float("nan"), float("nan")
    error = np.sqrt((len(known) - 1) / len(known) * ((known - known.mean()) ** 2).sum())
    return float(value - 1.96 * error), float(value + 1.96 * error)
