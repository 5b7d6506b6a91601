"""Who lends a case its control: the mask of another clip, or the sound of one.

A mask is taken from another recording group, so that a second take of the same recording is no "other" clip. Which
case is drawn is decided by its place among those that may be, so nobody is looked at twice: the cost is
O(cases x log cases) for each class, whatever the number of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.explain.cases import Cases

Places = NDArray[np.int64]


def donors(targets: Places, groups: Sequence[Any], seed: int) -> Places:
    """Return, for each case, another one of the same class and one of another class, ``(case, 2)``; -1: there is none.

    Both are drawn from other groups.

    Parameters
    ----------
    targets : int64 (case,)
        The class that is explained.
    groups : sequence
        The recording group of each case.
    seed : int
        Of the draws.
    """
    rng = np.random.default_rng(seed)
    code = np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)
    classes, own = np.unique(targets, return_inverse=True)
    n_of_class, n_of_group = np.bincount(own), np.bincount(code)
    pair = own * len(n_of_group) + code
    both, place = np.unique(pair, return_inverse=True)
    n_of_both = np.bincount(place, minlength=len(both))[place]
    alike = n_of_class[own] - n_of_both
    different = len(targets) - n_of_class[own] - n_of_group[code] + n_of_both
    drawn = np.full((len(targets), 2), -1, np.int64)
    for case, counts in enumerate(zip(alike.tolist(), different.tolist(), strict=True)):
        for kind, n in enumerate(counts):
            if n:
                drawn[case, kind] = rng.choice(n)
    found = np.full_like(drawn, -1)
    for one in range(len(classes)):
        cases = np.flatnonzero(own == one)
        for kind, pool in enumerate((cases, np.flatnonzero(own != one))):
            found[cases, kind] = _of_other_groups(pool, code, cases, drawn[cases, kind])
    return found


def _of_other_groups(pool: Places, code: Places, cases: Places, drawn: Places) -> Places:
    """Return each case's drawn member of ``pool``, counted without the members of its own group; -1 stays."""
    order = np.argsort(code[pool], kind="stable")  # members of a group side by side, ascending within
    members = code[pool][order]
    first, last = (np.searchsorted(members, code[cases], side=side) for side in ("left", "right"))
    found = np.full(len(cases), -1, np.int64)
    for i, n in enumerate(drawn.tolist()):
        if n >= 0:
            left_out = order[first[i] : last[i]]
            found[i] = pool[n + np.searchsorted(left_out - np.arange(len(left_out)), n, side="right")]
    return found


def backgrounds(chosen: Cases, seeds: Sequence[int]) -> Places:
    """Return, for each case, a clip of which another class is explained; -1: there is none.

    Parameters
    ----------
    chosen : Cases
        All cases of a set.
    seeds : sequence of int
        One a case.
    """
    clips, place = np.unique(chosen.clips, return_inverse=True)
    lowest, highest = (np.empty(len(clips), np.int64) for _ in range(2))
    lowest[place] = highest[place] = chosen.targets
    np.minimum.at(lowest, place, chosen.targets)
    np.maximum.at(highest, place, chosen.targets)
    only = np.where(lowest == highest, lowest, -1)
    order = np.argsort(only, kind="stable")  # clips of one class side by side
    only = only[order]
    found = np.full(len(chosen), -1, np.int64)
    for case, seed in enumerate(seeds):
        first, last = (
            np.searchsorted(only, chosen.targets[case]),
            np.searchsorted(only, chosen.targets[case], "right"),
        )
        left_out = order[first:last]
        before = int(np.searchsorted(left_out, place[case]))
        inside = not (
            before < len(left_out) and left_out[before] == place[case]
        )  # the case's own clip is left out
        if n := len(clips) - len(left_out) - int(inside):
            drawn = int(np.random.default_rng(seed).choice(n))
            drawn += int(inside and drawn >= place[case] - before)
            at = drawn + np.searchsorted(left_out - np.arange(len(left_out)), drawn, side="right")
            found[case] = clips[at]
    return found
