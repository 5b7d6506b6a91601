"""Parquet tables: one reader, one writer.

Written with zstd and statistics, no clock inside, so equal tables are equal bytes. Rows lie in groups, so that writing
takes no more memory for a long table than for a short one.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from otoscope.errors import FormatError, StageError
from otoscope.store.atomic import replacing
from otoscope.store.place import is_remote

#: Rows of a group.
ROW_GROUP = 8192


def write(path: Path, table: pl.DataFrame) -> None:
    """Write ``table`` to ``path`` atomically."""
    with replacing(path) as part:
        table.write_parquet(part, compression="zstd", statistics=True, row_group_size=ROW_GROUP)


def read(path: Path) -> pl.DataFrame:
    """Return the table at ``path``.

    Raises
    ------
    StageError
        If there is no such file.
    FormatError
        If the file is not Parquet.
    """
    if not path.is_file():
        raise StageError(f"there is no table {path}: the stage that writes it has not run")
    try:
        return pl.read_parquet(path.read_bytes() if is_remote(path) else path)
    except pl.exceptions.PolarsError as error:
        raise FormatError(f"{path} cannot be read as Parquet: {error}") from error
