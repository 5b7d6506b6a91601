"""Which rows do ``--folds``, ``--split`` and ``--limit`` ask for?"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError

Folds = str | int | Sequence[int] | None
Names = str | Sequence[str] | None

_PART = re.compile(r"^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$")


def parse_folds(text: str) -> tuple[int, ...]:
    """Return the folds that ``text`` names, ascending, each once.

    Parameters
    ----------
    text : str
        Numbers and ranges joined by commas.

    Raises
    ------
    InputError
        If a part is neither a number nor a rising range.

    Examples
    --------
    >>> parse_folds("1-3,5")
    (1, 2, 3, 5)
    """
    folds: set[int] = set()
    for part in text.split(","):
        match = _PART.match(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise InputError(
                f"folds are numbers and rising ranges such as 1-4 or 1,3-5; got {part.strip()!r} in {text!r}"
            )
        folds.update(range(first, last + 1))
    return tuple(sorted(folds))


def chosen_rows(
    table: pl.DataFrame, *, folds: Folds, split: Names, limit: int | None, seed: int | None, spec: str
) -> NDArray[np.int64] | None:
    """Return the rows asked for, ascending; None where everything is.

    Raises
    ------
    InputError
        If a fold or split does not exist, the limit is below 1, or the seed below 0.
    EmptyDataError
        If no row is left.
    """
    if folds is None and split is None and limit is None:
        return None
    keep = np.ones(table.height, dtype=np.bool_)
    if folds is not None:
        keep &= _members(table["fold"], _fold_numbers(folds), "fold", spec)
    if split is not None:
        names = [one.strip() for one in split.split(",")] if isinstance(split, str) else list(split)
        keep &= _members(table["split"], names, "split", spec)
    rows = np.flatnonzero(keep).astype(np.int64)
    if rows.size == 0:
        raise EmptyDataError(
            f"no clip of {spec} is in folds {folds} and split {split} at once ({table.height} clips in all)"
        )
    return rows if limit is None else _limited(rows, limit, seed)


def _fold_numbers(folds: str | int | Sequence[int]) -> list[int]:
    if isinstance(folds, str):
        return list(parse_folds(folds))
    return [int(folds)] if isinstance(folds, int) else [int(one) for one in folds]


def _members(
    column: pl.Series, asked: Sequence[int] | Sequence[str], kind: str, spec: str
) -> NDArray[np.bool_]:
    present = column.drop_nulls().unique().sort().to_list()
    if not present:
        raise InputError(
            f"{spec} has no {kind}s: its {kind} column is empty, so {kind} {_joined(asked)} cannot be chosen"
        )
    unknown = [one for one in asked if one not in present]
    if unknown or not asked:
        raise InputError(
            f"{spec} has no {kind} {_joined(unknown) or '(none given)'}; it has {_joined(present)}"
        )
    return column.is_in(list(asked)).fill_null(False).to_numpy()


def _limited(rows: NDArray[np.int64], limit: int, seed: int | None) -> NDArray[np.int64]:
    if limit < 1:
        raise InputError(f"a limit is at least 1, got {limit}")
    if seed is not None and seed < 0:
        raise InputError(f"a seed is a whole number of 0 or more, got {seed}")
    if limit >= rows.size:
        return rows
    if seed is not None:
        return np.sort(np.random.default_rng(seed).choice(rows, size=limit, replace=False))
    return rows[np.arange(limit) * rows.size // limit]


def _joined(names: Sequence[object]) -> str:
    return ", ".join(str(one) for one in names)
