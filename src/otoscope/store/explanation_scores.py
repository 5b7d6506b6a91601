"""Scores of explanations over a set of clips: the tables, beside what they are of.

Layout, in a run under ``explanation_scores/<hash8>/`` or in a folder of their own::

    scores.json         about: network, collection, contamination, methods, config, counts; its hash; written last
    scores.parquet      one row per case, method, control and removal
    summary.parquet     one row per method, control, removal and measure: mean, 95 % interval, difference, counts
    methods.parquet     one row a method: sanity check, seconds, training
    sanity.parquet      one row per method, clip and randomised module; where it was asked for
    fidelity.parquet    one row per method and mask: AUPRC fidelity over classes; where it was asked for
    log.jsonl           seconds: in all, and a clip by method; part of no comparison

Until they are written, the parts of a set lie beside them in ``unfinished-<hash8>/``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.errors import FormatError
from otoscope.store import manifest, tables
from otoscope.store.atomic import write_text
from otoscope.store.place import remove_tree

FORMAT_VERSION = 1
FOLDER = "explanation_scores"
MANIFEST = "scores.json"
LOG, SECONDS = "log.jsonl", "seconds_per_clip"
_UNFINISHED = "unfinished-"
TABLES = ("scores", "summary", "methods", "sanity", "fidelity")


@dataclass(frozen=True)
class Scores:
    """A scored set.

    Attributes
    ----------
    folder : Path
    about : dict
        The content of ``scores.json``.
    """

    folder: Path
    about: dict[str, Any]

    @property
    def scores(self) -> pl.DataFrame:
        """One row per case, method, control and removal."""
        return tables.read(self.folder / "scores.parquet")

    @property
    def summary(self) -> pl.DataFrame:
        """One row per method, control, removal and measure."""
        return tables.read(self.folder / "summary.parquet")

    @property
    def methods(self) -> pl.DataFrame:
        """One row a method, with the seconds that it took to explain a clip."""
        table = tables.read(self.folder / "methods.parquet")
        if SECONDS in table.columns or not (self.folder / LOG).is_file():
            return table
        line = (self.folder / LOG).read_text(encoding="utf-8").splitlines()[-1]
        took = json.loads(line)[SECONDS]
        return table.insert_column(
            1, pl.Series(SECONDS, [took.get(one) for one in table["method"]], pl.Float64)
        )

    def table(self, name: str) -> pl.DataFrame | None:
        """Return one of :data:`TABLES`, None where it was not asked for."""
        path = self.folder / f"{name}.parquet"
        return tables.read(path) if path.is_file() else None


def write(
    folder: Path,
    about: Mapping[str, Any],
    written: Mapping[str, pl.DataFrame],
    to: str = "parquet",
    clock: Mapping[str, Any] | None = None,
) -> Scores:
    """Write a scored set; ``scores.json`` comes last.

    Parameters
    ----------
    folder : Path
    about : mapping
        What ``scores.json`` says.
    written : mapping of str to DataFrame
        The tables.
    to : {"parquet", "csv", "json"}
        Also copies of the tables.
    clock : mapping
        Seconds, for the log.
    """
    for name, table in written.items():
        tables.write(folder / f"{name}.parquet", table)
        if to == "csv":
            write_text(folder / f"{name}.csv", table.write_csv())
        elif to == "json":
            write_text(
                folder / f"{name}.json" if name != "scores" else folder / "cases.json", table.write_json()
            )
    if clock is not None:
        write_text(
            folder / LOG, json.dumps({"time": time.time(), "event": "score-explanations", **clock}) + "\n"
        )
    content = {"format_version": FORMAT_VERSION, **about}
    manifest.write(folder / MANIFEST, content)
    return Scores(folder, content)


def unfinished(folder: Path, digest: str) -> Path:
    """Return where the parts of a set lie until its tables are written."""
    return folder / f"{_UNFINISHED}{digest}"


def tidy(folder: Path) -> None:
    """Remove the parts of sets whose tables are written, or that were given up."""
    for one in folder.glob(f"{_UNFINISHED}*"):
        remove_tree(one)


def read(folder: Path) -> Scores:
    """Return the scored set in a folder.

    Raises
    ------
    StageError
        If there is none.
    FormatError
        If it was written by a newer version of the format.
    """
    about = manifest.read(folder / MANIFEST)
    version = about.get("format_version")
    if not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
        raise FormatError(
            f"{folder} holds scores of format {version!r}; this Otoscope reads up to {FORMAT_VERSION}: update Otoscope"
        )
    return Scores(folder, about)


def listing(root: Path) -> dict[str, Path]:
    """Return the scored sets of a run by name, sorted."""
    return {path.parent.name: path.parent for path in sorted((root / FOLDER).glob(f"*/{MANIFEST}"))}
