"""Did a change make clips right that were wrong, or wrong that were right, more than chance would?

Definitions, for the same clips before and after:

- *lost*: clips right before and wrong after; *gained*: the other way round;
- *McNemar, exact*: under no effect a clip that changes sides does so either way with probability 1/2, so
  p = min(1, 2 P(X <= min(lost, gained))), X ~ Binomial(lost + gained, 1/2); 1 where no clip changes sides;
- *sign flip by group*: clips of one group change sides together. The sum of differences of each whole group keeps or
  changes its sign at random; p = (b + 1) / (B + 1), b how many of B deals of signs have a total at least as far
  from 0. With G groups that differ no p lies below 2 / 2^G.

Conventions: two-sided. McNemar treats clips as independent, so it is too sure of itself where groups are large; it
is given because it is what a reader knows, beside the p by group.

Reference: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
Psychometrika 12, 1947; P. Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 2005, chapter 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.classification import Floats

Bools = NDArray[np.bool_]
_EXACT_GROUPS = 12
"""Up to so many groups that differ, all deals of signs are counted."""


def validate(before: Bools, after: Bools) -> None:
    """Raise if the two are not outcomes of the same clips."""
    if before.shape != after.shape or before.ndim != 1:
        raise InputError(f"expected two outcomes (clip,), got {before.shape} and {after.shape}")
    if before.dtype != np.bool_ or after.dtype != np.bool_:
        raise InputError(f"outcomes are right or wrong (bool), got {before.dtype} and {after.dtype}")


def lost_and_gained(before: Bools, after: Bools) -> tuple[int, int]:
    """Return how many clips were lost and how many gained.

    Examples
    --------
    >>> lost_and_gained(np.array([True, True, False]), np.array([False, True, True]))
    (1, 1)
    """
    validate(before, after)
    return int((before & ~after).sum()), int((~before & after).sum())


def mcnemar_p(before: Bools, after: Bools) -> float:
    """Return the exact two-sided p of McNemar's test, in (0, 1].

    Parameters
    ----------
    before, after : array of bool (clip,)
        Whether each clip was right.

    Examples
    --------
    >>> mcnemar_p(np.array([True] * 6), np.array([False] * 6))
    0.03125
    """
    lost, gained = lost_and_gained(before, after)
    return float(min(1.0, 2 * binom.cdf(min(lost, gained), lost + gained, 0.5)))


def sign_flip_p(differences: Floats, groups: NDArray[Any], *, n_deals: int = 9999, seed: int = 0) -> float:
    """Return the two-sided p of a mean difference of 0 when whole groups keep or change their sign, in (0, 1].

    Parameters
    ----------
    differences : array (clip,)
        After minus before; finite.
    groups : array (clip,)
        Any sortable type.
    n_deals, seed : int
        Of the deals of signs; with few groups all deals are counted instead.

    Examples
    --------
    >>> sign_flip_p(np.array([-1.0, -1.0, -1.0]), np.array([0, 1, 2]))
    0.25
    """
    if differences.shape != groups.shape or differences.ndim != 1:
        raise InputError(f"expected one group a difference, got {differences.shape} and {groups.shape}")
    if not len(differences):
        raise EmptyDataError("there is no clip whose difference could be tested")
    code = np.unique(groups, return_inverse=True)[1].reshape(-1)
    sums = np.bincount(code, weights=differences)
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    observed = abs(sums.sum()) * (1 - 1e-12)
    if len(sums) <= _EXACT_GROUPS:
        signs = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float((np.abs(signs @ sums) >= observed).mean())
    signs = 1 - 2 * np.random.default_rng(seed).integers(0, 2, (n_deals, len(sums)))
    return float((1 + (np.abs(signs @ sums) >= observed).sum()) / (n_deals + 1))
