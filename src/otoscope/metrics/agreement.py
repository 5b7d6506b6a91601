"""Do raters agree, beyond what their habits alone would give?

Definition (Krippendorff's alpha): over all pairs of ratings of the same unit, by different raters,

    alpha = 1 - D_o / D_e,   D_o = sum_ck o_ck d2_ck / n,   D_e = sum_ck n_c n_k d2_ck / (n (n - 1)),

o_ck the coincidences: of the pairs (c, k) that unit u with m_u ratings holds, each counted 1 / (m_u - 1) times; n_c the
sum of o_ck over k, n all of them. The distance is

- nominal: d2_ck = 1 where c != k;
- ordinal: d2_ck = (n_c / 2 + ... + n_k / 2)^2, the ratings between c and k, those of c and k by half;
- interval: d2_ck = (c - k)^2.

Conventions: ratings ``(rater, unit)``, NaN where a rater did not rate; units with a single rating say nothing and are
left out. 1 is perfect agreement, 0 what chance gives, below 0 systematic disagreement; NaN where nothing can be
compared or nobody ever gave two different ratings.

Reference: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011, section D.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError, UnknownNameError
from otoscope.metrics.classification import Floats

LEVELS = ("nominal", "ordinal", "interval")


def validate(ratings: Floats, level: str) -> None:
    """Raise if the ratings are no table, or the level of measurement has another name."""
    if ratings.ndim != 2:
        raise InputError(f"expected ratings (rater, unit), got shape {ratings.shape}")
    if level not in LEVELS:
        raise UnknownNameError.of("level of measurement", level, LEVELS)


def krippendorff_alpha(
    ratings: Floats, level: Literal["nominal", "ordinal", "interval"] = "ordinal"
) -> float:
    """Return Krippendorff's alpha; higher is better, 1 is perfect, 0 is chance.

    Parameters
    ----------
    ratings : array (rater, unit)
        NaN where a rater did not rate.
    level : {"nominal", "ordinal", "interval"}
        What a difference between two ratings means.

    Notes
    -----
    O(rater x unit + value^2).

    Examples
    --------
    >>> krippendorff_alpha(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]))
    1.0
    """
    validate(ratings, level)
    values, counts = _counts(ratings)
    together = counts[counts.sum(axis=1) > 1]
    weights = 1 / (together.sum(axis=1) - 1)
    coincidences = (together * weights[:, None]).T @ together - np.diag(together.T @ weights)
    n_of = coincidences.sum(axis=1)
    n = float(n_of.sum())
    distances = _distances(values, n_of, level)
    expected = float(n_of @ distances @ n_of) / (n - 1) if n > 1 else 0.0
    if expected == 0:
        return float("nan")
    return 1 - float((coincidences * distances).sum()) / expected


def _counts(ratings: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distinct ratings, and how often each unit got each ``(unit, value)``."""
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[:, :, None] == values).sum(axis=0)
    return values.astype(np.float64), counts.astype(np.float64)


def _distances(values: NDArray[np.float64], n_of: NDArray[np.float64], level: str) -> NDArray[np.float64]:
    """Return the squared distance of each pair of values."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    place = np.cumsum(n_of) - n_of / 2 if level == "ordinal" else values
    return np.asarray((place[:, None] - place[None, :]) ** 2)
