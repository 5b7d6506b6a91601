"""Does a stand-in name the same *set* of classes as the network, at every threshold? Fidelity with several labels.

Definition (L2I). The truth is what the classifier f names: f_c > its threshold. A stand-in's scores s ``(clip, class)``
are cut at eleven falling thresholds, strictly; per class, with e = 1e-9,

    P = (TP + e) / (TP + FP + e),    R = TP / (TP + FN),

the points (R = 0, P = 1) and (R = 1, P = 0) are added at the ends, and the area is the trapezoid sum: AUPRC_c.
*Macro* is the mean over classes, *micro* pools the counts of all classes first (e is then in R, too), *max F1* is the
largest F1 of the pooled points.

Conventions: a class that f never names has no recall and no area (NaN; left out of the macro mean, counted by NaN).
The forced last point lowers the area; the exact average precision, :func:`otoscope.metrics.ranking.auprc`, does not
have it and is given beside it by :func:`evaluate`.

Reference: J. Parekh et al., "Listen to Interpret", NeurIPS 2022, and the released code of its authors.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.metrics.classification import Floats, ratio
from otoscope.metrics.ranking import Truth, auprc, validate

THRESHOLDS: tuple[float, ...] = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
"""The published thresholds, falling."""
_EPS = 1e-9


def counts(
    truth: Truth, scores: Floats, thresholds: tuple[float, ...] = THRESHOLDS
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return true positives, false positives and false negatives, each ``(threshold, class)``.

    Parameters
    ----------
    truth : array of bool (clip, class)
    scores : array (clip, class)
    thresholds : tuple of float
        A score must exceed it.
    """
    validate(truth, scores)
    if not thresholds or any(later >= before for before, later in pairwise(thresholds)):
        raise InputError(f"thresholds fall from one to the next, got {thresholds}")
    named = scores[None] > np.asarray(thresholds)[:, None, None]  # (threshold, clip, class)
    hit, false = (named & truth).sum(axis=1), (named & ~truth).sum(axis=1)
    return hit, false, (~named & truth).sum(axis=1)


def class_auprc(
    truth: Truth, scores: Floats, thresholds: tuple[float, ...] = THRESHOLDS
) -> NDArray[np.float64]:
    """Return the area of each class by the published protocol, ``(class,)``; NaN where it has no positive clip."""
    hit, false, missed = counts(truth, scores, thresholds)
    precision, recall = (hit + _EPS) / (hit + false + _EPS), ratio(hit, hit + missed)
    return _area(precision, recall)


def micro(truth: Truth, scores: Floats, thresholds: tuple[float, ...] = THRESHOLDS) -> tuple[float, float]:
    """Return (area, largest F1) of the pooled counts of all classes, both in [0, 1], higher is better."""
    hit, false, missed = (one.sum(axis=1, keepdims=True) for one in counts(truth, scores, thresholds))
    precision, recall = (hit + _EPS) / (hit + false + _EPS), (hit + _EPS) / (hit + missed + _EPS)
    f1 = 2 * precision * recall / (precision + recall)
    return float(_area(precision, recall)[0]), float(f1.max())


def decision_thresholds(
    truth: Truth, scores: Floats, thresholds: tuple[float, ...] = THRESHOLDS
) -> NDArray[np.float64]:
    """Return the threshold of each class that has the largest F1, the highest of tied ones, ``(class,)``.

    The truth is the labels here, and the scores are the classifier's.
    """
    hit, false, missed = counts(truth, scores, thresholds)
    f1 = ratio(2 * hit, 2 * hit + false + missed)
    best = np.where(np.isnan(f1), -1.0, f1).argmax(axis=0)
    return np.asarray(np.asarray(thresholds)[best], dtype=np.float64)


def evaluate(truth: Truth, scores: Floats, thresholds: tuple[float, ...] = THRESHOLDS) -> dict[str, float]:
    """Return ``macro_auprc``, ``micro_auprc``, ``max_f1`` (all by thresholds), ``macro_average_precision`` (exact)."""
    area, best = micro(truth, scores, thresholds)
    return {
        "macro_auprc": _mean(class_auprc(truth, scores, thresholds)),
        "micro_auprc": area,
        "max_f1": best,
        "macro_average_precision": _mean(auprc(truth, scores)),
    }


def with_intervals(
    truth: Truth,
    scores: Floats,
    groups: NDArray[Any],
    *,
    n_replicates: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """Return the measures of :func:`evaluate`, the two macro means with ``_low`` and ``_high`` over groups.

    A class without a positive clip in a replicate is left out of that replicate's mean. Cost: the measures, once a
    replicate.

    Parameters
    ----------
    truth : array of bool (clip, class)
    scores : array (clip, class)
    groups : array (clip,)
        Group of each clip.
    n_replicates, level, seed
        Of the group bootstrap, see :mod:`otoscope.metrics.bootstrap`.
    """
    validate(truth, scores)
    drawn = group_weights(groups, n_replicates, seed).astype(np.int64)
    rows = [np.repeat(np.arange(len(truth)), one) for one in drawn]
    found = evaluate(truth, scores)
    for name, measure in (("macro_auprc", class_auprc), ("macro_average_precision", auprc)):
        values = np.array([_mean(measure(truth[some], scores[some])) for some in rows])
        low, high = percentile_interval(values, level)
        found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def _area(precision: Any, recall: Any) -> NDArray[np.float64]:
    ends = np.ones((1, precision.shape[1])), np.zeros((1, precision.shape[1]))
    p = np.concatenate([ends[0], precision, ends[1]])
    r = np.concatenate([ends[1], recall, ends[0]])
    return np.asarray(((p[1:] + p[:-1]) * np.diff(r, axis=0)).sum(axis=0) / 2, dtype=np.float64)


def _mean(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")
