"""Can a score tell a concept from a spoilt version of it?

Definition. A score sim(a, c) of activations a and a concept's presence c is put to two tests:

- *missing labels*: half of the concept's positive clips are marked absent;
- *extra labels*: as many absent clips as there are positives are marked present.

A sound score falls both times. Recall rises or stays under extra labels; AUROC and other balanced scores stay under
missing labels; Pearson correlation, cosine, AUPRC, F1 and IoU pass.

Conventions: ``metric(activations, presence)`` takes ``(clip, pair)`` twice and returns ``(pair,)``, higher is
better. The concept should fit its neuron: test on pairs where it does. A metric passes a test when it falls by more
than ``margin`` of its score above its chance level for at least ``needed`` of the pairs (mean over ``repeats``
draws).

Reference: T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating Neuron Explanations: A Unified Framework with Sanity
Checks", ICML 2025, section 4. Where we differ: our thresholds are the two named here, and the drop is measured
against the metric's own chance level (labels shuffled), so that scores with different scales compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError
from otoscope.metrics.classification import Floats

Metric = Callable[[Floats, NDArray[np.bool_]], Floats]


@dataclass(frozen=True)
class Verdict:
    """What a test found.

    Attributes
    ----------
    fell : float
        Share of pairs whose score fell by more than the margin, in [0, 1].
    mean_drop : float
        Mean fall over the pairs, as a share of the score above chance: 0 means none, 1 down to chance.
    passed : bool
    """

    fell: float
    mean_drop: float
    passed: bool


def missing_labels(
    presence: NDArray[np.bool_], rng: np.random.Generator, share: float = 0.5
) -> NDArray[np.bool_]:
    """Return the presence ``(clip, pair)`` with a random ``share`` of each column's positives absent."""
    return presence & ~_drawn(presence, share * presence.sum(axis=0), rng)


def extra_labels(
    presence: NDArray[np.bool_], rng: np.random.Generator, share: float = 1.0
) -> NDArray[np.bool_]:
    """Return the presence ``(clip, pair)`` with ``share`` times as many random absent clips marked present."""
    return presence | _drawn(~presence, share * presence.sum(axis=0), rng)


def evaluate(
    metric: Metric,
    activations: Floats,
    presence: NDArray[np.bool_],
    *,
    repeats: int = 10,
    needed: float = 0.9,
    margin: float = 0.1,
    seed: int = 0,
) -> dict[str, Verdict]:
    """Return the verdicts ``missing_labels`` and ``extra_labels`` on a metric.

    Parameters
    ----------
    metric : callable
        ``(activations, presence)``, both ``(clip, pair)``, to ``(pair,)``.
    activations : array (clip, pair)
    presence : array of bool (clip, pair)
        Whether the concept is there; each column needs both kinds of clip.
    repeats : int
        Draws of the spoilt labels.
    needed : float
        Share of pairs whose score must fall.
    margin : float
        Share of the score above chance by which it must fall.
    seed : int
    """
    _validate(activations, presence)
    rng = np.random.default_rng(seed)
    score = np.asarray(metric(activations, presence))
    chance = _mean(lambda: metric(activations, rng.permuted(presence, axis=0)), repeats)
    missing = _mean(lambda: metric(activations, missing_labels(presence, rng)), repeats)
    extra = _mean(lambda: metric(activations, extra_labels(presence, rng)), repeats)
    return {
        "missing_labels": _verdict(score, missing, chance, needed, margin),
        "extra_labels": _verdict(score, extra, chance, needed, margin),
    }


def _verdict(score: Floats, spoilt: Floats, chance: Floats, needed: float, margin: float) -> Verdict:
    above = score - chance
    drop = np.divide(score - spoilt, above, out=np.zeros_like(above), where=above > 0)
    fell = float(np.mean(drop > margin))
    return Verdict(fell, float(drop.mean()), fell >= needed)


def _drawn(candidates: NDArray[np.bool_], count: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return ``count`` random ones of each column's candidates."""
    lottery = np.where(candidates, rng.random(candidates.shape), 2.0)
    place = np.argsort(np.argsort(lottery, axis=0), axis=0)
    return np.asarray(candidates & (place < np.round(count)))


def _mean(draw: Callable[[], Any], repeats: int) -> NDArray[np.float64]:
    return np.asarray(np.mean([draw() for _ in range(repeats)], axis=0), dtype=np.float64)


def _validate(activations: Floats, presence: NDArray[np.bool_]) -> None:
    if activations.shape != presence.shape or presence.ndim != 2:
        raise InputError(f"expected two tables (clip, pair), got {activations.shape} and {presence.shape}")
    if presence.dtype != np.bool_:
        raise InputError(f"presence must be boolean, got {presence.dtype}")
    share = presence.mean(axis=0)
    if not ((share > 0) & (share <= 0.5)).all():
        raise InputError("each concept must be present on some clip and on at most half of them")
