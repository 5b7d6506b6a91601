"""Do two measurements of the same clips rise and fall together?

Definitions, for columns x and y over clips:

- *Pearson*: r = cov(x, y) / (sd(x) sd(y));
- *Spearman*: the Pearson correlation of their ranks, ties at their mean rank.

Conventions: arrays are ``(clip, column)``, column j of one against column j of the other; a single column is
compared with every column of the other. In [-1, 1]; NaN where a column does not vary. Clips may carry weights (how
often a bootstrap drew them). Pearson passes both sanity tests of neuron explanations (missing and extra labels).

Reference: T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating Neuron Explanations: A Unified Framework with Sanity
Checks", ICML 2025.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.classification import Floats

_VARIATION = 1e-12
"""Variance, relative to the mean square, below which a column counts as constant (rounding)."""


def validate(x: Floats, y: Floats) -> None:
    """Raise if two tables have not the same clips, or not matching columns, or hold NaN."""
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise InputError(
            f"expected two tables (clip, column) over the same clips, got {x.shape} and {y.shape}"
        )
    if x.shape[1] != y.shape[1] and 1 not in (x.shape[1], y.shape[1]):
        raise InputError(f"columns must match, or one table have a single one, got {x.shape} and {y.shape}")
    if len(x) == 0:
        raise EmptyDataError("no clip to correlate over")
    if np.isnan(x).any() or np.isnan(y).any():
        raise InputError("the tables hold NaN; leave failed clips out before correlating")


def pearson(x: Floats, y: Floats) -> NDArray[np.float64]:
    """Return the Pearson correlation of each pair of columns, ``(column,)``.

    Parameters
    ----------
    x, y : array (clip, column)

    Returns
    -------
    array (column,)
        In [-1, 1]; NaN where a column is constant.

    Examples
    --------
    >>> pearson(np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [4.0], [6.0]]))
    array([1.])
    """
    validate(x, y)
    ones = np.ones((1, len(x)))
    found: NDArray[np.float64] = weighted_pearson(x, y, ones)[0]
    return found


def spearman(x: Floats, y: Floats) -> NDArray[np.float64]:
    """Return the Spearman rank correlation of each pair of columns, ``(column,)``; see :func:`pearson`."""
    validate(x, y)
    return pearson(rankdata(x, axis=0), rankdata(y, axis=0))


def weighted_pearson(x: Floats, y: Floats, weights: Floats) -> NDArray[np.float64]:
    """Return the Pearson correlation under several weightings of the clips.

    Parameters
    ----------
    x, y : array (clip, column)
    weights : array (replicate, clip)
        At least 0; rows need not sum to 1.

    Returns
    -------
    array (replicate, column)
        NaN where a column is constant among the clips that carry weight.

    Notes
    -----
    O(replicate x clip x column), as matrix products; moments are taken about the unweighted mean.
    """
    x, y = (np.asarray(table, dtype=np.float64) for table in (x, y))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    share = weights / weights.sum(axis=1, keepdims=True)
    mean_x, mean_y = share @ x, share @ y
    covariance = share @ (x * y) - mean_x * mean_y
    square_x, square_y = share @ x**2, share @ y**2
    variance_x, variance_y = square_x - mean_x**2, square_y - mean_y**2
    varies = (variance_x > _VARIATION * square_x) & (variance_y > _VARIATION * square_y)
    spread = np.sqrt(np.where(varies, variance_x * variance_y, 1.0))
    return np.where(varies, np.clip(covariance / spread, -1, 1), np.nan)


def evaluate(x: Floats, y: Floats) -> dict[str, NDArray[np.float64]]:
    """Return both correlations of each pair of columns by name."""
    return {"pearson": pearson(x, y), "spearman": spearman(x, y)}
