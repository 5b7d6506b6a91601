"""Sounds in the cells of Parquet files: ``parquet:PATH/*.parquet``, ``parquet:s3://bucket/part-{000..099}.parquet``.

==================  =======================================================================================
``audio=COLUMN``    where the sound is: bytes, or a struct of ``bytes`` and ``path``; by default the first of
                    ``audio``, ``bytes``, ``sound``
``labels=A,B``      label columns, the primary one first; by default ``label``. Lists are several labels a clip
``group=COLUMN``    what belongs together; by default a column ``group``, else groups are undeclared
``ids=COLUMN``      names the clips; by default the file and the number of the row
==================  =======================================================================================

Columns of texts, numbers and lists of texts are kept; sounds stay where they are, and are read a row group at a time:
files with small row groups (some tens of sounds) are read best in any order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from otoscope.data.clips import STANDARD, Clips
from otoscope.data.hub_labels import labelled
from otoscope.data.parquet_source import ParquetSource, opened
from otoscope.data.shards import found
from otoscope.data.table import assemble
from otoscope.errors import DataLayoutError, UnknownNameError
from otoscope.progress import track

_SOUNDS = ("audio", "bytes", "sound")
_TAKEN = {*STANDARD, "shard", "row_group", "row_in_group", "sound_bytes"} - {"group", "fold", "split"}
_EXPECTED = "Parquet files with a column of sounds as bytes"


def load(rest: str, *, audio: str = "", labels: str = "", group: str = "", ids: str = "") -> Clips:
    """Return sounds in the cells of Parquet files, never unpacked: parquet:PATH/*.parquet, parquet:s3://...

    Parameters
    ----------
    rest : str
        The files.
    audio, labels, group, ids : str
        See the table of the module.

    Raises
    ------
    DataLayoutError
        If a file is not there or no Parquet, or the files differ in their columns.
    EmptyDataError
        If they hold no row.
    UnknownNameError
        If a column that is asked for does not exist.
    """
    root, names = found(rest, (".parquet",))
    sound = _sound_column(root / names[0], audio, rest)
    parts = [_rows(root / name, sound) for name in track(names, len(names), "reading tables")]
    try:
        frame = pl.concat(parts, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataLayoutError(f"the files of parquet:{rest} differ in their columns: {error}") from error
    for name, column in (("group", group), ("id", ids)):
        if column:
            if column not in frame.columns:
                raise UnknownNameError.of(f"column of parquet:{rest}", column, frame.columns)
            frame = frame.with_columns(pl.col(column).cast(pl.String).alias(name))
    asked = [one.strip() for one in labels.split(",") if one.strip()]
    frame, sets = labelled(frame, {}, asked, f"parquet:{rest}")
    return assemble(
        frame,
        sets,
        ParquetSource(root, sound),
        name="parquet",
        spec=f"parquet:{rest}",
        expected=_EXPECTED,
        group_declared="group" in frame.columns,
    )


def _sound_column(file: Path, asked: str, rest: str) -> str:
    with opened(file) as parquet:
        columns = list(parquet.schema_arrow.names)
    for one in (asked,) if asked else _SOUNDS:
        if one in columns:
            return one
    if asked:
        raise UnknownNameError.of(f"column of parquet:{rest}", asked, columns)
    raise DataLayoutError(
        f"{file} has none of the columns {', '.join(_SOUNDS)}: name the one with the sounds by ?audio=COLUMN. "
        f"Found: {', '.join(columns)}"
    )


def _rows(file: Path, sound: str) -> pl.DataFrame:
    """Return the flat columns of a file and where each of its sounds lies."""
    with opened(file) as parquet:
        schema = parquet.schema_arrow
        kept = [one.name for one in schema if one.name != sound and _is_flat(str(one.type))]
        groups = [parquet.metadata.row_group(i) for i in range(parquet.num_row_groups)]
        flat: Any = pl.from_arrow(parquet.read(columns=kept)) if kept else pl.DataFrame()
    sizes = [one.num_rows for one in groups]
    frame = flat.rename({one: f"{one}_given" for one in flat.columns if one in _TAKEN})
    places = {
        "shard": [file.name] * sum(sizes),
        "row_group": [i for i, n in enumerate(sizes) for _ in range(n)],
        "row_in_group": [row for n in sizes for row in range(n)],
        "sound_bytes": [one.total_byte_size // max(n, 1) for one, n in zip(groups, sizes) for _ in range(n)],
        "path": [f"{file.name}#{row}" for row in range(sum(sizes))],
    }
    made: pl.DataFrame = pl.concat([pl.DataFrame(places), frame], how="horizontal")
    return made


def _is_flat(kind: str) -> bool:
    plain = (
        "string",
        "large_string",
        "int",
        "uint",
        "float",
        "double",
        "bool",
        "list<element: string",
        "list<item: string",
    )
    return kind.startswith(plain)
