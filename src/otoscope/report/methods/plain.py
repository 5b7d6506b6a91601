"""A method nobody knows: its words where a usual column has them, and every other column by name and value."""

from __future__ import annotations

from typing import Any

from otoscope.report.methods.method import Method, Row, listed, spoken
from otoscope.report.reading import COMMON_COLUMNS
from otoscope.report.said import Facts, Said

_WORDS = ("concept", "description", "text", "words")


def plain(name: str) -> Method:
    """Return the plain view of a method, under its own name."""
    return Method(spoken(name).capitalize(), said)


def said(row: Row) -> Said:
    """Return the row's words, and its own columns as text."""
    column = next((one for one in _WORDS if row.get(one)), None)
    own = {name: _text(row, name) for name in row if name not in COMMON_COLUMNS and name != column}
    pairs = tuple((name.replace("_", " "), text) for name, text in own.items() if text)
    blocks = (Facts("Also in the table", pairs),) if pairs else ()
    return Said(spoken(str(row[column])) if column else "", blocks)


def _text(row: Row, name: str) -> str:
    value: Any = row[name]
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in listed(row, name))
    return f"{value:.3g}" if isinstance(value, float) else "" if value is None else str(value)
