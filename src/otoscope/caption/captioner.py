"""What a captioner is, and the one table that all of them return.

========== ======== ================================================================
row        Int64    row of the clip
id         String   id of the clip
text       String   the caption; null where there is none
status     String   ``ok`` or ``failed``
reason     String   why there is none; null where there is one
...        Float64  measurements, where the captioner measures: units in the names
========== ======== ================================================================

Captions are data: whatever a text holds, it is stored and encoded, never interpreted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import polars as pl

from otoscope.data.clips import Clips
from otoscope.errors import InputError

Rows = Sequence[int]


class Captioner(Protocol):
    """Puts clips into words.

    Attributes
    ----------
    id : str
        Scheme, ``-``, and a hash of everything that decides the texts.
    circular : bool
        The captions contain the label, so a score against labels made from them is a ceiling, not a finding.
    """

    @property
    def id(self) -> str:
        """Scheme and content hash; also the name of the table in a run."""
        ...

    @property
    def circular(self) -> bool:
        """Whether the captions contain the label."""
        ...

    def captions(self, clips: Clips, *, rows: Rows | None = None, workers: int | None = 0) -> pl.DataFrame:
        """Return the table of the module for ``rows`` (None: all) in that order."""
        ...

    def notes(self, clips: Clips) -> Mapping[str, Any]:
        """Return what a reader should know beside the table, JSON-able (unknown ids in a file ...)."""
        ...


def asks_again(captioner: Captioner) -> bool:
    """Return whether a later run shall caption again where clips failed: the captioner says so (a busy server)."""
    return bool(getattr(captioner, "failures_may_pass", False))


def hears(captioner: Captioner) -> bool:
    """Return whether a captioner reads sound, and not the clips' table alone; one that does not say so does."""
    return bool(getattr(captioner, "hears", True))


def check(captioner: Captioner, clips: Clips) -> None:
    """Raise what the captioner has against these clips (no such column ...), before any work is done."""
    look = getattr(captioner, "check", None)
    if look is not None:
        look(clips)


def chosen(clips: Clips, rows: Rows | None) -> list[int]:
    """Return the rows to caption.

    Raises
    ------
    InputError
        If one is outside the table.
    """
    wanted = list(range(len(clips))) if rows is None else [int(one) for one in rows]
    outside = [one for one in wanted if not 0 <= one < len(clips)]
    if outside:
        raise InputError(f"rows must lie in 0..{len(clips) - 1}, got {outside[0]}")
    return wanted


def table(clips: Clips, rows: Rows, texts: Mapping[int, str], reasons: Mapping[int, str]) -> pl.DataFrame:
    """Return the table of ``rows``: a text where ``texts`` has one, else ``failed`` with its reason.

    A text without a letter or digit counts as none.
    """
    ids = clips.table["id"].to_list()
    said = {row: text for row, text in texts.items() if any(letter.isalnum() for letter in text)}
    why = {row: None if row in said else reasons.get(row, "the caption is empty") for row in rows}
    return pl.DataFrame(
        {
            "row": list(rows),
            "id": [ids[row] for row in rows],
            "text": [said.get(row) for row in rows],
            "status": ["ok" if row in said else "failed" for row in rows],
            "reason": [why[row] for row in rows],
        },
        schema={
            "row": pl.Int64,
            "id": pl.String,
            "text": pl.String,
            "status": pl.String,
            "reason": pl.String,
        },
    )


def spoken(name: str) -> str:
    """Return a name with spaces for underscores, none doubled.

    Examples
    --------
    >>> spoken("door_wood__knock")
    'door wood knock'
    """
    return " ".join(name.replace("_", " ").split())


def share_with_label(captions: pl.DataFrame, clips: Clips) -> float | None:
    """Return the share of captions in which the name of the clip's own (primary) label occurs; None without labels.

    It says how far captions that are not marked circular still hold the answer (recording titles often do).
    """
    if not clips.label_sets:
        return None
    labels = clips.table[clips.label_set().name].to_list()
    hits = []
    for row, text in captions.filter(pl.col("status") == "ok").select("row", "text").iter_rows():
        own = labels[row]
        names = own if isinstance(own, list) else [own]
        hits.append(
            any(name is not None and spoken(name).casefold() in spoken(text).casefold() for name in names)
        )
    return sum(hits) / len(hits) if hits else None
