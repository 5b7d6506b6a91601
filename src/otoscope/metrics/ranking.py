"""Do the right things stand at the top of the list?

Definitions, for a truth y in {0, 1} and a score s per clip:

- *reciprocal rank* of the true class: 1 / its rank; the mean over clips (or neurons) is MRR.
- *AUROC*: probability that a positive clip outscores a negative one, a tie counting one half.
- *AUPRC*: average precision, sum over distinct thresholds of (recall gained) x (precision there); exact, no
  interpolation. Its value for a random score is the *prevalence* of positives, so "AUPRC minus prevalence" is what
  was gained over chance.

Conventions: arrays are ``(clip, column)`` and every column is judged on its own; a column without a positive or
without a negative has no AUROC, one without a positive no AUPRC (NaN). Higher is better throughout.

Reference: J. Davis, M. Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML 2006; why AUROC
is not a headline: T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating Neuron Explanations", ICML 2025.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.classification import Floats, Integers, ratio, true_ranks

Truth = NDArray[np.bool_]


def validate(truth: NDArray[Any], scores: Floats) -> None:
    """Raise if truth and scores are not two tables of the same shape, or a score is NaN."""
    if truth.shape != scores.shape or scores.ndim != 2:
        raise InputError(f"expected truth and scores (clip, column), got {truth.shape} and {scores.shape}")
    if scores.size == 0:
        raise EmptyDataError(f"nothing to rank: the array is {scores.shape}")
    if truth.dtype != np.bool_:
        raise InputError(f"truth must be boolean, got {truth.dtype}")
    if np.isnan(scores).any():
        raise InputError("scores hold NaN; leave failed clips out before ranking")


def mean_reciprocal_rank(scores: Floats, labels: Integers) -> float:
    """Return the mean of 1 / rank of the true class.

    Parameters
    ----------
    scores : array (item, class)
        An item is a clip, or a neuron to be named.
    labels : array of int (item,)

    Returns
    -------
    float
        In (0, 1].
    """
    return float(np.mean(1 / true_ranks(scores, labels)))


def prevalence(truth: Truth) -> NDArray[np.float64]:
    """Return the share of positive clips of each column, ``(column,)``."""
    return np.asarray(truth.mean(axis=0), dtype=np.float64)


def auroc(truth: Truth, scores: Floats) -> NDArray[np.float64]:
    """Return the area under the receiver operating characteristic, ``(column,)``.

    Parameters
    ----------
    truth : array of bool (clip, column)
    scores : array (clip, column)

    Returns
    -------
    array (column,)
        In [0, 1], 0.5 by chance; NaN where a column has one kind of clip only.

    Notes
    -----
    O(clip log clip) a column.

    Examples
    --------
    >>> auroc(np.array([[True], [False], [False]]), np.array([[0.5], [0.5], [0.1]]))
    array([0.75])
    """
    validate(truth, scores)
    ranks = rankdata(scores, axis=0)
    positives = truth.sum(axis=0)
    pairs = positives * (len(truth) - positives)
    won = (ranks * truth).sum(axis=0) - positives * (positives + 1) / 2
    return ratio(won, pairs)


def auprc(truth: Truth, scores: Floats) -> NDArray[np.float64]:
    """Return the average precision, ``(column,)``.

    Parameters
    ----------
    truth : array of bool (clip, column)
    scores : array (clip, column)

    Returns
    -------
    array (column,)
        In (0, 1], the prevalence by chance; NaN where a column has no positive clip.

    Notes
    -----
    Clips of equal score enter together: the precision that counts for them is the one below their group.

    Examples
    --------
    >>> auprc(np.array([[True], [False], [True]]), np.array([[0.9], [0.8], [0.7]])).round(4)
    array([0.8333])
    """
    validate(truth, scores)
    falling = np.argsort(-scores, axis=0, kind="stable")
    hits = np.take_along_axis(truth, falling, axis=0)
    group_end = _last_of_ties(np.take_along_axis(scores, falling, axis=0))
    precision = np.take_along_axis(hits.cumsum(axis=0), group_end, axis=0) / (group_end + 1)
    return ratio((hits * precision).sum(axis=0), truth.sum(axis=0))


def evaluate(truth: Truth, scores: Floats) -> dict[str, NDArray[np.float64]]:
    """Return all measures of each column by name."""
    area, share = auprc(truth, scores), prevalence(truth)
    return {"auprc": area, "auprc_gain": area - share, "auroc": auroc(truth, scores), "prevalence": share}


def _last_of_ties(falling: Floats) -> NDArray[np.int64]:
    """Return, for sorted columns, the position of the last clip with the same score."""
    n_clips = len(falling)
    ends = np.where(np.diff(falling, axis=0, append=-np.inf) != 0, np.arange(n_clips)[:, None], n_clips)
    ends[-1] = n_clips - 1
    return np.minimum.accumulate(ends[::-1], axis=0)[::-1]
