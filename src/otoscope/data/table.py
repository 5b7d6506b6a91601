"""Put a dataset's rows into the one table form, and check what no dataset may get wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from otoscope.data.clips import STANDARD, Clips, LabelSet
from otoscope.data.source import Source
from otoscope.errors import DataLayoutError, EmptyDataError

SOUND_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64", ".caf"}
)
"""What counts as a sound file, lower case."""

RESERVED = ("duration_s", "sample_rate", "status", "reason")
"""Columns that a run adds; an extra of that name is kept as ``NAME_given``."""

_TYPES: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "id": pl.String(),
    "path": pl.String(),
    "start_s": pl.Float64(),
    "end_s": pl.Float64(),
    "group": pl.String(),
    "fold": pl.Int64(),
    "split": pl.String(),
}


def assemble(
    frame: pl.DataFrame,
    label_sets: Sequence[LabelSet],
    source: Source,
    *,
    name: str,
    spec: str,
    expected: str,
    group_declared: bool,
    events: pl.DataFrame | None = None,
) -> Clips:
    """Return ``frame`` as Clips: standard columns first and typed, rows numbered, ids unique.

    Parameters
    ----------
    frame : polars.DataFrame
        At least ``path``; ``id`` and ``group`` default to it, the other standard columns to null.
    expected : str
        One sentence on the layout, for the message where no row is there.

    Raises
    ------
    EmptyDataError
        If there is no row.
    DataLayoutError
        If two rows have one id.
    """
    if frame.height == 0:
        raise EmptyDataError(f"{spec} holds no clip. Expected: {expected}")
    filled = frame.with_row_index("row") if "row" not in frame.columns else frame
    if "id" not in filled.columns:
        filled = filled.with_columns(id=pl.col("path"))
    if "group" not in filled.columns:
        filled = filled.with_columns(group=pl.col("path"))
    missing = [pl.lit(None).alias(one) for one in STANDARD if one not in filled.columns]
    filled = _typed(filled.with_columns(missing), spec)
    _refuse_duplicates(filled, spec)
    order = [*STANDARD, *(one.name for one in label_sets)]
    filled = filled.rename(
        {one: f"{one}_given" for one in RESERVED if one in filled.columns and one not in order}
    )
    extras = [one for one in filled.columns if one not in order]
    return Clips(
        name, spec, filled.select([*order, *extras]), tuple(label_sets), source, events, group_declared
    )


def class_names(values: Sequence[str]) -> tuple[str, ...]:
    """Return the distinct values in order: by number where all are whole numbers, else by text.

    Examples
    --------
    >>> class_names(["10", "9", "9"])
    ('9', '10')
    """
    distinct = sorted(set(values))
    if all(one.isascii() and one.isdigit() for one in distinct):
        distinct.sort(key=lambda one: (int(one), one))
    return tuple(distinct)


def sound_names(folder: Path) -> set[str]:
    """Return the names of the sound files that lie directly in ``folder``."""
    return {one.name for one in folder.iterdir() if is_sound(one.name)}


def is_sound(name: str) -> bool:
    """Return whether ``name`` is the name of a sound file (hidden files are not)."""
    return not name.startswith(".") and Path(name).suffix.lower() in SOUND_SUFFIXES


def require_columns(frame: pl.DataFrame, needed: Sequence[str], file: Path, advice: str = "") -> None:
    """Raise where ``frame`` lacks one of ``needed``.

    Raises
    ------
    DataLayoutError
        Names the missing, the expected and the found columns.
    """
    missing = [one for one in needed if one not in frame.columns]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        found = ", ".join(repr(one) for one in frame.columns) or "none"
        raise DataLayoutError(
            f"{file} has no column{plural} {', '.join(repr(one) for one in missing)}. "
            f"Expected: {', '.join(needed)}. Found: {found}." + (f" {advice}" if advice else "")
        )


def _typed(frame: pl.DataFrame, spec: str) -> pl.DataFrame:
    try:
        return frame.with_columns(pl.col(one).cast(kind) for one, kind in _TYPES.items())
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataLayoutError(
            f"{spec}: fold must hold whole numbers and start_s, end_s seconds ({reason})"
        ) from error


def _refuse_duplicates(table: pl.DataFrame, spec: str) -> None:
    twice = table.filter(pl.col("id").is_duplicated())
    if twice.height:
        first = twice["id"][0]
        rows = twice.filter(pl.col("id") == first)["row"].to_list()[:5]
        n = twice["id"].n_unique()
        raise DataLayoutError(
            f"{spec} names the same clip twice: id {first!r} stands in rows {', '.join(map(str, rows))} "
            f"({'1 id is' if n == 1 else f'{n} ids are'} repeated). Ids must be unique: remove the repeated rows, "
            f"or give segments of one file different start_s and end_s."
        )
