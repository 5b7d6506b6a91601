"""Captions from a column of the clips' table: titles that people gave to recordings, descriptions, tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from otoscope.caption.captioner import Rows, chosen, spoken, table
from otoscope.data.clips import Clips
from otoscope.errors import InputError, UnknownNameError
from otoscope.store.hashing import hash8

TITLES = "title"
"""The column that ``titles`` reads."""


@dataclass(frozen=True)
class MetadataCaptioner:
    """The text of a column, underscores as spaces; lists are joined by commas.

    Attributes
    ----------
    column : str
        The column.
    scheme : str
        The name it was asked for by.
    hears : bool
        False: the table says it.
    """

    column: str
    scheme: str = "metadata"
    hears: bool = False

    @property
    def id(self) -> str:
        """Scheme and a hash of the column's name."""
        return f"{self.scheme}-{hash8(['metadata', 1, self.column])}"

    @property
    def circular(self) -> bool:
        """False: people wrote the text; the notes of the stage say how often it names the label."""
        return False

    def check(self, clips: Clips) -> None:
        """Raise where the column cannot be used.

        Raises
        ------
        UnknownNameError
            If the clips have no such column; text columns are listed.
        InputError
            If it is a label set: those captions come from ``labels``, which says that they are circular.
        """
        if self.column not in clips.table.columns:
            known = [
                name for name, kind in clips.table.schema.items() if kind in (pl.String, pl.List(pl.String))
            ]
            raise UnknownNameError.of(
                "column", self.column, known, f"These are the text columns of {clips.spec}."
            )
        if self.column in [one.name for one in clips.label_sets]:
            raise InputError(
                f"{self.column!r} is a label set: ask for labels:{self.column}, which is marked circular"
            )

    def captions(self, clips: Clips, *, rows: Rows | None = None, workers: int | None = 0) -> pl.DataFrame:
        """Return the table of captions; a clip with an empty cell is ``failed``; errors as :meth:`check`."""
        self.check(clips)
        wanted = chosen(clips, rows)
        values = clips.table[self.column].to_list()
        texts = {row: _joined(values[row]) for row in wanted}
        return table(clips, wanted, texts, dict.fromkeys(wanted, f"nothing in column {self.column!r}"))

    def notes(self, clips: Clips) -> Mapping[str, Any]:
        """Return which column was used."""
        return {"column": self.column}


def _joined(value: object) -> str:
    values = value if isinstance(value, list) else [value]
    return ", ".join(spoken(str(one)) for one in values if one is not None)


def load(rest: str = "") -> MetadataCaptioner:
    """Return the captioner ``metadata:COLUMN``.

    Raises
    ------
    InputError
        If no column is named.
    """
    if not rest:
        raise InputError("metadata: needs a column: metadata:title")
    return MetadataCaptioner(rest)


def load_titles(rest: str = "") -> MetadataCaptioner:
    """Return the captioner ``titles``: the column ``title``.

    Raises
    ------
    InputError
        If a column is named.
    """
    if rest:
        raise InputError(
            f"titles takes nothing after its name, got {rest!r}: another column is metadata:{rest}"
        )
    return MetadataCaptioner(TITLES, "titles")
