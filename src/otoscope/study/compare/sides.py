"""Which clips do the runs share, and which of their layers answer to each other?

Runs are aligned by clip id; a clip counts as shared if it failed in none of them. Equal ids must mean equal things:
where duration, group or label of a shared clip differ between runs, the comparison is refused. Layers answer to each
other by name; a layer without a namesake to the one whose CKA with it is highest; two single layers to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data.select import chosen_rows
from otoscope.errors import EmptyDataError, InputError, OtoscopeError, UnknownNameError
from otoscope.metrics.alignment import gram
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.labels import Labelling, label, tasks
from otoscope.store.run import LayerRecord, Run, open_run
from otoscope.study.compare.config import CompareConfig

Rows = NDArray[np.int64]
AT = "@"
"""Between a run and its layer, in ``RUN@LAYER``."""
LEAST = 8
"""Fewest shared clips that are compared."""


@dataclass(frozen=True)
class Side:
    """One run, or one of its layers, on the shared clips.

    Attributes
    ----------
    name : str
        The folder's name, made unique; with the layer where one is named.
    run : Run
    rows : array of int64 (clip,)
        Rows of the shared clips, in the comparison's order.
    layers : tuple of LayerRecord
    """

    name: str
    run: Run
    rows: Rows
    layers: tuple[LayerRecord, ...]

    def activations(self, layer: str) -> NDArray[np.float64]:
        """Return pooled activations ``(shared clip, neuron)``."""
        return np.asarray(self.run.activations(layer, rows=self.rows), dtype=np.float64)

    @cached_property
    def grams(self) -> dict[str, NDArray[np.float64]]:
        """Gram matrix of each layer over the shared clips."""
        return {one.name: gram(self.activations(one.name)) for one in self.layers}


@dataclass(frozen=True)
class Shared:
    """Runs on the clips that they share.

    Attributes
    ----------
    sides : tuple of Side
    ids : tuple of str
    groups : array of str (clip,)
    group_declared : bool
    task : Labelling or None
        Rows are places among the shared clips; None where there are no labels to compare by.
    reason : str or None
        Why there is no task.
    """

    sides: tuple[Side, ...]
    ids: tuple[str, ...]
    groups: NDArray[np.str_]
    group_declared: bool
    task: Labelling | None
    reason: str | None

    @property
    def pairs(self) -> list[tuple[Side, Side]]:
        """Return every pair of sides, the first against the others first."""
        n = len(self.sides)
        return [(self.sides[a], self.sides[b]) for a in range(n) for b in range(a + 1, n)]


def aligned(given: Sequence[Run | Path | str], config: CompareConfig) -> Shared:
    """Return the runs on their shared clips.

    Parameters
    ----------
    given : sequence of Run or path
        At least two; ``RUN@LAYER`` is one layer of a run.
    config : CompareConfig

    Raises
    ------
    InputError
        If fewer than two are given, or a shared id stands for different things.
    EmptyDataError
        If fewer than 8 clips are shared.
    UnknownNameError
        If a layer or label set is unknown.
    """
    if len(given) < 2:
        raise InputError(f"a comparison needs two runs or more, got {len(given)}")
    opened = [_opened(one) for one in given]
    tables = [run.clips().filter(pl.col("status") == "ok") for run, _ in opened]
    shared = set.intersection(*(set(one["id"].to_list()) for one in tables), _asked(opened[0][0], config))
    if len(shared) < LEAST:
        counts = ", ".join(str(one.height) for one in tables)
        raise EmptyDataError(
            f"the runs share {len(shared)} clips (they have {counts}), at least {LEAST} are needed: record the same "
            "collection with each network"
        )
    tables = [
        one.filter(pl.col("id").is_in(shared)).sort(
            pl.col("id").replace_strict({name: at for at, name in enumerate(_order(tables[0], shared))})
        )
        for one in tables
    ]
    _same_things(tables, opened)
    names = _names(opened)
    sides = tuple(
        Side(name, run, table["row"].to_numpy().astype(np.int64), _layers(run, layer, config))
        for name, (run, layer), table in zip(names, opened, tables, strict=True)
    )
    task, reason = _task(sides, config)
    column = "id" if config.group == "row" else config.group
    if column not in tables[0].columns:
        raise UnknownNameError.of("group column", column, tables[0].columns)
    groups = np.array([str(one) for one in tables[0][column].to_list()])
    declared = all(one.run.manifest["data"].get("group_declared", False) for one in sides)
    return Shared(sides, tuple(tables[0]["id"].to_list()), groups, declared, task, reason)


def _opened(given: Run | Path | str) -> tuple[Run, str | None]:
    if isinstance(given, Run) or (Path(given).expanduser() / "run.json").is_file():
        return open_run(given if isinstance(given, Run) else Path(given).expanduser()), None
    folder, at, layer = str(given).rpartition(AT)
    if at and (Path(folder).expanduser() / "run.json").is_file():
        run = open_run(Path(folder).expanduser())
        return run, run.layer(layer).name
    return open_run(Path(given).expanduser()), None  # raises: there is no run


def _asked(run: Run, config: CompareConfig) -> set[str]:
    """Return the ids of the clips that folds and split of the config leave in."""
    table = run.clips()
    spec = run.manifest["data"]["spec"]
    rows = chosen_rows(table, folds=config.folds, split=config.split, limit=None, seed=None, spec=spec)
    return set((table["id"] if rows is None else table["id"][rows]).to_list())


def _order(table: pl.DataFrame, shared: set[str]) -> list[str]:
    return [one for one in table["id"].to_list() if one in shared]


def _same_things(tables: Sequence[pl.DataFrame], opened: Sequence[tuple[Run, str | None]]) -> None:
    first = tables[0]
    for table, (run, _) in zip(tables[1:], opened[1:], strict=True):
        for column in ("duration_s", "group"):
            here, there = first[column], table[column]
            same = (here - there).abs() < 1e-3 if column == "duration_s" else here == there
            if not same.fill_null(True).all():
                clip = first["id"][int((~same.fill_null(True)).arg_max() or 0)]
                raise InputError(
                    f"{opened[0][0].root} and {run.root} call different sounds {clip!r}: its {column} differs. Record "
                    "the same collection with each network"
                )


def _names(opened: Sequence[tuple[Run, str | None]]) -> list[str]:
    found: list[str] = []
    for run, layer in opened:
        base = run.root.resolve().name + (f"{AT}{layer}" if layer else "")
        name, number = base, 2
        while name in found:
            name, number = f"{base} ({number})", number + 1
        found.append(name)
    return found


def _layers(run: Run, layer: str | None, config: CompareConfig) -> tuple[LayerRecord, ...]:
    if layer is not None:
        return (run.layer(layer),)
    known = [one for one in run.layers if run.has_activations(one.name)]
    if not config.layers:
        kept = tuple(one for one in known if one.name != "logits")
    else:
        kept = tuple(one for one in known if any(fnmatchcase(one.name, glob) for glob in config.layers))
    if not kept:
        raise UnknownNameError.of(
            "layer with pooled activations",
            ", ".join(config.layers) or "(none)",
            [one.name for one in run.layers],
        )
    return kept


def selecting(config: CompareConfig) -> SelectConfig:
    """Return how neurons are selected in every run.

    Raises
    ------
    InputError
        If the selection names clips: a comparison selects on the clips that it is about.
    """
    named = any(config.selection.get(one) for one in ("folds", "split", "labels"))
    if named or config.selection.get("by", "clip") != "clip":
        raise InputError(
            "a comparison selects on the clips that it compares: name them by folds or split, and the task by "
            f"label_set, not in the selection {config.selection}"
        )
    base = {"n_permutations": 200, "group": config.group}
    return SelectConfig.model_validate({**base, **config.selection, "seed": config.seed})


def _task(sides: Sequence[Side], config: CompareConfig) -> tuple[Labelling | None, str | None]:
    names = tasks(sides[0].run)
    name = config.label_set or (names[0] if names else None)
    if name is None:
        return None, f"the clips of {sides[0].name} carry no labels"
    found = [_labelling(one, name, config) for one in sides]
    try:
        return _one_task(found, sides), None
    except OtoscopeError:
        if config.label_set is not None:
            raise
        return None, f"label set {name!r} is not the same in all runs"


def _labelling(side: Side, name: str, config: CompareConfig) -> Labelling:
    options = selecting(config)
    found = label(
        side.run, name, multi=options.multi, maps=options.maps, group=options.group, strata=options.strata
    )
    place = {int(row): at for at, row in enumerate(side.rows)}
    kept = np.array([at for at, row in enumerate(found.rows) if int(row) in place], dtype=np.int64)
    some = found.taken(kept)
    at = np.array([place[int(row)] for row in some.rows], dtype=np.int64)
    order = np.argsort(at)
    ordered = some.taken(order)
    return Labelling(
        ordered.task, ordered.classes, at[order], ordered.weights, ordered.groups, ordered.strata
    )


def _one_task(found: Sequence[Labelling], sides: Sequence[Side]) -> Labelling:
    first = found[0]
    for one, side in zip(found[1:], sides[1:], strict=True):
        if one.classes != first.classes or not _equal(one.rows, first.rows):
            raise InputError(
                f"label set {first.task!r} of {side.name} differs from that of {sides[0].name} in its classes or in "
                "which of the shared clips are labelled"
            )
        if not _equal(one.weights, first.weights):
            raise InputError(
                f"shared clips carry other labels of {first.task!r} in {side.name} than in {sides[0].name}"
            )
    return first


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def corresponding(first: Side, second: Side, cka: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return which layers answer to each other, as places in both sides.

    Parameters
    ----------
    first, second : Side
    cka : array (layer of first, layer of second)
    """
    if len(first.layers) == len(second.layers) == 1:
        return [(0, 0)]
    names = [one.name for one in second.layers]
    found = []
    for at, one in enumerate(first.layers):
        if one.name in names:
            found.append((at, names.index(one.name)))
        elif np.isfinite(cka[at]).any():
            found.append((at, int(np.nanargmax(cka[at]))))
    return found
