"""Tables of scored explanations in a run folder: per method, the explanation above its controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from otoscope.report.explained.views import MEASURES, Cell
from otoscope.store import explanation_scores as kept
from otoscope.store.run import Run

LEFT_OUT = ("top_3_fidelity", "sparseness", "complexity", "energy_in_events", "pointing_game", "target_kept")
SHOWN = tuple(key for key in MEASURES if key not in (*LEFT_OUT, "improvement_db"))
"""Measures on the page; the files have all."""

ADDED: Mapping[str, str] = {
    "white": "white noise",
    "clip": "another clip",
    "speech": "speech",
    "noise": "noise",
}
"""Contamination -> what it is called."""


@dataclass(frozen=True)
class ScoreRow:
    """The means of one kind of mask: ``control`` None is the explanation itself."""

    control: str | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ScoreGroup:
    """One method."""

    method: str
    title: str
    measures: tuple[str, ...]
    rows: tuple[ScoreRow, ...]


@dataclass(frozen=True)
class ScoreTable:
    """One scored set of clips."""

    name: str
    title: str
    note: str
    groups: tuple[ScoreGroup, ...]


def score_tables(run: Run) -> tuple[ScoreTable, ...]:
    """Return the scored sets of a run, by name."""
    return tuple(_table(name, kept.read(folder)) for name, folder in kept.listing(run.root).items())


def _table(name: str, scored: kept.Scores) -> ScoreTable:
    about = scored.about
    contaminated = about.get("contamination")
    dirty = (
        f", {ADDED[contaminated['kind']]} added {contaminated['snr_db']:g} dB below" if contaminated else ""
    )
    lost = f"; {about['n_failed']} could not be decoded" if about["n_failed"] else ""
    note = (
        f"{about['n_clips']} clips of {about['n_groups']} recordings{lost}. Means over clips, 95 % intervals over "
        f"recordings below them; removal by {about['config']['removals'][0]}. Explained: {about['config']['target']}."
    )
    first = scored.summary.filter(removal=about["config"]["removals"][0])
    groups = tuple(_group(method, first.filter(method=method), scored.methods) for method in about["methods"])
    return ScoreTable(name, f"Scored clips{dirty}", note, groups)


def _group(method: str, summary: pl.DataFrame, methods: pl.DataFrame) -> ScoreGroup:
    there = set(summary["measure"].to_list())
    measures = tuple(key for key in SHOWN if key in there)
    rows = []
    for (control,), part in summary.group_by(["control"], maintain_order=True):
        found = {row["measure"]: row for row in part.iter_rows(named=True)}
        cells = tuple(_cell(found.get(key)) for key in measures)
        rows.append(ScoreRow(None if control is None else str(control), cells))
    facts = methods.filter(method=method).row(0, named=True) if methods.height else {}
    return ScoreGroup(method, _title(method, facts), measures, tuple(rows))


def _cell(row: Mapping[str, Any] | None) -> Cell:
    if row is None or row["mean"] is None:
        return Cell(None)
    known = [
        None if value is None or value != value else value for value in (row["mean"], row["low"], row["high"])
    ]
    return Cell(*known) if known[0] is not None else Cell(None)


def _title(method: str, facts: Mapping[str, Any]) -> str:
    said = [method]
    if facts.get("seconds_per_clip") is not None:
        said.append(f"{facts['seconds_per_clip']:.2g} s a clip")
    if facts.get("training_s") is not None:
        said.append(f"trained in {facts['training_s']:.0f} s")
    if facts.get("sanity") is not None:
        said.append(f"rank correlation after randomising all weights {facts['sanity']:.2f}".replace("-", "−"))
    return " · ".join(said)
