"""The tables of a selection. Each has the column ``task``; numbers that are not defined are null.

``neurons`` a row a neuron; ``triples`` a row an assignment (also neuron sets for ablation: ``class``, ``neuron``,
``score``); ``statistics`` a row a task, beside chance; ``layers`` and ``classes`` a row of each; ``thresholds`` every
number that decided; ``chance`` a row a selection with permuted labels; ``stability`` a row a halving; ``clips`` a row a
clip that was selected on, so that others can judge. Those of :data:`AS_CSV` are written as CSV, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.measure import Measured
from otoscope.selectivity.selector import Choice
from otoscope.selectivity.statistics import beside_chance, overlap, per_layer, task_statistics

NAMES = (
    "neurons",
    "triples",
    "statistics",
    "layers",
    "classes",
    "thresholds",
    "chance",
    "stability",
    "clips",
)
ADDED = ("clips",)
"""Tables that selections of earlier versions lack."""
AS_CSV = ("statistics", "layers", "classes", "thresholds", "triples")

_STATISTICS = ("n_selected", "n_with_class", "n_pairs", "coverage", "mean_per_class", "median_per_class")
_CHANCE = pl.Schema({"task": pl.String, "deal": pl.Int64, **dict.fromkeys(_STATISTICS, pl.Float64)})
_STABILITY = pl.Schema(
    {
        "task": pl.String,
        "split": pl.Int64,
        "neuron_jaccard": pl.Float64,
        "pair_jaccard": pl.Float64,
        "pair_jaccard_independent": pl.Float64,
        "n_pairs_first": pl.Int64,
        "n_pairs_second": pl.Int64,
    }
)
_TRIPLES = pl.Schema(
    {
        "task": pl.String,
        "class": pl.String,
        "class_index": pl.Int64,
        "layer": pl.String,
        "layer_index": pl.Int64,
        "index": pl.Int64,
        "neuron": pl.Int64,
        "score": pl.Float64,
        "p": pl.Float64,
    }
)


def of_task(
    found: Measured,
    config: SelectConfig,
    chance: Sequence[Choice],
    halved: Sequence[tuple[Choice, Choice]],
    first_neuron: Mapping[str, int],
    group_declared: bool,
    counted: str,
) -> dict[str, pl.DataFrame]:
    """Return a task's tables by name.

    Parameters
    ----------
    found : Measured
    config : SelectConfig
    chance : sequence of Choice
        Selections with permuted labels.
    halved : sequence of pair of Choice
        Selections of halves.
    first_neuron : mapping
        Layer -> number of its neuron 0 in the run.
    group_declared : bool
        Whether the collection says what belongs together.
    counted : str
        What the counts leave out, in words.
    """
    task = found.task.task
    thresholds = {**found.choice.thresholds, "attainable_p": found.attainable}
    deals = [
        {"task": task, "deal": place, **task_statistics(one.assigned, one.selected)}
        for place, one in enumerate(chance)
    ]
    splits = [{"task": task, "split": place, **overlap(*one)} for place, one in enumerate(halved)]
    made = {
        "neurons": neurons(found, first_neuron),
        "triples": triples(found, first_neuron),
        "statistics": statistics(found, config, chance, splits, group_declared, counted),
        "layers": _layers(found),
        "classes": _classes(found, chance),
        "thresholds": pl.DataFrame(
            [{"task": task, "threshold": name, "value": float(value)} for name, value in thresholds.items()]
        ),
        "chance": pl.DataFrame([{one: deal[one] for one in _CHANCE} for deal in deals], schema=_CHANCE),
        "stability": pl.DataFrame(splits, schema=_STABILITY),
    }
    return {name: _nulls(table) for name, table in made.items()}


def neurons(found: Measured, first_neuron: Mapping[str, int]) -> pl.DataFrame:
    """Return a row a neuron: its best effect and class, p, q, and the classes it belongs to."""
    effect, classes = found.evidence.effect, found.task.classes
    highest = np.nan_to_num(effect, nan=-np.inf).max(axis=0)
    highest = np.where(np.isinf(highest), np.nan, highest)
    standing = effect if found.evidence.standing is None else found.evidence.standing
    top = np.nan_to_num(standing, nan=-np.inf).argmax(axis=0)
    names = [one.name for one in found.layers]
    index = np.concatenate([np.arange(one.n_neurons) for one in found.layers])
    layer = [names[one] for one in found.layer_of]
    named = len(standing) == len(classes)
    return pl.DataFrame(
        {
            "task": [found.task.task] * len(index),
            "neuron": [first_neuron[one] + int(place) for one, place in zip(layer, index)],
            "layer": layer,
            "index": index,
            "selected": found.choice.selected,
            "classes": pl.Series(
                [[classes[c] for c in np.flatnonzero(one)] for one in found.choice.assigned.T],
                dtype=pl.List(pl.String),
            ),
            "best_class": pl.Series(
                [classes[one] if named and np.isfinite(h) else None for one, h in zip(top, highest)],
                dtype=pl.String,
            ),
            "effect": highest,
            "p": found.evidence.p,
            "q": found.evidence.q,
        }
    )


def triples(found: Measured, first_neuron: Mapping[str, int]) -> pl.DataFrame:
    """Return a row an assignment, sorted by class, layer, index; ``score`` is the effect."""
    starts = np.searchsorted(found.layer_of, np.arange(len(found.layers)))
    rows = []
    for one, layer, index in found.triples.tolist():
        name, place = found.layers[layer].name, starts[layer] + index
        row = one if len(found.evidence.effect) > 1 else 0
        effect, pair_p, class_p = (
            found.evidence.effect[row, place],
            found.evidence.pair_p,
            found.evidence.class_p,
        )
        p = pair_p[row, place] if class_p is None else class_p[one, place]
        neuron = first_neuron[name] + index
        rows.append(
            (
                found.task.task,
                found.task.classes[one],
                one,
                name,
                layer,
                index,
                neuron,
                float(effect),
                float(p),
            )
        )
    return pl.DataFrame(rows, schema=_TRIPLES, orient="row")


def statistics(
    found: Measured,
    config: SelectConfig,
    chance: Sequence[Choice],
    splits: Sequence[dict[str, Any]],
    group_declared: bool,
    counted: str,
) -> pl.DataFrame:
    """Return the one row of a task: what was selected, of what, beside chance, and how stable it is."""
    own = task_statistics(found.choice.assigned, found.choice.selected)
    stable = np.array([one["pair_jaccard"] for one in splits], dtype=np.float64)
    row = {
        "task": found.task.task,
        "method": config.method,
        "rule": config.rule,
        "unit": config.unit,
        "by": config.by,
        "folds": config.folds,
        "split": config.split,
        "counted": counted,
        "n_clips": len(found.task.rows),
        "n_left_out": found.task.left_out,
        "n_groups": len(np.unique(found.task.groups)),
        "n_units": len(found.units.first),
        "exchanged": _exchanged(found, config),
        "group_declared": group_declared,
        "n_classes": len(found.task.classes),
        "n_neurons": len(found.layer_of),
        "attainable_p": found.attainable,
        "testable": found.attainable <= config.alpha,
        **own,
        **beside_chance(own, chance),
        "stability": float(np.nanmean(stable)) if np.isfinite(stable).any() else float("nan"),
    }
    return pl.DataFrame([row], schema_overrides={"folds": pl.String, "split": pl.String})


def _exchanged(found: Measured, config: SelectConfig) -> str:
    if len(found.units.first) == len(found.task.rows):
        return config.by
    return "source" if found.units.whole_sources else "group"


def clips(task: str, table: pl.DataFrame) -> pl.DataFrame:
    """Return a row a clip that a task was selected on, of those rows of the run's table of clips."""
    return table.select(pl.lit(task).alias("task"), "row", "id", "group")


def notes(tables: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """Return what a person wants to know first: a line a task."""
    shown = (
        "n_selected",
        "n_pairs",
        "coverage",
        "chance_n_pairs",
        "chance_coverage",
        "stability",
        "testable",
    )
    return {
        row["task"]: {one: row[one] for one in shown} for row in tables["statistics"].iter_rows(named=True)
    }


def _layers(found: Measured) -> pl.DataFrame:
    choice = found.choice
    rows = per_layer(choice.assigned, choice.selected, found.layer_of, len(found.layers))
    return pl.DataFrame(
        [{"task": found.task.task, "layer": one.name, **row} for one, row in zip(found.layers, rows)]
    )


def _classes(found: Measured, chance: Sequence[Choice]) -> pl.DataFrame:
    task = found.task
    counts = [one.assigned.sum(axis=1) for one in chance]
    by_chance = np.mean(counts, axis=0) if counts else np.full(len(task.classes), np.nan)
    return pl.DataFrame(
        [
            {
                "task": task.task,
                "class": name,
                "n_clips": int((task.weights[:, place] > 0).sum()),
                "n_groups": len(np.unique(task.groups[task.weights[:, place] > 0])),
                "n_neurons": int(found.choice.assigned[place].sum()),
                "chance_n_neurons": float(by_chance[place]),
            }
            for place, name in enumerate(task.classes)
        ]
    )


def _nulls(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))
