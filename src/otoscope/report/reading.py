"""Reads of a run folder what the view models need: tables, evidence, activations, measures of the sound."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.report.methods import in_order
from otoscope.report.overview_views import FailureView
from otoscope.report.views import ClipView, Credit
from otoscope.store import tables
from otoscope.store.run import Run, open_run, read_stage

# Which column of an acoustic caption table is which simple measure: the first that fits is taken.
MEASURES = {
    "level": r"^(rms|level)(_\w+)?_db(fs)?$",
    "centroid": r"centroid(_\w+)?_hz$",
    "duration": r"^duration_s$",
    "silence": r"silen\w*",
    "pitch": r"^(pitch|f0)(_\w+)?_hz$",
}

IDENTITY = ("neuron", "layer", "index", "pole")
SCORES: dict[str, Any] = {
    **dict.fromkeys(
        ("score", "margin", "p", "q", "heldout_pearson", "heldout_low", "heldout_high"), pl.Float64
    ),
    **dict.fromkeys(("heldout_auprc_gain", "heldout_auroc", "control_pearson"), pl.Float64),
    **dict.fromkeys(("n_describe", "n_score"), pl.Int64),
    "testable": pl.Boolean,
    "flags": pl.String,
}
COMMON_COLUMNS = frozenset((*IDENTITY, *SCORES))
"""Columns that tables of descriptions of every method may have."""


@dataclass(frozen=True)
class RunData:
    """A run with the tables that every view needs.

    Attributes
    ----------
    run : Run
        The folder.
    clips, neurons : polars.DataFrame
        One row a clip; one row a neuron.
    tables : dict of str to polars.DataFrame
        The tables of descriptions, the one that the page is about first; each has every column of ``SCORES``,
        null where its method gives none.
    measures : dict of str to array (clip,) float64
        Level, centroid, duration, silence, pitch, as far as the run has them; NaN where a clip has none.
    """

    run: Run
    clips: pl.DataFrame
    neurons: pl.DataFrame
    tables: dict[str, pl.DataFrame]
    measures: dict[str, np.ndarray[Any, np.dtype[np.float64]]]

    @property
    def method(self) -> str | None:
        """Name of the table of descriptions that the page is about; None where the run has none."""
        return next(iter(self.tables), None)

    @property
    def descriptions(self) -> pl.DataFrame:
        """That table: one row per neuron and pole; empty where there is none."""
        return next(iter(self.tables.values()), pl.DataFrame())


def read_run(root: Run | Path | str, descriptions: str | None = None) -> RunData:
    """Return the tables of the run at ``root``.

    Parameters
    ----------
    root : path
        The run folder.
    descriptions : str or None
        Name (or unambiguous beginning) of the table of descriptions that the page is about; None takes the one
        written last by the describe stage, else the first in the order of the methods.

    Raises
    ------
    StageError
        If ``root`` is no run, or nothing was recorded.
    FormatError
        If it is of a newer format.
    UnknownNameError
        If ``descriptions`` fits no table.
    """
    run = open_run(root)
    clips, neurons = run.clips(), run.neurons()
    return RunData(run, clips, neurons, _tables(run, descriptions), _measures(run, clips))


def _tables(run: Run, wanted: str | None) -> dict[str, pl.DataFrame]:
    names = in_order(list(run.listing("descriptions")))
    first = run.table("descriptions", wanted)[0] if wanted else _last_described(run)
    ordered = sorted(names, key=lambda name: name != first)
    return {name: complete(run.table("descriptions", name)[1]) for name in ordered}


def complete(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table of descriptions with every column of ``SCORES``, null where its method gives none.

    What was never tested (no ``q``) is marked as not testable; rows of dead neurons, of which nothing is said, go.
    """
    missing = {name: pl.lit(None, dtype=kind) for name, kind in SCORES.items() if name not in table.columns}
    if "q" in missing and "testable" in missing:
        missing["testable"] = pl.lit(False)
    if "pole" not in table.columns:
        missing["pole"] = pl.lit("high")
    flags = pl.col("flags").fill_null("").str.split(";")
    return table.with_columns(**missing).filter(~flags.list.contains("dead"))


def _last_described(run: Run) -> str | None:
    marker = read_stage(run, "describe") or {}
    written = [Path(one).stem for one in marker.get("outputs", []) if one.startswith("descriptions/")]
    existing = run.listing("descriptions")
    return next((one for one in reversed(written) if one in existing), None)


def _measures(run: Run, clips: pl.DataFrame) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    wide = clips.select("row", *(name for name in ("duration_s",) if name in clips.columns))
    for name, path in run.listing("captions").items():
        if name.startswith("acoustic"):
            table = tables.read(path)
            fresh = [
                one for one in table.columns if one not in wide.columns and table[one].dtype.is_numeric()
            ]
            wide = wide.join(table.select("row", *fresh), on="row", how="left", maintain_order="left")
    found = {}
    for measure, pattern in MEASURES.items():
        column = next((one for one in wide.columns if re.search(pattern, one)), None)
        if column is not None:
            found[measure] = wide[column].cast(pl.Float64).fill_null(math.nan).to_numpy()
    return found


def clip_views(data: RunData) -> tuple[ClipView, ...]:
    """Return every clip of the run, in the order of its rows."""
    label = _label_column(data)
    return tuple(
        ClipView(
            row=one["row"],
            id=one["id"],
            label=_joined(one.get(label)) if label else "",
            duration_s=one.get("duration_s"),
            credit=_credit(one),
        )
        for one in data.clips.iter_rows(named=True)
    )


def _label_column(data: RunData) -> str | None:
    for entry in data.run.manifest["data"].get("label_sets", []):
        name = entry["name"] if isinstance(entry, dict) else entry
        if name in data.clips.columns:
            return str(name)
    return None


def _joined(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _credit(clip: dict[str, Any]) -> Credit | None:
    names = ("title", "author", "license", "source")
    found = {name: str(clip[name]) if clip.get(name) is not None else None for name in names}
    return Credit(**found) if found["author"] or found["license"] or found["source"] else None


def failures(data: RunData) -> tuple[FailureView, ...]:
    """Return every clip that failed while recording or captioning, with its reason."""
    found = [_failure(one, "record") for one in _failed(data.clips)]
    lost = {one.row for one in found}
    for name, path in data.run.listing("captions").items():
        found += [
            _failure(one, f"caption ({name.rpartition('-')[0] or name})")
            for one in _failed(tables.read(path))
            if one["row"] not in lost
        ]
    return tuple(found)


def _failed(table: pl.DataFrame) -> list[dict[str, Any]]:
    return table.filter(pl.col("status") != "ok").to_dicts() if "status" in table.columns else []


def _failure(row: dict[str, Any], stage: str) -> FailureView:
    return FailureView(row["row"], str(row["id"]), stage, str(row.get("reason") or "no reason given"))
