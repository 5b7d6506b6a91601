"""Class-selective neurons of several runs, selected alike on the same clips: counts, coverage, and which neurons.

Every statistic of a run stands beside what permuted labels give (*chance*); a difference of two runs has a jackknife
interval, left out by group in both at once, and beside it how much two halves of one run differ (*halves differ*): a
difference below that says nothing. Where two runs have the same layers and widths, the assignments (class, neuron) that
they share are compared across halves, first run on one, second on the other; the *ceiling* is the same within one run,
the *floor* the second run's selection under permuted labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.progress import track
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.firing import from_run
from otoscope.selectivity.labels import Labelling
from otoscope.selectivity.measure import Measured, again, divisible, halves, measure, selector_of
from otoscope.selectivity.selector import Choice
from otoscope.selectivity.statistics import overlap, per_layer, task_statistics
from otoscope.study.compare.config import CompareConfig
from otoscope.study.compare.halving import blocks, jackknife
from otoscope.study.compare.sides import Shared, Side, selecting

Values = dict[tuple[str, str], float]
"""(statistic, scope) -> value; the scope is ``all``, ``layer NUMBER`` or ``class NAME``."""


@dataclass(frozen=True)
class Selected:
    """A side's selection on all shared clips, on halves, without blocks, and under permuted labels."""

    side: Side
    whole: Measured
    halved: list[tuple[Measured, Measured]]
    left_out: list[Measured]
    permuted: list[Choice]

    @cached_property
    def values(self) -> Values:
        """Statistics on all shared clips."""
        return values(self.whole, self.whole.choice)

    @cached_property
    def chance(self) -> Values:
        """Mean statistics under permuted labels."""
        found = [values(self.whole, one, effects=False) for one in self.permuted]
        return {key: float(np.mean([one[key] for one in found])) for key in found[0]}


def selected(shared: Shared, task: Labelling, config: CompareConfig) -> dict[str, Selected]:
    """Return each side's selections, by the side's name."""
    options = selecting(config)
    kept = blocks(shared.groups[task.rows], config.blocks, config.seed)
    parts = [halves(task, config.seed + one) for one in range(config.splits)] if divisible(task) else []
    found = {}
    for side in track(shared.sides, len(shared.sides), "selecting"):
        whole = _on(side, task, options)
        found[side.name] = Selected(
            side,
            whole,
            [(_on(side, task, options, one), _on(side, task, options, two)) for one, two in parts],
            [_on(side, task, options, one) for one in kept],
            list(again(whole, options, config.deals)),
        )
    return found


def _on(
    side: Side, task: Labelling, options: SelectConfig, places: NDArray[np.int64] | None = None
) -> Measured:
    heard = options.value == "activation" and selector_of(options).activations
    names = [one.name for one in side.layers]
    layers = from_run(side.run, side.rows[task.rows], layers=names, unit=options.unit, activations=heard)
    if places is None:
        return measure(layers, task, options, tell=False)
    return measure([one.taken(places) for one in layers], task.taken(places), options, tell=False)


def values(measured: Measured, choice: Choice, *, effects: bool = True) -> Values:
    """Return every statistic of a selection.

    Parameters
    ----------
    measured : Measured
        Knows layers and classes.
    choice : Choice
    effects : bool
        Also the mean over neurons of the effect for their best class.
    """
    whole = task_statistics(choice.assigned, choice.selected)
    n_neurons = len(choice.selected)
    found: Values = {("share_selected", "all"): whole["n_selected"] / n_neurons}
    shown = ("n_selected", "n_pairs", "coverage", "mean_per_class", "median_per_class", "classes_per_neuron")
    found |= {(name, "all"): whole[name] for name in shown}
    layers = per_layer(choice.assigned, choice.selected, measured.layer_of, len(measured.layers))
    for place, row in enumerate(layers):
        found["share_selected", f"layer {place}"] = row["n_selected"] / row["n_neurons"]
        found["coverage", f"layer {place}"] = row["coverage"]
    for name, assigned in zip(measured.task.classes, choice.assigned, strict=True):
        found["share_of_neurons", f"class {name}"] = float(assigned.mean())
    if effects:
        best = np.where(np.isnan(measured.evidence.effect), -np.inf, measured.evidence.effect).max(axis=0)
        known = np.isfinite(best)
        found["mean_best_effect", "all"] = float(best[known].mean()) if known.any() else float("nan")
    return found


def statistics(found: dict[str, Selected]) -> pl.DataFrame:
    """Return one row a run and statistic, beside chance."""
    rows = [
        {
            "run": name,
            "statistic": key[0],
            "scope": _named(key[1], one.side),
            "value": value,
            "chance": one.chance.get(key),
        }
        for name, one in found.items()
        for key, value in one.values.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col("value", "chance").fill_nan(None))


def _named(scope: str, side: Side, other: Side | None = None, place: int | None = None) -> str:
    if not scope.startswith("layer "):
        return scope
    name = side.layers[int(scope.removeprefix("layer "))].name
    if other is None or place is None or other.layers[place].name == name:
        return f"layer {name}"
    return f"layer {name} | {other.layers[place].name}"


def differences(first: Selected, second: Selected, layers: list[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Yield one row a statistic of two sides.

    Parameters
    ----------
    first, second : Selected
    layers : list of (int, int)
        Which layers answer to each other.
    """
    pairs = [(key, key) for key in first.values if not key[1].startswith("layer ") and key in second.values]
    for name in ("share_selected", "coverage"):
        pairs += [((name, f"layer {a}"), (name, f"layer {b}")) for a, b in layers]
    left = [
        (values(one, one.choice), values(two, two.choice))
        for one, two in zip(first.left_out, second.left_out, strict=True)
    ]
    halved = [
        [(values(one, one.choice), values(two, two.choice)) for one, two in side.halved]
        for side in (first, second)
    ]
    for a, b in pairs:
        change = second.values[b] - first.values[a]
        low, high = jackknife(change, np.array([two[b] - one[a] for one, two in left]))
        apart = [
            abs(one[key] - two[key]) for key, side in zip((a, b), halved, strict=True) for one, two in side
        ]
        place = int(b[1].removeprefix("layer ")) if b[1].startswith("layer ") else None
        yield {
            "first": first.side.name,
            "second": second.side.name,
            "statistic": a[0],
            "scope": _named(a[1], first.side, second.side, place),
            "value_first": first.values[a],
            "value_second": second.values[b],
            "difference": change,
            "low": low,
            "high": high,
            "halves_differ": float(np.mean(apart)) if apart else None,
            "chance_first": first.chance.get(a),
            "chance_second": second.chance.get(b),
        }


def shared_assignments(first: Selected, second: Selected) -> dict[str, Any] | None:
    """Return how alike the assignments are, neuron for neuron; None where layers or widths differ."""
    widths = [[(one.name, one.n_neurons) for one in side.whole.layers] for side in (first, second)]
    if [one for _, one in widths[0]] != [one for _, one in widths[1]]:
        return None
    own = overlap(first.whole.choice, second.whole.choice)
    across, ceiling = [], []
    for (a1, a2), (b1, b2) in zip(first.halved, second.halved, strict=True):
        across += [_jaccard(a1, b2), _jaccard(b1, a2)]
        ceiling += [_jaccard(a1, a2), _jaccard(b1, b2)]
    floor = [overlap(first.whole.choice, one)["pair_jaccard"] for one in second.permuted]
    return {
        "first": first.side.name,
        "second": second.side.name,
        "pair_jaccard": own["pair_jaccard"],
        "across_halves": _mean(across),
        "ceiling": _mean(ceiling),
        "independent": own["pair_jaccard_independent"],
        "floor": _mean(floor),
    }


def _jaccard(one: Measured, other: Measured) -> float:
    return overlap(one.choice, other.choice)["pair_jaccard"]


def _mean(found: list[float]) -> float | None:
    known = [one for one in found if np.isfinite(one)]
    return float(np.mean(known)) if known else None
