"""How well does a probe name the clips of the test part, beside chance, the commonest class, and shuffled labels?

One class a clip: accuracy, of every class and over all clips, with the interval of a bootstrap over groups; confusion.
Several: average precision of every class and its mean over the classes that occur, beside their prevalence. Where
there are several seeds each has its own row, and the headline is the mean over seeds.

Controls: *chance* = 1 / classes; *majority* = always the training part's commonest class; *shuffled* = probes trained
on labels dealt to whole other groups (:mod:`otoscope.metrics.permutation`), tested on the true ones: their mean and
highest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.ablate.probe.fitted import Fitted, Material
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.metrics.classification import Floats, confusion, ratio
from otoscope.metrics.permutation import donor_maps
from otoscope.metrics.ranking import auprc


def scores(
    logits: Sequence[Floats],
    labels: NDArray[Any],
    groups: NDArray[Any],
    classes: Sequence[str],
    *,
    replicates: int,
    seed: int,
) -> dict[str, Any]:
    """Return what the test part says, JSON-able.

    Parameters
    ----------
    logits : sequence of array (clip, class)
        One a seed.
    labels : array
        int64 (clip,) or bool (clip, class).
    groups : array (clip,)
    classes : sequence of str
    replicates, seed : int
        Of the bootstrap.
    """
    weights = group_weights(groups, replicates, seed)
    if labels.ndim == 2:
        return _several(logits, labels, classes, weights)
    right = np.mean([one.argmax(axis=1) == labels for one in logits], axis=0)
    member = (labels[:, None] == np.arange(len(classes))).astype(np.float64)
    per_class = ratio(right @ member, member.sum(axis=0))
    drawn = ratio(weights @ (member * right[:, None]), weights @ member)
    low, high = percentile_interval(drawn)
    whole = percentile_interval(weights @ right / weights.sum(axis=1))
    return {
        "measure": "accuracy",
        "value": float(right.mean()),
        "interval": [float(whole[0]), float(whole[1])],
        "by_seed": [float((one.argmax(axis=1) == labels).mean()) for one in logits],
        "by_class": _rows(classes, per_class, low, high, member.sum(axis=0)),
        "confusion": confusion(labels, logits[0].argmax(axis=1), len(classes)).tolist(),
    }


def _several(
    logits: Sequence[Floats], labels: NDArray[np.bool_], classes: Sequence[str], weights: Floats
) -> dict[str, Any]:
    areas = np.array([auprc(labels, one) for one in logits])  # (seed, class)
    drawn = []
    for row in weights[: min(len(weights), 200)].astype(np.int64):
        clips = np.repeat(np.arange(len(labels)), row)
        drawn.append(auprc(labels[clips], np.asarray(logits[0])[clips]))
    replicates = np.array(drawn)
    low, high = percentile_interval(replicates)
    known = np.isfinite(replicates)
    means = ratio(np.where(known, replicates, 0.0).sum(axis=1), known.sum(axis=1))
    whole = percentile_interval(means)
    by_class, found = areas.mean(axis=0), areas[:, np.isfinite(areas[0])]
    return {
        "measure": "mean average precision",
        "value": float(found.mean()),
        "interval": [float(whole[0]), float(whole[1])],
        "by_seed": [float(one.mean()) for one in found],
        "by_class": _rows(classes, by_class, low, high, labels.sum(axis=0)),
    }


def _rows(
    classes: Sequence[str], values: Floats, low: Floats, high: Floats, counts: NDArray[Any]
) -> list[dict[str, Any]]:
    return [
        {
            "class": name,
            "clips": int(counts[at]),
            "value": number(values[at]),
            "low": number(low[at]),
            "high": number(high[at]),
        }
        for at, name in enumerate(classes)
    ]


def controls(
    material: Material,
    groups: NDArray[Any],
    test: Floats,
    labels: NDArray[Any],
    fitter: Any,
    config: Any,
) -> dict[str, Any]:
    """Return what chance, the commonest class and shuffled labels give on the test part.

    Parameters
    ----------
    material : Material
    groups : array (clip,)
        Of the training clips, then of the validation clips.
    test : array (clip, dimension)
    labels : array
        Of the test clips.
    fitter : callable
        A row of :data:`otoscope.ablate.probe.FITTERS`, loaded.
    config : ProbeConfig
    """
    known = np.concatenate([material.train_labels, material.valid_labels])
    found = []
    for donors in donor_maps(groups, config.controls, seed=config.seed + 1) if config.controls else ():
        dealt, n = known[donors], len(material.train)
        shuffled = Material(material.train, dealt[:n], material.valid, dealt[n:], material.n_classes)
        if material.several or len(np.unique(dealt[:n])) > 1:
            found.append(_measure(fitter(shuffled, config, config.seeds[0]), test, labels))
    if material.several:
        base = {"prevalence": float(labels[:, labels.any(axis=0)].mean())}
    else:
        commonest = np.bincount(known, minlength=material.n_classes).argmax()
        base = {"chance": 1 / material.n_classes, "majority": float((labels == commonest).mean())}
    shown = (
        {"shuffled_mean": float(np.mean(found)), "shuffled_highest": float(np.max(found))} if found else {}
    )
    return {**base, "n_shuffled": len(found), **shown}


def _measure(fitted: Fitted, test: Floats, labels: NDArray[Any]) -> float:
    logits = fitted.logits(test)
    if labels.ndim == 2:
        return float(np.nanmean(auprc(labels, logits)))
    return float((logits.argmax(axis=1) == labels).mean())


def number(value: Any) -> float | None:
    """Return a number as JSON knows it; None where it is not finite."""
    found = float(value)
    return found if math.isfinite(found) else None
