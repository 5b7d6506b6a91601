"""How often is the right class named?

Definition: with scores s ``(clip, class)`` and the true class y of each clip,

    accuracy at k = share of clips whose true class is among the k highest scores.

Conventions: a tie with the true class counts as half ahead of it and half behind, so that constant scores do not
win; a NaN score ranks below everything. Confusion is indexed [true, predicted]. Shares are in [0, 1].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]


def validate(scores: Floats, labels: Integers) -> None:
    """Raise if scores and labels do not fit together.

    Raises
    ------
    InputError
        If shapes differ or a label is not the index of a class.
    EmptyDataError
        If there is no clip.
    """
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise InputError(
            f"expected scores (clip, class) and one label a clip, got {scores.shape} and {labels.shape}"
        )
    if scores.size == 0:
        raise EmptyDataError(f"no scores to judge: the array is {scores.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"labels are indices of classes (integers), got {labels.dtype}")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise InputError(
            f"labels must lie in 0 .. {scores.shape[1] - 1}, got {labels.min()} .. {labels.max()}"
        )


def true_ranks(scores: Floats, labels: Integers) -> NDArray[np.float64]:
    """Return the rank of each clip's true class, ``(clip,)``: 1 is best, ties share their mean rank.

    Examples
    --------
    >>> true_ranks(np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([1, 0]))
    array([1. , 1.5])
    """
    validate(scores, labels)
    filled = np.where(np.isnan(scores), -np.inf, scores)
    own = np.take_along_axis(filled, labels[:, None], axis=1)
    ahead, level = (filled > own).sum(axis=1), (filled == own).sum(axis=1)
    return np.asarray(1 + ahead + (level - 1) / 2, dtype=np.float64)


def accuracy(scores: Floats, labels: Integers, k: int = 1) -> float:
    """Return the accuracy at ``k``.

    Parameters
    ----------
    scores : array (clip, class)
    labels : array of int (clip,)
    k : int
        How many guesses count.

    Returns
    -------
    float
        In [0, 1], higher is better.
    """
    return float(np.mean(true_ranks(scores, labels) <= k))


def predictions(scores: Floats) -> NDArray[np.int64]:
    """Return the class of the highest score of each clip, ``(clip,)``, the first of tied ones."""
    return np.asarray(np.where(np.isnan(scores), -np.inf, scores).argmax(axis=1), dtype=np.int64)


def confusion(labels: Integers, predicted: Integers, n_classes: int) -> NDArray[np.int64]:
    """Return how many clips of each true class were named what, ``(true class, predicted class)``.

    Examples
    --------
    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    if labels.shape != predicted.shape:
        raise InputError(f"expected one prediction a label, got {predicted.shape} and {labels.shape}")
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def per_class_accuracy(scores: Floats, labels: Integers, k: int = 1) -> NDArray[np.float64]:
    """Return the accuracy at ``k`` among the clips of each class, ``(class,)``; NaN for a class without clips."""
    right = true_ranks(scores, labels) <= k
    n_classes = scores.shape[1]
    counts = np.bincount(labels, minlength=n_classes)
    hits = np.bincount(labels, weights=right, minlength=n_classes)
    return ratio(hits, counts)


def ratio(part: Floats | Integers, whole: Floats | Integers) -> NDArray[np.float64]:
    """Return ``part / whole``, NaN where ``whole`` is 0."""
    missing = np.full(np.shape(whole), np.nan)
    return np.asarray(np.divide(part, whole, out=missing, where=np.asarray(whole) > 0), dtype=np.float64)


def evaluate(scores: Floats, labels: Integers) -> dict[str, float]:
    """Return all measures by name; ``mean_class_accuracy`` is over the classes that occur."""
    return {
        "accuracy": accuracy(scores, labels),
        "top5_accuracy": accuracy(scores, labels, 5),
        "mean_class_accuracy": float(np.nanmean(per_class_accuracy(scores, labels))),
    }
