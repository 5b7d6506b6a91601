"""Reads the explanations of a run folder: as tables, and as something that shows and plays in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.errors import StageError
from otoscope.store.explanations import Kept, listing

_SOUNDS = ("explanation", "remainder", "original")
_SCHEMA: dict[str, Any] = {
    "clip": pl.String,
    "row": pl.Int64,
    "id": pl.String,
    "labels": pl.List(pl.String),
    "group": pl.String,
    "method": pl.String,
    "name": pl.String,
    "target": pl.String,
    "p": pl.Float64,
    "p_explanation": pl.Float64,
    "p_remainder": pl.Float64,
    "value": pl.Float64,
    "value_explanation": pl.Float64,
    "value_remainder": pl.Float64,
}


def tables(kept: Iterable[Kept]) -> pl.DataFrame:
    """Return one row an explanation: clip, method, target, probabilities, measures, how it sounds."""
    return pl.DataFrame([_row(one) for one in kept], schema_overrides=_SCHEMA, infer_schema_length=None)


def controls(kept: Iterable[Kept]) -> pl.DataFrame:
    """Return one row per explanation, control and measure: ``explanation``, ``control``, ``low``, ``high``."""
    rows = [
        {
            "clip": one.clip,
            "name": one.name,
            "control": control["control"],
            "measure": measure,
            "explanation": value,
            **{
                "control_mean" if key == "mean" else key: control[measure][key]
                for key in ("mean", "low", "high")
            },
            "draws": control["draws"],
        }
        for one in kept
        for control in one.scores["controls"]
        for measure, value in one.scores["measures"].items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _row(one: Kept) -> dict[str, Any]:
    head, scores = one.manifest, one.scores
    explained: dict[str, Any] = next(
        (p for p in scores["probabilities"] if p["index"] == head["target"]["index"]), {}
    )
    sound = scores["sounds"]["explanation"]
    parts = scores["parts"] or {}
    return {
        "clip": one.clip,
        **{key: head["clip"][key] for key in ("row", "id", "labels", "group")},
        "method": head["method"]["name"],
        "name": one.name,
        "target": head["target"]["name"],
        **{f"p{end}": explained.get(key) for end, key in _ENDS.items()},
        **{f"value{end}": scores["value"][key] for end, key in _ENDS.items()},
        **scores["measures"],
        "level_db": sound["level_db"],
        "original_level_db": scores["sounds"]["original"]["level_db"],
        "centroid_hz": sound["centroid_hz"],
        "original_centroid_hz": scores["sounds"]["original"]["centroid_hz"],
        "active_s": sound["active_s"],
        "duration_s": sound["duration_s"],
        "silent": sound["silent"],
        "n_parts_chosen": parts.get("n_chosen"),
    }


_ENDS: Mapping[str, str] = {"": "input", "_explanation": "explanation", "_remainder": "remainder"}


@dataclass(frozen=True)
class ExplanationsView:
    """The explanations of a run, for a notebook.

    Attributes
    ----------
    root : Path
        The run folder.
    """

    root: Path

    @cached_property
    def kept(self) -> tuple[Kept, ...]:
        """The finished explanations: clips by row, methods by name."""
        return listing(self.root)

    @property
    def table(self) -> pl.DataFrame:
        """One row an explanation."""
        return tables(self.kept)

    @property
    def controls(self) -> pl.DataFrame:
        """One row per explanation, control and measure."""
        return controls(self.kept)

    def of(self, clip: str | int, method: str | None = None) -> tuple[Kept, ...]:
        """Return the explanations of a clip, by its id, row or folder, and by a method if one is named.

        Raises
        ------
        StageError
            If there is none.
        """
        names = {str(clip)}
        found = tuple(
            one
            for one in self.kept
            if names & {one.clip, str(one.manifest["clip"]["row"]), one.manifest["clip"]["id"]}
            and method in (None, one.manifest["method"]["name"], one.name)
        )
        if not found:
            raise StageError(
                f"{self.root} holds no explanation of {clip}" + (f" by {method}" if method else "")
            )
        return found

    def __len__(self) -> int:
        return len(self.kept)

    def __repr__(self) -> str:
        """Return how many there are, in one line."""
        n_clips = len({one.clip for one in self.kept})
        return f"<explanations of {self.root}: {len(self)}, of {n_clips} clip{'' if n_clips == 1 else 's'}>"

    def _repr_html_(self) -> str:
        """Return every explanation with its picture and three players."""
        from otoscope.report.explained.notebook import cards

        return cards(self.kept)
