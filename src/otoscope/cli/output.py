"""How results are printed: aligned text for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl


def plain(value: Any) -> Any:
    """Return ``value`` as something JSON knows; NaN and infinities become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, pl.DataFrame):
        return plain(value.to_dicts())
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(one) for one in value]
    return str(value)


def print_json(value: Any) -> None:
    """Print ``value`` as JSON on stdout."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout; control characters become visible, so that no text can steer a terminal."""
    for line in lines:
        sys.stdout.write("".join(one if one.isprintable() else "\ufffd" for one in line) + "\n")


def counted(n: int, noun: str) -> str:
    """Return a number and what it counts.

    Examples
    --------
    >>> counted(1, "clip"), counted(3, "layer")
    ('1 clip', '3 layers')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def failures(clips: pl.DataFrame, most: int = 3) -> list[str]:
    """Return lines that name the first clips of a run that failed, with their reasons; none where none failed."""
    failed = clips.filter(pl.col("status") == "failed")
    lines = [f"  {name}: {reason}" for name, reason in failed.select("id", "reason").head(most).iter_rows()]
    return (
        [*lines, f"  all {failed.height} and why: clips.parquet in the run"]
        if failed.height > most
        else lines
    )


def short(value: Any, most: int = 60) -> Any:
    """Return a value for a cell: lists as words with commas, long text cut with an ellipsis.

    Examples
    --------
    >>> short(["loud", "bright"]), short("a" * 100, 5)
    ('loud, bright', 'aaaa…')
    """
    if isinstance(value, list):
        value = ", ".join(str(one) for one in value)
    if isinstance(value, str):
        value = " ".join(value.split())
        return value if len(value) <= most else value[: most - 1] + "…"
    return value


def framed(table: pl.DataFrame, most: int | None = None) -> list[str]:
    """Return a table as aligned lines, its columns as header; cells of more than ``most`` characters are cut."""
    rows = (row if most is None else [short(value, most) for value in row] for row in table.iter_rows())
    return aligned([list(row) for row in rows], table.columns)


def aligned(rows: Sequence[Sequence[Any]], header: Sequence[str]) -> list[str]:
    """Return rows as lines with aligned columns: numbers to the right, text to the left.

    Examples
    --------
    >>> aligned([["dog", 3], ["rain", 12]], ["class", "clips"])
    ['class  clips', 'dog        3', 'rain      12']
    """
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(header[i]), *(len(row[i]) for row in cells), 0) for i in range(len(header))]
    right = [
        bool(rows) and all(isinstance(row[i], int | float) or row[i] is None for row in rows)
        for i in range(len(header))
    ]

    def line(values: Sequence[str]) -> str:
        parts = (v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, widths, right, strict=True))
        return "  ".join(parts).rstrip()

    return [line(list(header)), *(line(row) for row in cells)]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if not math.isfinite(value) else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
