"""What each set did to each class: beside matched random sets, paired tests, and what clips are taken for instead.

``classes``, one row a concept, class and measure: the change of the class under the concept's ablation with its
interval by group; the same under the concept's matched random sets (mean, and the span of 95 % of them) and a
two-sided p from them; under the neighbours, where asked for; a p of the change by signs of whole groups; for accuracy
how many clips were lost and gained, and McNemar's exact p.

``confusion``, one row a concept, true class and named class: how many clips, before and after, under the neighbours,
and on average under random sets; and the mean probability of the named class, before and after.

p by random sets asks whether *these* neurons matter more than others like them; McNemar and the signs of groups ask
whether anything changed at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.ablate.config import MEASURES
from otoscope.ablate.effects import Changes, interval
from otoscope.ablate.tables import Judged, number
from otoscope.metrics.classification import confusion as counted
from otoscope.metrics.paired import lost_and_gained, mcnemar_p, sign_flip_p

_DEALS = 1999
_FLOATS = (
    "before", "change", "change_low", "change_high", "random_change", "random_low", "random_high", "random_p",
    "neighbour_change", "group_p", "mcnemar_p",
)  # fmt: skip
_CLASSES = {**dict.fromkeys(_FLOATS, pl.Float64), "related": pl.Boolean, "lost": pl.Int64, "gained": pl.Int64}
_CONFUSION = {"random": pl.Float64, "neighbour": pl.Int64}
"""Types of columns that may be null throughout."""


def classes(judged: Judged) -> pl.DataFrame:
    """Return the change of each class under each concept's ablation."""
    rows: list[dict[str, Any]] = []
    for name in MEASURES:
        measured = judged.changes[name]
        low, high = interval(measured.replicates)
        for place, one in enumerate(judged.plan.sets):
            for at, of_class in enumerate(judged.labelled.classes):
                row: dict[str, Any] = {
                    "concept": one.concept,
                    "class": of_class,
                    "measure": name,
                    "before": number(measured.before[at]),
                    "change": number(measured.change[place, at]),
                    "change_low": number(low[place, at]),
                    "change_high": number(high[place, at]),
                    "target": at in one.targets,
                    "related": _related(judged, one.target, at),
                }
                rows.append(row | _random(judged, measured, place, at) | _paired(judged, name, place, at))
    return pl.DataFrame(rows, schema_overrides=_CLASSES, infer_schema_length=None)


def _related(judged: Judged, target: int | None, at: int) -> bool | None:
    return None if judged.related is None or target is None else bool(judged.related[target, at])


def _random(judged: Judged, measured: Changes, place: int, at: int) -> dict[str, Any]:
    drawn = measured.change[judged.plan.draws_of(place), at]
    near = judged.plan.neighbour(place)
    row = {"neighbour_change": None if near is None else number(measured.change[near, at])}
    if not len(drawn) or not np.isfinite(drawn).all():
        return dict.fromkeys(("random_change", "random_low", "random_high", "random_p")) | row
    low, high = np.quantile(drawn, [0.025, 0.975])
    observed = measured.change[place, at]
    sides = ((drawn <= observed).sum() + 1, (drawn >= observed).sum() + 1)
    return {
        "random_change": number(drawn.mean()),
        "random_low": number(low),
        "random_high": number(high),
        "random_p": min(1.0, 2 * min(sides) / (len(drawn) + 1)),
        **row,
    }


def _paired(judged: Judged, name: str, place: int, at: int) -> dict[str, Any]:
    outcome = judged.outcome
    own = outcome.targets == at
    none = dict.fromkeys(("group_p", "lost", "gained", "mcnemar_p"))
    if not own.any():
        return none
    values = outcome.measure(name)[:, own]
    difference = values[1 + place] - values[0]
    seed = judged.config.seed
    row = none | {"group_p": sign_flip_p(difference, outcome.groups[own], n_deals=_DEALS, seed=seed)}
    if name == "accuracy":
        before, after = values[0] > 0.5, values[1 + place] > 0.5
        lost, gained = lost_and_gained(before, after)
        row |= {"lost": lost, "gained": gained, "mcnemar_p": mcnemar_p(before, after)}
    return row


def confusion(judged: Judged) -> pl.DataFrame:
    """Return what the clips of each class are named before and after each concept's ablation."""
    return pl.DataFrame(list(_confused(judged)), schema_overrides=_CONFUSION, infer_schema_length=None)


def _confused(judged: Judged) -> Iterator[dict[str, Any]]:
    outcome, names = judged.outcome, judged.labelled.classes
    before = _table(judged, 0)
    clips = np.maximum(np.bincount(outcome.targets, minlength=len(names)), 1)[:, None]
    share = outcome.mass / clips
    for place, one in enumerate(judged.plan.sets):
        after, near = _table(judged, 1 + place), judged.plan.neighbour(place)
        beside = None if near is None else _table(judged, 1 + near)
        draws = judged.plan.draws_of(place)
        drawn = [_table(judged, 1 + at) for at in range(draws.start, draws.stop)]
        mean = np.mean(drawn, axis=0) if drawn else None
        for true, named in np.ndindex(len(names), len(names)):
            yield {
                "concept": one.concept,
                "class": names[true],
                "named": names[named],
                "before": int(before[true, named]),
                "after": int(after[true, named]),
                "random": None if mean is None else float(mean[true, named]),
                "neighbour": None if beside is None else int(beside[true, named]),
                "probability_before": number(share[0, true, named]),
                "probability_after": number(share[1 + place, true, named]),
            }


def _table(judged: Judged, at: int) -> NDArray[np.int64]:
    """Return counts (true class, named class); names outside the classes are left out."""
    outcome = judged.outcome
    known = outcome.named[at] >= 0
    return counted(
        outcome.targets[known], outcome.named[at][known].astype(np.int64), len(judged.labelled.classes)
    )
