"""A table of the user's own: ``path,label,fold,split,start_s,end_s,group``, any further columns kept.

``path`` is relative to the table's folder (or to ``root``) or absolute. Only ``path`` and the label columns
must be there. A row with ``start_s`` or ``end_s`` is a segment; its id is ``path#start-end`` in ms. Without a
``group`` column the group is the path, so segments of one recording stay together, and the group counts as
undeclared. ``multi=;`` or ``multi=|`` says that one cell holds several labels; nothing is split unless it is
said. Columns of the user's own that are called ``row`` or ``id`` are kept as ``row_given`` and ``id_given``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.data.clips import STANDARD, Clips, LabelSet
from otoscope.data.delimited import read_delimited
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names, require_columns
from otoscope.errors import DataLayoutError, InputError
from otoscope.store.place import place

_TEXT = ("path", "label", "split", "group", "id")
_EXPECTED = "a header and rows path,label[,fold,split,start_s,end_s,group]"


def load(rest: str, *, labels: str = "label", multi: str = "", root: str = "") -> Clips:
    """Return the clips of a CSV or TSV table: csv:FILE.

    Parameters
    ----------
    rest : str
        The table.
    labels : str
        Names of the label columns joined by commas, the primary one first; empty for a table without labels.
    multi : str
        The separator inside a label cell, ``;`` or ``|``; empty means one label a cell.
    root : str
        The folder that paths start from; empty means the table's own.

    Raises
    ------
    DataLayoutError
        If a column is missing (the message lists found and expected) or a cell cannot be used (with its
        line).
    EmptyDataError
        If the table has no row.
    """
    file, names = place(rest), [one.strip() for one in labels.split(",") if one.strip()]
    base = place(root) if root else file.parent
    frame = _checked(_read(file, names), file)
    declared = "group" in frame.columns
    frame, sets = _labelled(frame.with_columns(_ids(frame, base)), names, multi)
    return assemble(
        frame,
        sets,
        FileSource(base),
        name="csv",
        spec=f"csv:{rest}",
        expected=_EXPECTED,
        group_declared=declared,
    )


def _read(file: Path, labels: list[str]) -> pl.DataFrame:
    frame = read_delimited(file, text=(*_TEXT, *labels))
    advice = "Other label columns: ?labels=NAME; none: ?labels=" if labels and "path" in frame.columns else ""
    require_columns(frame, ("path", *labels), file, advice)
    return frame.rename({one: f"{one}_given" for one in ("row", "id") if one in frame.columns})


def _checked(frame: pl.DataFrame, file: Path) -> pl.DataFrame:
    """Return ``frame`` with its standard columns typed; raise at the first cell that cannot be used."""
    kinds: dict[str, Any] = {"start_s": pl.Float64, "end_s": pl.Float64, "fold": pl.Int64}
    for name, kind in kinds.items():
        if name not in frame.columns:
            continue
        cast = frame[name].cast(kind, strict=False)
        _refuse(frame[name], cast.is_null() & frame[name].is_not_null(), file, "a number")
        frame = frame.with_columns(cast.alias(name))
    for name in {"path", "group"} & set(frame.columns):
        _refuse(frame[name], frame[name].is_null(), file, "filled in")
    if "start_s" in frame.columns:
        _refuse(frame["start_s"], ~(frame["start_s"].fill_null(0.0) >= 0), file, "0 or more seconds")
    if "end_s" in frame.columns:
        start = frame["start_s"].fill_null(0.0) if "start_s" in frame.columns else pl.Series([0.0])
        end = frame["end_s"].fill_null(math.inf)
        _refuse(frame["end_s"], ~(end > start) | end.is_nan(), file, "after start_s, in seconds")
    return frame


def _refuse(column: pl.Series, bad: pl.Series, file: Path, expected: str) -> None:
    lines = [index + 2 for index in bad.arg_true().to_list()]
    if lines:
        raise DataLayoutError(
            f"{file}, line {lines[0]}: {column.name} must be {expected}, got {column[lines[0] - 2]!r}"
            + (f" ({len(lines)} such lines)" if len(lines) > 1 else "")
        )


def _ids(frame: pl.DataFrame, base: Path) -> pl.Series:
    """Return POSIX paths relative to ``base``, with ``#start-end`` in ms where a row is a segment."""
    nothing = [None] * frame.height
    starts = frame["start_s"].to_list() if "start_s" in frame.columns else nothing
    ends = frame["end_s"].to_list() if "end_s" in frame.columns else nothing
    rows = zip(frame["path"].to_list(), starts, ends, strict=True)
    return pl.Series("id", [_id(path, start, end, base) for path, start, end in rows], dtype=pl.String)


def _id(path: str, start: float | None, end: float | None, base: Path) -> str:
    inside = Path(path)
    if inside.is_absolute() and inside.is_relative_to(base.absolute()):
        inside = inside.relative_to(base.absolute())
    if start is None and end is None:
        return inside.as_posix()
    last = "" if end is None else str(round(end * 1000))
    return f"{inside.as_posix()}#{round((start or 0.0) * 1000)}-{last}"


def _labelled(frame: pl.DataFrame, names: list[str], separator: str) -> tuple[pl.DataFrame, list[LabelSet]]:
    reserved = sorted(set(names) & set(STANDARD))
    if reserved or len(set(names)) != len(names):
        raise InputError(
            f"labels are distinct columns other than {', '.join(STANDARD)}; got {', '.join(names)}"
        )
    if not separator:
        return frame, [LabelSet(one, class_names(frame[one].drop_nulls().to_list())) for one in names]
    sets = []
    for name in names:
        cells = [_parts(cell, separator) for cell in frame[name].to_list()]
        frame = frame.with_columns(pl.Series(name, cells, dtype=pl.List(pl.String)))
        sets.append(LabelSet(name, class_names([one for cell in cells for one in cell]), "multi"))
    return frame, sets


def _parts(cell: str | None, separator: str) -> list[str]:
    parts = (one.strip() for one in (cell or "").split(separator))
    return list(dict.fromkeys(one for one in parts if one))
