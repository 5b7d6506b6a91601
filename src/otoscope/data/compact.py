"""A table's columns as plain memory: what a forked worker may read, at the cost of the bytes themselves.

A Python list of 40,000 names takes 6 MB, their letters 1 MB. The table's own library runs threads, which do not
survive a fork, so its columns cannot be handed over as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray


class Column(Protocol):
    """Values by place."""

    def __getitem__(self, index: int, /) -> Any:
        """Return the value at a place, as a list would: None for null, Python's own types."""


@dataclass(frozen=True)
class Texts:
    """Strings, one after another.

    Attributes
    ----------
    letters : bytes
        UTF-8.
    ends : array of int64 (string,)
        Where each ends.
    absent : array of bool (string,) or None
        Which are null.
    """

    letters: bytes
    ends: NDArray[np.int64]
    absent: NDArray[np.bool_] | None

    def __getitem__(self, index: int) -> str | None:
        if self.absent is not None and self.absent[index]:
            return None
        start = int(self.ends[index - 1]) if index else 0
        return self.letters[start : int(self.ends[index])].decode()


@dataclass(frozen=True)
class Numbers:
    """Numbers of one type, none of them null."""

    values: NDArray[Any]

    def __getitem__(self, index: int) -> Any:
        return self.values[index].item()


@dataclass(frozen=True)
class Nothing:
    """A column of nulls."""

    def __getitem__(self, index: int) -> None:
        return None


def compact(column: pl.Series) -> Column:
    """Return the column's values in the smallest plain form; a list where no other fits.

    Examples
    --------
    >>> names = compact(pl.Series(["rain", None, "siren"]))
    >>> names[0], names[1], names[2]
    ('rain', None, 'siren')
    """
    if column.null_count() == len(column):
        return Nothing()
    if column.dtype == pl.String:
        absent = column.is_null().to_numpy() if column.null_count() else None
        lengths = column.str.len_bytes().fill_null(0).cast(pl.Int64).to_numpy()
        return Texts((column.str.join("").item() or "").encode(), np.cumsum(lengths), absent)
    if column.dtype.is_numeric() and not column.null_count():
        return Numbers(column.to_numpy().copy())
    return column.to_list()
