"""The tables of an ablation, from what was planned and what was heard.

``summary``   one row a measure: the published table's columns, with intervals and p
``effects``   one row a concept and measure: dA, dR, selectivity beside matched random sets
``classes``   one row a concept, class and measure, see :mod:`otoscope.ablate.by_class`
``confusion`` one row a concept, true class and named class, see there
``matrix``    one row a measure: the diagonal of classes ablated x classes tested, see :mod:`otoscope.ablate.matrix`
``random``    one row a concept, draw and measure
``curve``     one row a concept, number of neurons and measure
``related``   one row a concept and measure: related minus unrelated classes
``sets``      one row a concept and neuron
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.ablate import related as relations
from otoscope.ablate.config import MEASURES, AblateConfig
from otoscope.ablate.effects import Changes, Effect, changes, effect, interval
from otoscope.ablate.outcome import Labelled, Outcome
from otoscope.ablate.plan import Plan
from otoscope.ablate.sets import JOINT
from otoscope.metrics.multiple_testing import benjamini_hochberg
from otoscope.metrics.permutation import permutation_p
from otoscope.store.run import Run

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Everything that the tables are made of.

    Attributes
    ----------
    plan : Plan
    labelled : Labelled
    config : AblateConfig
    changes : dict of str to Changes
        By measure.
    outcome : Outcome
        What each set did to each clip.
    related : array of bool (class, class) or None
    """

    plan: Plan
    labelled: Labelled
    config: AblateConfig
    changes: dict[str, Changes]
    outcome: Outcome
    related: Bools | None


def judge(
    plan: Plan, outcome: Outcome, labelled: Labelled, config: AblateConfig, related: Bools | None
) -> Judged:
    """Return the changes of all classes under all sets."""
    found = {
        name: changes(
            outcome.measure(name),
            outcome.targets,
            len(labelled.classes),
            outcome.groups,
            with_intervals=len(plan.sets),
            n_replicates=config.replicates,
            seed=config.seed,
        )
        for name in MEASURES
    }
    return Judged(plan, labelled, config, found, outcome, related)


def effects(judged: Judged) -> pl.DataFrame:
    """Return the table of effects; q is over the concepts of a measure."""
    table = pl.DataFrame(list(_effect_rows(judged)), infer_schema_length=None)
    parts = [
        part.with_columns(
            pl.Series("q", benjamini_hochberg(part["p"].cast(pl.Float64).fill_null(math.nan).to_numpy()))
        )
        for part in (table.filter(pl.col("measure") == name) for name in MEASURES)
    ]
    return pl.concat(parts).with_columns(pl.col("q").fill_nan(None))


def _effect_rows(judged: Judged) -> Iterator[dict[str, Any]]:
    for name in MEASURES:
        measured = judged.changes[name]
        for place, one in enumerate(judged.plan.sets):
            row: dict[str, Any] = {
                "concept": one.concept,
                "target": f" {JOINT} ".join(judged.labelled.classes[at] for at in one.targets) or None,
                "measure": name,
                "n_neurons": len(one.neurons),
            }
            yield row | _effect_of(judged, measured, place, one.targets)


def _effect_of(judged: Judged, measured: Changes, place: int, target: tuple[int, ...]) -> dict[str, Any]:
    rest = [at for at in range(len(judged.labelled.classes)) if at not in target]
    before, change = measured.before, measured.change[place]
    row: dict[str, Any] = {
        "before": number(_mean(before[list(target)])),
        "after": number(_mean((before + change)[list(target)])),
        "rest_before": number(_mean(before[rest])),
        "rest_after": number(_mean((before + change)[rest])),
    }
    if not target:
        return row | _spread("rest_change", np.array(_mean(change)), None) | dict.fromkeys(_TESTED)
    found, again = effect(change, target), effect(measured.replicates[:, place], target)
    row |= _spread("change", found.ablated, again.ablated)
    row |= _spread("rest_change", found.rest, again.rest)
    row |= _spread("selectivity", found.selectivity, again.selectivity)
    return row | _tested(judged, measured, place, found, target)


_TESTED = (
    "random_change", "random_rest_change", "random_selectivity", "p", "attainable_p", "testable", "n_random",
)  # fmt: skip


def _spread(name: str, value: NDArray[np.float64], replicates: NDArray[np.float64] | None) -> dict[str, Any]:
    low, high = (np.nan, np.nan) if replicates is None else interval(replicates)
    return {name: number(value), f"{name}_low": number(low), f"{name}_high": number(high)}


def _tested(
    judged: Judged, measured: Changes, place: int, found: Effect, target: tuple[int, ...]
) -> dict[str, Any]:
    null = effect(measured.change[judged.plan.draws_of(place)], target)
    n_random, floor = len(null.ablated), judged.plan.attainable[place]
    if not n_random:
        return dict.fromkeys(_TESTED) | {"n_random": 0}
    reachable = max(floor, 1 / (n_random + 1))
    return {
        "random_change": number(null.ablated.mean()),
        "random_rest_change": number(null.rest.mean()),
        "random_selectivity": number(null.selectivity.mean()),
        "p": number(permutation_p(found.selectivity, null.selectivity, floor)),
        "attainable_p": reachable,
        "testable": reachable <= judged.config.alpha,
        "n_random": n_random,
    }


def summary(judged: Judged) -> pl.DataFrame:
    """Return one row a measure: means over the concepts that are classes and have neurons."""
    return pl.DataFrame([_summary_of(judged, name) for name in MEASURES], infer_schema_length=None)


def _summary_of(judged: Judged, name: str) -> dict[str, Any]:
    measured, sets = judged.changes[name], judged.plan.sets
    used = _used(judged, measured)
    row: dict[str, Any] = {
        "measure": name,
        "strategy": judged.config.strategy,
        "intervention": judged.config.intervention,
        "n_concepts": len(used),
        "n_without_neurons": sum(not len(one.neurons) for one in sets),
        "mean_neurons": float(np.mean([len(sets[at].neurons) for at, _ in used])) if used else 0.0,
    }
    if not used:
        return row
    found = [effect(measured.change[at], target) for at, target in used]
    again = [effect(measured.replicates[:, at], target) for at, target in used]
    for label, part in (("change", "ablated"), ("rest_change", "rest"), ("selectivity", "selectivity")):
        values = np.array(np.mean([getattr(one, part) for one in found]))
        row |= _spread(label, values, _mean_of([getattr(one, part) for one in again]))
    if not judged.config.n_random:
        return row | {"random_selectivity": None, "p": None}
    null = [effect(measured.change[judged.plan.draws_of(at)], target).selectivity for at, target in used]
    means = np.mean(null, axis=0)  # one draw of every concept, (draw,)
    observed = np.mean([one.selectivity for one in found])
    return row | {
        "random_selectivity": number(means.mean()),
        "p": number(permutation_p(np.array(observed), means)),
    }


def _mean_of(replicates: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean over concepts of each resample, without concepts that have no clip in it."""
    table = np.array(replicates)  # (concept, resample)
    there = np.isfinite(table)
    n = there.sum(axis=0)
    total = np.where(there, table, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0), dtype=np.float64)


def _used(judged: Judged, measured: Changes) -> list[tuple[int, int]]:
    """Return place and class of the concepts that are classes, have neurons, and have clips to be judged on."""
    return [
        (at, one.target)
        for at, one in enumerate(judged.plan.sets)
        if one.target is not None and len(one.neurons) and np.isfinite(measured.before[one.target])
    ]


def random(judged: Judged) -> pl.DataFrame:
    """Return dA, dR and selectivity of each matched random set."""
    parts = []
    for name in MEASURES:
        for place, one in enumerate(judged.plan.sets):
            if not one.targets:
                continue
            null = effect(judged.changes[name].change[judged.plan.draws_of(place)], one.targets)
            parts.append(
                pl.DataFrame(
                    {
                        "draw": np.arange(len(null.ablated)),
                        "change": null.ablated,
                        "rest_change": null.rest,
                        "selectivity": null.selectivity,
                    }
                ).select(pl.lit(one.concept).alias("concept"), pl.lit(name).alias("measure"), pl.all())
            )
    return pl.concat(parts) if parts else pl.DataFrame()


def curve(judged: Judged) -> pl.DataFrame:
    """Return the trade-off curve: effects of the best 1, 2, ... neurons of each set, up to all."""
    plan = judged.plan
    points = [(concept, n, plan.point(at)) for at, (concept, n) in enumerate(plan.curve)]
    points += [(at, len(one.neurons), at) for at, one in enumerate(plan.sets) if len(one.neurons)]
    rows = []
    for name in MEASURES:
        for concept, n, place in sorted(points):
            target = plan.sets[concept].targets
            change = judged.changes[name].change[place]
            found = effect(change, target) if target else None
            rows.append(
                {
                    "concept": plan.sets[concept].concept,
                    "measure": name,
                    "n_neurons": n,
                    "share": n / len(plan.sets[concept].neurons),
                    "change": None if found is None else number(found.ablated),
                    "rest_change": number(_mean(change) if found is None else found.rest),
                    "selectivity": None if found is None else number(found.selectivity),
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def related(judged: Judged) -> pl.DataFrame:
    """Return related minus unrelated classes for each concept, and over all (``concept`` null)."""
    if judged.related is None:
        return pl.DataFrame()
    rows = []
    for name in MEASURES:
        used = _used(judged, judged.changes[name])
        change = judged.changes[name].change
        for at, target in used:
            near = judged.related[target]
            p, floor = relations.concept_p(change[at], near, target, judged.config.seed)
            rows.append(
                {
                    "concept": judged.plan.sets[at].concept,
                    "measure": name,
                    "related": [judged.labelled.classes[one] for one in np.flatnonzero(near)],
                    "difference": number(relations.difference(change[at], near, target)),
                    "p": number(p),
                    "attainable_p": number(floor),
                }
            )
        rows.append({"concept": None, "measure": name} | _related_overall(judged, change, used))
    return pl.DataFrame(rows, infer_schema_length=None)


def _related_overall(
    judged: Judged, change: NDArray[np.float64], used: list[tuple[int, int]]
) -> dict[str, Any]:
    if not used or judged.related is None:
        return {"related": None, "difference": None, "p": None, "attainable_p": None}
    rows, targets = [at for at, _ in used], [target for _, target in used]
    observed, p = relations.overall_p(
        change[rows], targets, judged.related, n_permutations=999, seed=judged.config.seed
    )
    return {"related": None, "difference": number(observed), "p": number(p), "attainable_p": 1 / 1000}


def sets(plan: Plan, run: Run) -> pl.DataFrame:
    """Return the neurons of each set, best first."""
    parts = [
        pl.DataFrame(
            {
                "neuron": one.neurons,
                "place": np.arange(len(one.neurons)),
                "score": pl.Series(one.scores).fill_nan(None),
            }
        ).select(pl.lit(one.concept).alias("concept"), pl.all())
        for one in plan.sets
    ]
    named = run.neurons().select("neuron", "layer", "index")
    return pl.concat(parts).join(named, on="neuron", how="left", maintain_order="left")


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def number(value: Any) -> float | None:
    """Return a number as tables hold it; None where it is not finite."""
    found = float(value)
    return found if math.isfinite(found) else None
