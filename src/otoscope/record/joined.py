"""The clips of several runs as one table: rows one after another, labels, events, and where their sounds lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.data import reopen
from otoscope.data.clips import Clips, LabelSet
from otoscope.data.source import FileSource
from otoscope.data.table import class_names
from otoscope.errors import InputError
from otoscope.record.events import ordered
from otoscope.store import tables
from otoscope.store.hashing import sha256_json
from otoscope.store.place import is_remote, named, relative
from otoscope.store.run import Run

ADDED = ("duration_s", "sample_rate", "status", "reason")
"""Columns that a recording adds to the clips."""


@dataclass(frozen=True)
class Joined:
    """The clips of several runs.

    Attributes
    ----------
    runs : tuple of Run
        In order.
    starts : tuple of int
        Row of each run's first clip.
    heard : polars.DataFrame
        One row a clip, with the columns that the recordings added.
    events : polars.DataFrame or None
        Their events.
    label_sets : tuple of LabelSet
        Those of all runs.
    source : object or None
        Reads the sounds; None where no one source does.
    """

    runs: tuple[Run, ...]
    starts: tuple[int, ...]
    heard: pl.DataFrame
    events: pl.DataFrame | None
    label_sets: tuple[LabelSet, ...]
    source: Any

    @property
    def table(self) -> pl.DataFrame:
        """The clips as they were before they were heard."""
        return self.heard.drop(ADDED)

    @property
    def clips(self) -> Clips:
        """The clips with their source, which must be known."""
        return Clips("", "", self.table, self.label_sets, self.source, self.events)


def join(runs: Sequence[Run]) -> Joined:
    """Return the clips of ``runs`` one after another.

    Raises
    ------
    InputError
        If one label set means one class a clip in one run, and several in another.
    """
    found = [run.clips() for run in runs]
    starts, total = [], 0
    for table in found:
        starts.append(total)
        total += table.height
    source, prefixes = _source(runs)
    moved = (
        table.with_columns(pl.col("row") + start, path=_below(prefix))
        for table, start, prefix in zip(found, starts, prefixes, strict=True)
    )
    labels = [(run, one) for run in runs for one in reopen.labels_of(run).label_sets]
    heard = pl.concat(moved, how="diagonal_relaxed")
    return Joined(tuple(runs), tuple(starts), heard, _events(runs, starts), _label_sets(labels), source)


def _below(prefix: str) -> pl.Expr:
    path = pl.col("path")
    return pl.when(path.str.starts_with("/")).then(path).otherwise(prefix + path) if prefix else path


def _events(runs: Sequence[Run], starts: Sequence[int]) -> pl.DataFrame | None:
    parts = [
        ordered(tables.read(run.root / reopen.EVENTS)).with_columns(pl.col("row") + start)
        for run, start in zip(runs, starts, strict=True)
        if (run.root / reopen.EVENTS).is_file()
    ]
    return pl.concat(parts, how="diagonal_relaxed") if parts else None


def _label_sets(labels: Sequence[tuple[Run, LabelSet]]) -> tuple[LabelSet, ...]:
    found: dict[str, LabelSet] = {}
    for run, one in labels:
        known = found.setdefault(one.name, one)
        if known.kind != one.kind:
            raise InputError(
                f"the label set {one.name!r} of {run.root} holds {one.kind} labels, that of the runs before "
                f"{known.kind} ones: they cannot be merged"
            )
        if known.classes != one.classes:
            found[one.name] = LabelSet(one.name, class_names([*known.classes, *one.classes]), one.kind)
    return tuple(found.values())


def _source(runs: Sequence[Run]) -> tuple[Any, list[str]]:
    """Return what reads the sounds of all runs, and what comes before the paths of each."""
    none = [""] * len(runs)
    if any(run.manifest["data"].get("source") is None for run in runs):
        return None, none
    sources = [reopen.reopen(run, heard=False).source for run in runs]
    if all(one == sources[0] for one in sources):
        return sources[0], none
    if not all(type(one) is FileSource and not is_remote(one.root) for one in sources):
        return None, none
    roots = [str(one.root.resolve()) for one in sources]  # type: ignore[attr-defined]
    common = os.path.commonpath(roots)
    return FileSource(Path(common)), [Path(os.path.relpath(one, common)).as_posix() + "/" for one in roots]


def identity(joined: Joined, out: Path) -> dict[str, Any]:
    """Return the identity of the merged run: the first run's, with the data of all."""
    first = joined.runs[0]
    content = {key: value for key, value in first.manifest.items() if key != "format_version"}
    content["model"] = _placed(first, out)
    kept = [run.manifest["data"] for run in joined.runs]
    parts = [part for one in kept for part in one.get("parts", [_part(one)])]
    source = None
    if joined.source is not None:
        empty = Clips("", "", joined.table.head(0), (), joined.source)
        source = reopen.describe(empty, out)["source"]
    content["data"] = {
        "name": kept[0]["name"] if len({one["name"] for one in kept}) == 1 else "merged",
        "spec": " + ".join(dict.fromkeys(one["spec"] for one in kept)),
        "hash": sha256_json([one["hash"] for one in parts]),
        "n_clips": joined.heard.height,
        "label_sets": [asdict(one) for one in joined.label_sets],
        "group_declared": all(one["group_declared"] for one in kept),
        "source": source,
        "parts": parts,
    }
    return content


def _part(data: dict[str, Any]) -> dict[str, Any]:
    return {key: data[key] for key in ("spec", "hash", "n_clips")}


def _placed(run: Run, out: Path) -> dict[str, Any]:
    """Return what a run says of its network, with a folder named from ``out``."""
    model: dict[str, Any] = dict(run.manifest["model"])
    if model.get("path"):
        model["path"] = relative(named(model["path"], run.root), out)
    return model
