"""How far could a number be off, had other recordings been collected?

Definition: draw as many groups (recording, speaker, artist) as there are, with replacement, each with all its
clips; the percentile interval at level 1 - alpha goes from the alpha/2 to the 1 - alpha/2 quantile of the statistic
over the replicates.

Conventions: whole groups are drawn, because clips of one group are not independent. A replicate is a vector of
weights, how often each clip was drawn, so a statistic that takes weights is computed for all replicates at once.
Replicates without a value (NaN) are left out; with fewer than half of them left the interval is NaN.

Reference: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.classification import Floats
from otoscope.metrics.correlation import validate as validate_pair
from otoscope.metrics.correlation import weighted_pearson

_CELLS = 2**24
"""Replicates x columns held at a time."""


def validate(groups: NDArray[Any], n_replicates: int, level: float) -> None:
    """Raise if there is no group, too few replicates, or a level that is none."""
    if groups.ndim != 1 or groups.size == 0:
        raise EmptyDataError(f"expected one group a clip, at least one clip, got shape {groups.shape}")
    if n_replicates < 2:
        raise InputError(f"a bootstrap needs at least 2 replicates, got {n_replicates}")
    if not 0 < level < 1:
        raise InputError(f"the level of an interval lies between 0 and 1, got {level}")


def group_weights(groups: NDArray[Any], n_replicates: int, seed: int) -> NDArray[np.float64]:
    """Return how often each replicate drew each clip, ``(replicate, clip)``.

    Parameters
    ----------
    groups : array (clip,)
        Group of each clip, any sortable type.
    n_replicates : int
    seed : int
    """
    validate(groups, n_replicates, 0.5)
    code = np.unique(groups, return_inverse=True)[1]
    n_groups = int(code.max()) + 1
    share = np.full(n_groups, 1 / n_groups)
    drawn = np.random.default_rng(seed).multinomial(n_groups, share, size=n_replicates)
    return drawn[:, code].astype(np.float64)


def percentile_interval(
    replicates: Floats, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and upper end of the percentile interval over the first axis.

    Parameters
    ----------
    replicates : array (replicate, ...)
    level : float
        0.95 for a 95 % interval.
    """
    tail = (1 - level) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN has no quantile: NaN is the answer
        low, high = np.nanquantile(replicates, [tail, 1 - tail], axis=0)
    enough = np.isfinite(replicates).mean(axis=0) >= 0.5
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def interval(
    statistic: Callable[[NDArray[np.float64]], Floats],
    groups: NDArray[Any],
    *,
    n_replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the group-bootstrap interval of a statistic of weights.

    Parameters
    ----------
    statistic : callable
        Weights ``(replicate, clip)`` to values ``(replicate, ...)``.
    groups : array (clip,)
    n_replicates, level, seed

    Returns
    -------
    low, high : array (...)

    Examples
    --------
    >>> values = np.array([1.0, 1.0, 3.0, 3.0])
    >>> low, high = interval(lambda w: w @ values / w.sum(axis=1), np.array([0, 0, 1, 1]))
    >>> float(low), float(high)
    (1.0, 3.0)
    """
    validate(groups, n_replicates, level)
    return percentile_interval(statistic(group_weights(groups, n_replicates, seed)), level)


def pearson_interval(
    x: Floats,
    y: Floats,
    groups: NDArray[Any],
    *,
    n_replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the group-bootstrap interval of the Pearson correlation of each pair of columns.

    Parameters
    ----------
    x, y : array (clip, column)
    groups : array (clip,)
    n_replicates, level, seed

    Returns
    -------
    low, high : array (column,)
    """
    validate_pair(x, y)
    validate(groups, n_replicates, level)
    weights = group_weights(groups, n_replicates, seed)
    step = max(1, _CELLS // n_replicates)
    ends = [
        percentile_interval(weighted_pearson(x[:, some], y[:, some], weights), level)
        for some in (slice(start, start + step) for start in range(0, x.shape[1], step))
    ]
    return np.concatenate([low for low, _ in ends]), np.concatenate([high for _, high in ends])
