"""Captions that are the labels: the ceiling for every other source of words, and marked as circular."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from otoscope.caption.captioner import Rows, chosen, spoken, table
from otoscope.data.clips import Clips
from otoscope.store.hashing import hash8


@dataclass(frozen=True)
class LabelCaptioner:
    """The names of a clip's classes, underscores as spaces, several joined by commas.

    Attributes
    ----------
    label_set : str or None
        Which label set; None is the primary one.
    circular : bool
        True.
    hears : bool
        False: the table says it.
    """

    label_set: str | None = None
    circular: bool = True
    hears: bool = False

    @property
    def id(self) -> str:
        """``labels-`` and a hash of the label set's name."""
        return f"labels-{hash8(['labels', 1, self.label_set])}"

    def check(self, clips: Clips) -> None:
        """Raise as :meth:`captions` does where the clips carry no such labels."""
        clips.label_set(self.label_set)

    def captions(self, clips: Clips, *, rows: Rows | None = None, workers: int | None = 0) -> pl.DataFrame:
        """Return the table of captions; a clip without a label is ``failed``.

        Raises
        ------
        InputError
            If the clips carry no labels.
        UnknownNameError
            If they have no such label set.
        """
        wanted = chosen(clips, rows)
        name = clips.label_set(self.label_set).name
        values = clips.table[name].to_list()
        texts = {row: _joined(values[row]) for row in wanted}
        return table(clips, wanted, texts, dict.fromkeys(wanted, f"no label in {name!r}"))

    def notes(self, clips: Clips) -> Mapping[str, Any]:
        """Return which column was used."""
        return {"column": clips.label_set(self.label_set).name}


def _joined(value: str | list[str] | None) -> str:
    names = value if isinstance(value, list) else [value]
    return ", ".join(spoken(one) for one in names if one is not None)


def load(rest: str = "") -> LabelCaptioner:
    """Return the captioner ``labels`` or ``labels:SET``."""
    return LabelCaptioner(rest or None)
