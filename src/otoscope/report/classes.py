"""Builds the page of class-selective neurons from the run's ``selectivity/`` and ``sharing/``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.errors import StageError
from otoscope.report.charts import CONTROL, Chart, Series
from otoscope.report.classes_views import (
    ClassesView,
    ClassView,
    HeatMap,
    SelectionLine,
    SelectiveNeuron,
    TaskView,
)
from otoscope.store import tables
from otoscope.store.run import Run, read_stage

SHOWN = 8
"""Neurons of a class on the page."""
_MOST_BARS = 60
_EFFECTS = {
    "auroc": "AUROC",
    "entropy": "1 − H / log C",
    "mean-difference": "difference in s.d.",
    "contrastive": "margin in s.d.",
    "mutual-information": "information",
    "fisher": "Fisher score",
    "property": "match margin",
}


def classes_view(run: Run, alpha: float = 0.05) -> ClassesView:
    """Return the view of the selection asked for last and of all sharing; empty where the run has no selection."""
    folders = {one.parent.name: one.parent for one in (run.root / "selectivity").glob("*/statistics.parquet")}
    if not folders:
        return ClassesView()
    asked = (read_stage(run, "select") or {}).get("config", {}).get("name", "")
    name = asked if asked in folders else sorted(folders)[-1]
    lines = [line for one in sorted(folders) for line in _lines(folders[one])]
    method = name.rpartition("-")[0]
    maps = [
        replace(heat_map(path, alpha), facts=_facts(read_stage(run, f"share-{path.stem}")))
        for path in sorted((run.root / "sharing").glob("*.parquet"))
    ]
    return ClassesView(
        selection=name,
        tasks=task_views(folders[name]),
        others=tuple(lines),
        heat_maps=tuple(maps),
        effect=_EFFECTS.get(method, "effect"),
    )


def task_views(folder: Path) -> tuple[TaskView, ...]:
    """Return the tasks of one selection, from its folder.

    Raises
    ------
    StageError
        If the folder lacks a table.
    """
    names = ("statistics", "classes", "layers", "triples", "thresholds", "neurons")
    missing = [one for one in names if not (folder / f"{one}.parquet").is_file()]
    if missing:
        raise StageError(f"{folder} lacks {', '.join(missing)}.parquet: select again")
    found = {one: tables.read(folder / f"{one}.parquet") for one in names}
    return tuple(_task(row, found) for row in found["statistics"].iter_rows(named=True))


_COPIED = (
    "task", "method", "rule", "unit", "exchanged", "n_clips", "n_groups", "n_classes", "n_neurons", "n_selected",
    "n_pairs", "coverage", "mean_per_class", "median_per_class", "min_per_class", "max_per_class",
    "classes_per_neuron", "stability", "chance_n_selected", "chance_coverage", "p_n_pairs", "p_coverage",
    "attainable_p", "testable",
)  # fmt: skip


def _task(row: dict[str, Any], found: dict[str, pl.DataFrame]) -> TaskView:
    own = {name: table.filter(task=row["task"]) for name, table in found.items()}
    return TaskView(
        **{one: row[one] for one in _COPIED},
        part=_part(row),
        carrier=row.get("by", "clip"),
        classes=_classes(own),
        charts=_charts(row["task"], own),
        thresholds=tuple(own["thresholds"].select("threshold", "value").iter_rows()),
    )


def _part(row: dict[str, Any]) -> str:
    """Return in words what a selection was made on; empty for all clips, as of selections that do not say."""
    named = [f"{kind} {row[key]}" for kind, key in (("folds", "folds"), ("split", "split")) if row.get(key)]
    return ", ".join(named)


def _classes(own: dict[str, pl.DataFrame]) -> tuple[ClassView, ...]:
    every = dict(own["neurons"].filter("selected").select("neuron", "classes").iter_rows())
    shown = own["triples"].sort(["score", "neuron"], descending=[True, False], nulls_last=True)
    by_class = {name: part for (name,), part in shown.group_by("class", maintain_order=True)}
    return tuple(
        ClassView(
            row["class"],
            row["n_clips"],
            row["n_groups"],
            row["n_neurons"],
            row["chance_n_neurons"],
            tuple(
                SelectiveNeuron(
                    one["layer"], one["index"], one["score"], one["p"], tuple(every[one["neuron"]])
                )
                for one in by_class.get(row["class"], shown.head(0)).head(SHOWN).iter_rows(named=True)
            ),
        )
        for row in own["classes"].iter_rows(named=True)
    )


def _charts(task: str, own: dict[str, pl.DataFrame]) -> tuple[Chart, ...]:
    layers, classes = own["layers"], own["classes"].sort("n_neurons", descending=True).head(_MOST_BARS)
    share = 100 * layers["n_selected"] / layers["n_neurons"]
    depth = Chart(
        name=f"layers-{task}",
        kind="curves",
        title=f"Selective neurons over depth: {task}",
        note="Share of each layer's neurons that are selected, and share of the classes that have a neuron there.",
        labels=tuple(layers["layer"]),
        series=(
            Series("% of the layer's neurons", tuple(share)),
            Series("% of the classes covered", tuple(100 * layers["coverage"]), role="second-control"),
        ),
        x_label="layer",
        y_label="%",
    )
    bars = Chart(
        name=f"classes-{task}",
        kind="bars",
        title=f"Neurons of each class: {task}",
        note="A neuron may belong to several classes. Beside it what permuted labels give on average.",
        labels=tuple(classes["class"]),
        series=(
            Series("neurons", tuple(map(float, classes["n_neurons"]))),
            Series("permuted labels", tuple(classes["chance_n_neurons"]), role=CONTROL),
        ),
        x_label="neurons",
    )
    return depth, bars


def _lines(folder: Path) -> list[SelectionLine]:
    columns = (
        "task", "rule", "n_selected", "coverage", "mean_per_class", "chance_n_selected", "chance_coverage", "stability",
    )  # fmt: skip
    table = tables.read(folder / "statistics.parquet")
    parts = [_part(row) for row in table.iter_rows(named=True)]
    rows = table.select(columns).iter_rows()
    return [SelectionLine(folder.name, task, part, *row) for part, (task, *row) in zip(parts, rows)]


def heat_map(path: Path, alpha: float = 0.05) -> HeatMap:
    """Return a table of ``sharing/`` as a heat map.

    Parameters
    ----------
    path : Path
        ``sharing/<name>.parquet``.
    alpha : float
        q below which a cell is marked.
    """
    table = tables.read(path)
    first, second = table["task"][0], table["other_task"][0]
    within = _within(table)
    cells = _cells(table, within)
    rows, columns = _ordered(table, within)
    sizes = dict(table.select("class", "n_neurons").iter_rows())
    others = dict(table.select("other_class", "n_other_neurons").iter_rows())
    sizes, others = (sizes | others, sizes | others) if within else (sizes, others)
    values = tuple(tuple(_value(cells, a, b, within) for b in columns) for a in rows)
    drawn = [one for row in values for one in row if one is not None]
    what = f"the classes of {first}" if within else f"{first} (rows) and {second} (columns)"
    return HeatMap(
        name=path.stem,
        title=f"Shared neurons: {first}" if within else f"Shared neurons: {first} and {second}",
        note=f"Jaccard index of the neurons of {what}. + more than by chance, − less (q ≤ {alpha:g}, against tables or "
        "selections made by chance). Alike classes stand side by side; in brackets: neurons of the class.",
        row_task=first,
        column_task=second,
        rows=tuple(f"{one} ({sizes[one]})" for one in rows),
        columns=tuple(f"{one} ({others[one]})" for one in columns),
        values=values,
        marks=tuple(tuple(_mark(cells.get((a, b)), alpha) for b in columns) for a in rows),
        notes=tuple(tuple(_said(cells.get((a, b)), a, b) for b in columns) for a in rows),
        highest=max([*drawn, 0.01]),
    )


def _facts(marker: dict[str, Any] | None) -> tuple[str, ...]:
    """Return what the marker of a sharing says, in sentences."""
    if marker is None:
        return ()
    sides = " against ".join(one["selection"] for one in marker["inputs"] if isinstance(one, dict))
    said = [f"{sides}, null: {marker['config']['null']}"] if sides else []
    for name, one in marker["notes"].get("contrasts", {}).items():
        if one["p"] is not None:
            found = f"mean Jaccard {one['inside']:.3f} in {one['n_inside']} pairs, {one['outside']:.3f} in the others"
            said.append(f"{name}: {found}; difference by chance {one['expected']:.3f}, p {one['p']:.3g}")
    return tuple(said)


def _within(table: pl.DataFrame) -> bool:
    """Return whether the table is of one task's classes among each other: each pair stands there once."""
    pairs = set(table.select("class", "other_class").iter_rows())
    same_task = table["task"][0] == table["other_task"][0]
    return same_task and not any(a == b or (b, a) in pairs for a, b in pairs)


def _cells(table: pl.DataFrame, within: bool) -> dict[tuple[str, str], dict[str, Any]]:
    found = {(row["class"], row["other_class"]): row for row in table.iter_rows(named=True)}
    return found | {(b, a): row for (a, b), row in found.items()} if within else found


def _ordered(table: pl.DataFrame, within: bool) -> tuple[list[str], list[str]]:
    rows = dict(table.select("class", "place").iter_rows())
    columns = dict(table.select("other_class", "other_place").iter_rows())
    if within:
        rows = columns = rows | columns
    return sorted(rows, key=lambda one: (rows[one], one)), sorted(
        columns, key=lambda one: (columns[one], one)
    )


def _value(cells: dict[tuple[str, str], dict[str, Any]], a: str, b: str, within: bool) -> float | None:
    if within and a == b:
        return None
    found: float | None = cells[a, b]["jaccard"]
    return found


def _mark(row: dict[str, Any] | None, alpha: float) -> str:
    if row is None:
        return ""
    more, less = row["q_more"], row["q_less"]
    return "+" if more is not None and more <= alpha else "−" if less is not None and less <= alpha else ""


def _said(row: dict[str, Any] | None, a: str, b: str) -> str:
    if row is None:
        return a
    p = "not tested" if row["p_more"] is None else f"p of more {row['p_more']:.3g}, q {row['q_more']:.3g}"
    return f"{a} and {b}: {row['shared']} shared, Jaccard {row['jaccard']:.3f}, by chance {row['expected']:.3f}; {p}"
