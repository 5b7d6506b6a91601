"""Reads of a run folder what the view models need: tables, evidence, activations, measures of the sound."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.report.views import ClipView, Credit, FailureView
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


@dataclass(frozen=True)
class RunData:
    """A run with the tables that every view needs.

    Attributes
    ----------
    run : Run
        The folder.
    clips, neurons : polars.DataFrame
        One row a clip; one row a neuron.
    method : str or None
        Name of the table of descriptions that is shown; None where the run has none.
    descriptions : polars.DataFrame
        One row per neuron and pole; empty where there is none.
    measures : dict of str to array (clip,) float64
        Level, centroid, duration, silence, pitch, as far as the run has them; NaN where a clip has none.
    """

    run: Run
    clips: pl.DataFrame
    neurons: pl.DataFrame
    method: str | None
    descriptions: pl.DataFrame
    measures: dict[str, np.ndarray[Any, np.dtype[np.float64]]]


def read_run(root: Path | str, descriptions: str | None = None) -> RunData:
    """Return the tables of the run at ``root``.

    Parameters
    ----------
    root : path
        The run folder.
    descriptions : str or None
        Name (or unambiguous beginning) of the table of descriptions; None takes the one written last by
        the describe stage, or the only one.

    Raises
    ------
    StageError
        If ``root`` is no run, or nothing was recorded.
    FormatError
        If it is of a newer format.
    UnknownNameError
        If ``descriptions`` fits no table, or none was named and several exist.
    """
    run = open_run(root)
    clips, neurons = run.clips(), run.neurons()
    name = descriptions or _last_described(run)
    if name is None and not run.listing("descriptions"):
        return RunData(run, clips, neurons, None, pl.DataFrame(), _measures(run, clips))
    found, table = run.table("descriptions", name)
    return RunData(run, clips, neurons, found, table, _measures(run, clips))


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
