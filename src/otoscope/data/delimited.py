"""Read a user's CSV or TSV table, with messages that name the file and the line's trouble."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from otoscope.errors import DataLayoutError
from otoscope.store.place import is_remote


def read_delimited(file: Path, *, text: Sequence[str] = ()) -> pl.DataFrame:
    """Return the table in ``file``: tab-separated where its name ends in ``.tsv`` or ``.tab``, else by commas.

    Parameters
    ----------
    file : Path
        UTF-8, with a header.
    text : sequence of str
        Columns that stay text whatever they look like (``007`` is a name, not seven).

    Raises
    ------
    DataLayoutError
        If there is no such file, or it is not such a table.
    """
    kept = {one: pl.String for one in text if one in header_of(file)}
    try:
        return pl.read_csv(
            _content(file), separator=_separator(file), schema_overrides=kept, infer_schema_length=None
        )
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error


def header_of(file: Path) -> list[str]:
    """Return the names of the columns of the table in ``file``.

    Raises
    ------
    DataLayoutError
        If there is no such file, or it is not such a table.
    """
    if not file.is_file():
        raise DataLayoutError(f"there is no table {file}")
    try:
        content = _content(file)
        return pl.read_csv(content, separator=_separator(file), n_rows=0, infer_schema=False).columns
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error


def _content(file: Path) -> Path | bytes:
    """Return what polars reads: the file, or the bytes of one in an object store."""
    return file.read_bytes() if is_remote(file) else file


def _separator(file: Path) -> str:
    return "\t" if file.suffix.lower() in {".tsv", ".tab"} else ","


def _unreadable(file: Path, error: Exception) -> DataLayoutError:
    reason = str(error).splitlines()[0]
    return DataLayoutError(f"{file} cannot be read as a UTF-8 table with a header: {reason}")
