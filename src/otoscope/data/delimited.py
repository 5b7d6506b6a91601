"""Read a user's CSV or TSV table, with messages that name the file and the line's trouble."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from otoscope.errors import DataLayoutError


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
    if not file.is_file():
        raise DataLayoutError(f"there is no table {file}")
    separator = "\t" if file.suffix.lower() in {".tsv", ".tab"} else ","
    try:
        header = pl.read_csv(file, separator=separator, n_rows=0, infer_schema=False).columns
        kept = {one: pl.String for one in text if one in header}
        return pl.read_csv(file, separator=separator, schema_overrides=kept, infer_schema_length=None)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise DataLayoutError(f"{file} cannot be read as a UTF-8 table with a header: {reason}") from error
