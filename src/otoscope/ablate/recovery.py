"""The table of what fresh probes recover from ablated embeddings; see :mod:`otoscope.ablate.relearn`.

One row a concept: accuracy of a probe on the network as it is, on the ablated one, and on matched random ones: over
all clips, and on those of the concept's class (``target``: its recall). ``lost`` and ``target_lost`` are what the
probe loses by the ablation, with intervals by bootstrap over groups: 0 = the class is still all there, only the
network's own head does not find it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.ablate.config import AblateConfig
from otoscope.ablate.hearing import Hearing
from otoscope.ablate.lesion import Lesion
from otoscope.ablate.outcome import Labelled, embed
from otoscope.ablate.places import Place
from otoscope.ablate.plan import Plan
from otoscope.ablate.relearn import probed
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.progress import track

Bools = NDArray[np.bool_]


def recovered(
    lesion: Lesion, hearing: Hearing, plan: Plan, labelled: Labelled, place: Place, config: AblateConfig
) -> pl.DataFrame:
    """Return one row a concept.

    Parameters
    ----------
    lesion : Lesion
    hearing : Hearing
        The evaluated clips.
    plan : Plan
    labelled : Labelled
    place : Place
        The layer whose mean over positions is the embedding.
    config : AblateConfig
    """
    masks = plan.probe_masks(config.probe_random)
    embeddings, rows = embed(lesion, hearing, masks, place)
    targets, groups = labelled.targets[rows], labelled.groups[rows]
    right = np.stack(
        [
            probed(one, targets, groups, n_folds=config.probe_folds, seed=config.seed)
            for one in track(embeddings, len(embeddings), "training fresh probes")
        ]
    )
    weights = group_weights(groups, config.replicates, config.seed)
    found, start = [], 1 + len(plan.sets)
    for at, one in enumerate(plan.sets):
        stop = start + min(config.probe_random, len(plan.drawn[at]))
        own = np.isin(targets, one.targets) if one.targets else None
        found.append(
            {"concept": one.concept} | _row(right[0], right[1 + at], right[start:stop], own, weights)
        )
        start = stop
    return pl.DataFrame(found, infer_schema_length=None).with_columns(pl.lit(place.layer.name).alias("layer"))


def _row(
    before: Bools, after: Bools, random: Bools, own: Bools | None, weights: NDArray[np.float64]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "accuracy": float(before.mean()),
        "accuracy_ablated": float(after.mean()),
        "accuracy_random": float(random.mean()) if len(random) else None,
    }
    loss = before.astype(float) - after
    row |= _part("", loss, weights)
    if own is not None and own.any():
        row |= {
            "target": float(before[own].mean()),
            "target_ablated": float(after[own].mean()),
            "target_random": float(random[:, own].mean()) if len(random) else None,
        }
        row |= _part("target_", loss[own], weights[:, own])
    return row


def _part(name: str, loss: NDArray[np.float64], weights: NDArray[np.float64]) -> dict[str, Any]:
    total = weights.sum(axis=1)
    drawn = np.divide(weights @ loss, total, out=np.full(len(total), np.nan), where=total > 0)
    low, high = percentile_interval(drawn)
    values = {f"{name}lost": loss.mean(), f"{name}lost_low": low, f"{name}lost_high": high}
    return {one: float(value) if math.isfinite(value) else None for one, value in values.items()}
