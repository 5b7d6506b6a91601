"""Which clips describe, and which score? Whole groups go to one side.

Definition: groups are drawn in random order; each goes to the side that is furthest below its share of the clips.
So a description is scored on recordings, speakers or artists it has not been chosen on.

Labels play no part: a description must not be helped by halves that a label set balances. That, and the random order,
is how it differs from :func:`otoscope.data.splits.split_by_group`, which balances classes over any number of parts and
deals the largest groups first; :func:`otoscope.selectivity.measure.halves` balances the classes of one task.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError

Rows = NDArray[np.int64]


def halves(groups: NDArray[Any], share: float, seed: int, n_recorded: int | None = None) -> tuple[Rows, Rows]:
    """Return the positions of the describing and of the scoring clips, each ascending.

    Parameters
    ----------
    groups : array (clip,)
        Any sortable type.
    share : float
        Of the describing clips, in (0, 1).
    seed : int
    n_recorded : int, optional
        Clips of the run, those without activations or caption included: the error says how many are left out.

    Raises
    ------
    InputError
        If there are fewer than two groups.

    Examples
    --------
    >>> describing, scoring = halves(np.array(["a", "a", "b", "b"]), 0.5, seed=0)
    >>> len(describing), len(scoring)
    (2, 2)
    """
    names, code, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise InputError(_too_few(len(groups), n_recorded or len(groups)))
    shares = np.array([share, 1 - share])
    filled = np.zeros(2)
    side = np.empty(len(names), dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(names))
    for place, group in enumerate(order):
        empty = np.flatnonzero(filled == 0)
        last = place == len(order) - 1 and len(empty)
        side[group] = empty[0] if last else np.argmax(shares - filled / sizes.sum())
        filled[side[group]] += sizes[group]
    return np.flatnonzero(side[code] == 0), np.flatnonzero(side[code] == 1)


def _too_few(n_used: int, n_recorded: int) -> str:
    """Return why clips of one group are too few, and what to do."""
    left_out = n_recorded - n_used
    of = f" of {n_recorded}" if left_out else ""
    used = (
        f"the 1 clip{of} that can be used is"
        if n_used == 1
        else f"the {n_used} clips{of} that can be used are"
    )
    why = (
        f"{left_out} have no caption or no activations. Caption more clips, or describe"
        if left_out
        else "describe"
    )
    return (
        f"{used} of one group, which cannot be split into describing and scoring clips: groups are never cut in two. "
        f"{why[0].upper()}{why[1:]} and score on the same clips (same_clips), or declare finer groups"
    )
