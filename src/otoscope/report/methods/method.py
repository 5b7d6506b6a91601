"""What the report has to know of a describing method: a title, and how a row of its table becomes words and blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from otoscope.report.said import Said

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Method:
    """A describing method as the report shows it.

    Attributes
    ----------
    title : str
        Its name for a reader.
    said : callable
        A row of its table to what it says.
    """

    title: str
    said: Callable[[Row], Said]


def spoken(text: str) -> str:
    """Return a concept as a person says it: class names are often written with underscores.

    Examples
    --------
    >>> spoken("crying_baby")
    'crying baby'
    """
    return text.replace("_", " ").strip()


def listed(row: Row, name: str) -> Sequence[Any]:
    """Return a list column of a row, ``()`` where the table has none or the cell is empty."""
    found = row.get(name)
    return found if isinstance(found, list | tuple) else ()
