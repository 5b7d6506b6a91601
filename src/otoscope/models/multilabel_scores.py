"""How well does a network name several labels a clip? Average precision, beside what chance gives, with intervals.

Clips in falling order of a class's score; over the distinct scores t, with P(t) the precision and R(t) the recall of
all clips that score t or more,

    AP = sum over t of (R(t) - R(t before)) P(t),

exact, without interpolation, as ``sklearn.metrics.average_precision_score`` has it. *mAP* (macro) is the mean over the
classes that have a positive clip; *micro* pools all (clip, class) pairs into one list.

**Chance.** The *prevalence*, the share of positive clips, is what AP of a random order approaches for many clips. For N
clips of which R are positive its expectation is exactly, with H_N = 1 + 1/2 + ... + 1/N,

    E[AP] = (H_N + (R - 1) / (N - 1) (N - H_N)) / N  >=  R / N,

so it is given beside each AP as its chance.

Unknown classes of a clip (NaN in the truth) are left out. Intervals are 95 % percentile bootstraps over groups, each
drawn with all its clips; a class without a positive clip in a draw is left out of that draw's mean.

Reference: Y. Bestgen (2015), Exact expected average precision of the random baseline for system evaluation, Prague
Bulletin of Mathematical Linguistics 103; for the bootstrap see :mod:`otoscope.models.evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_DRAWS, LEVEL = 1000, 0.95
_CELLS = 2**22
"""Draws x items held at a time."""
Floats = NDArray[np.float64]


def multilabel_scores(
    logits: NDArray[Any], targets: NDArray[Any], groups: Sequence[str], classes: Sequence[str], seed: int
) -> dict[str, Any]:
    """Return mean, micro and class-wise average precision with intervals, beside chance, as a JSON-able dict.

    Parameters
    ----------
    logits : float (clip, class)
        Finite. Micro pools classes by them.
    targets : float (clip, class)
        1 present, 0 absent, NaN unknown.
    groups : sequence of str
        The group of each clip.
    classes : sequence of str
        Class names.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``n_clips``, ``n_groups``, ``n_unknown`` (pairs); ``mean_average_precision`` and ``micro_average_precision``,
        each with ``_95`` (low, high) and ``_chance``; name -> value maps ``class_average_precision``,
        ``class_average_precision_95``, ``class_chance`` and ``class_prevalence``. None where there is no positive clip.
    """
    lists = [_of_class(targets, logits, index) for index in range(len(classes))]
    pooled = _of_all(targets, logits)
    drawn = _drawn(groups, seed)
    by_draw = np.stack([one.area(drawn) for one in lists], axis=1)  # (draw, class)
    areas, chances = np.array([one.area()[0] for one in lists]), np.array([one.chance() for one in lists])
    return {
        "n_clips": len(targets),
        "n_groups": len(set(groups)),
        "n_unknown": int(np.isnan(targets).sum()),
        "mean_average_precision": _number(_mean(areas)),
        "mean_average_precision_95": _ends(_mean(by_draw)),
        "mean_average_precision_chance": _number(_mean(chances)),
        "micro_average_precision": _number(pooled.area()[0]),
        "micro_average_precision_95": _ends(pooled.area(drawn)),
        "micro_average_precision_chance": _number(pooled.chance()),
        "class_average_precision": _named(classes, areas),
        "class_average_precision_95": {name: _ends(by_draw[:, c]) for c, name in enumerate(classes)},
        "class_chance": _named(classes, chances),
        "class_prevalence": _named(classes, np.array([one.prevalence() for one in lists])),
    }


def class_average_precision(targets: NDArray[Any], scores: NDArray[Any]) -> Floats:
    """Return the average precision of each class ``(class,)``, NaN where it has no positive clip.

    Parameters
    ----------
    targets : float (clip, class)
        1 present, 0 absent, NaN unknown.
    scores : float (clip, class)
    """
    return np.array([_of_class(targets, scores, index).area()[0] for index in range(targets.shape[1])])


@dataclass(frozen=True)
class Ranking:
    """Items in falling order of their scores.

    Attributes
    ----------
    clip : int64 (item,)
        The clip of each item.
    positive : int64 (positive,)
        Places of the items that are looked for.
    last : int64 (positive,)
        Place of the last item that scores as much as each of them.
    found : int64 (positive,)
        How many of them lie up to there, less one.
    """

    clip: NDArray[np.int64]
    positive: NDArray[np.int64]
    last: NDArray[np.int64]
    found: NDArray[np.int64]

    @classmethod
    def of(cls, truth: NDArray[Any], scores: NDArray[Any], clip: NDArray[Any]) -> Ranking:
        """Return the items sorted; ``truth`` is 1 or 0."""
        order = np.argsort(-scores, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)[: len(order)])
        positive = np.flatnonzero(truth[order] > 0.5)
        last = ends[np.searchsorted(ends, positive)]
        found = np.searchsorted(positive, last, side="right") - 1
        return cls(np.asarray(clip, np.int64)[order], positive, last, found)

    def area(self, drawn: Floats | None = None) -> Floats:
        """Return the average precision ``(draw,)``, NaN where nothing positive is drawn.

        Parameters
        ----------
        drawn : float (draw, clip), optional
            How often each clip counts; None: one draw, each once.
        """
        if drawn is None:
            return self._area(np.ones((1, len(self.clip))))
        step = max(1, _CELLS // max(1, len(self.clip)))
        parts = [drawn[start : start + step, self.clip] for start in range(0, len(drawn), step)]
        return np.concatenate([self._area(one) for one in parts])

    def _area(self, weights: Floats) -> Floats:
        own = weights[:, self.positive]  # (draw, positive)
        heard, found = np.cumsum(weights, axis=1)[:, self.last], np.cumsum(own, axis=1)
        precision = np.divide(found[:, self.found], heard, out=np.zeros_like(own), where=heard > 0)
        gained, total = (own * precision).sum(axis=1), own.sum(axis=1)
        area: Floats = np.divide(gained, total, out=np.full(len(weights), np.nan), where=total > 0)
        return area

    def chance(self) -> float:
        """Return the expected average precision of a random order; NaN without a positive item."""
        n, n_positive = len(self.clip), len(self.positive)
        if not n_positive:
            return float("nan")
        harmonic = float((1.0 / np.arange(1, n + 1)).sum())
        others = (n_positive - 1) / (n - 1) if n > 1 else 0.0
        return (harmonic + others * (n - harmonic)) / n

    def prevalence(self) -> float:
        """Return the share of positive items; NaN without any item."""
        return len(self.positive) / len(self.clip) if len(self.clip) else float("nan")


def _of_class(targets: NDArray[Any], scores: NDArray[Any], index: int) -> Ranking:
    known = np.flatnonzero(~np.isnan(targets[:, index]))
    return Ranking.of(targets[known, index], scores[known, index], known)


def _of_all(targets: NDArray[Any], scores: NDArray[Any]) -> Ranking:
    clip, index = np.nonzero(~np.isnan(targets))
    return Ranking.of(targets[clip, index], scores[clip, index], clip)


def _drawn(groups: Sequence[str], seed: int) -> Floats:
    """Return how often each draw has each clip, ``(draw, clip)``."""
    member = np.unique(np.asarray(groups), return_inverse=True)[1]
    n_groups = int(member.max()) + 1
    share = np.full(n_groups, 1.0 / n_groups)
    return (
        np.random.default_rng(seed).multinomial(n_groups, share, size=N_DRAWS)[:, member].astype(np.float64)
    )


def _mean(areas: Floats) -> Floats:
    """Return the mean over the classes that have a value, of the last axis; NaN where none has."""
    there = np.isfinite(areas)
    total, count = np.where(there, areas, 0.0).sum(axis=-1), there.sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _ends(draws: Floats) -> list[float] | None:
    """Return the percentile interval [low, high]; None where fewer than half of the draws have a value."""
    values = draws[np.isfinite(draws)]
    if 2 * len(values) < len(draws):
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _named(classes: Sequence[str], values: Floats) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(classes, values, strict=True)}
