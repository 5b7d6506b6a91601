"""Which recordings, in which order, with which labels: one table, and the sound behind it, read on demand.

``Clips.table`` has one row a clip. Its columns, in this order:

========== =========== =====================================================================================
row        Int64       0 .. n-1, the index of the clip in every array
id         String      POSIX path relative to the data root, plus ``#start-end`` in ms for a segment; unique
path       String      what the source reads: relative to its root, or absolute
start_s    Float64     start of the segment in the file; null: its beginning
end_s      Float64     end of the segment in the file; null: its end
group      String      the exchangeable unit (source, speaker, artist); the path where undeclared
fold       Int64       fold of the published protocol; null where there is none
split      String      part of the published protocol (train, valid, test); null where there is none
labels     String      one column per label set, named after it; a List of String where several labels apply
extras     any         title, author, license, source, params, or the columns of the user's table
========== =========== =====================================================================================

An extra that is called like a column that a run adds (``duration_s``, ``sample_rate``, ``status``,
``reason``) is kept as ``NAME_given``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data.select import Folds, Names, chosen_rows
from otoscope.data.source import Source
from otoscope.errors import Failure, InputError, UnknownNameError
from otoscope.store.hashing import sha256_json_table

STANDARD = ("row", "id", "path", "start_s", "end_s", "group", "fold", "split")
"""The columns that every table starts with."""


@dataclass(frozen=True)
class LabelSet:
    """One way of labelling the clips.

    Attributes
    ----------
    name : str
        Name of the column.
    classes : tuple of str
        The class names, in the order of class indices.
    kind : {"single", "multi"}
        One class a clip (String column), or any number (List column).
    """

    name: str
    classes: tuple[str, ...]
    kind: Literal["single", "multi"] = "single"

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes):
            raise InputError(f"label set {self.name!r} has a class twice: {', '.join(self.classes)}")


@dataclass(frozen=True)
class Clips:
    """Recordings as a table that streams sound.

    Attributes
    ----------
    name : str
        The scheme they were opened with.
    spec : str
        The whole DATA argument.
    table : polars.DataFrame
        One row a clip; columns as in the module's docstring.
    label_sets : tuple of LabelSet
        The first one is primary. Empty where nothing is labelled.
    source : Source
        Reads the sound of a row.
    events : polars.DataFrame or None
        Labelled onsets: row, onset_s, offset_s (from the start of the clip; null: an instant, or not known),
        label; further columns are the annotation's own.
    group_declared : bool
        Whether ``group`` says what belongs together. Where False, permutations and splits move recordings,
        and results warn.
    event_failures : tuple of Failure
        Events that could not be used and were left out, each with its file and line as the id.
    """

    name: str
    spec: str
    table: pl.DataFrame
    label_sets: tuple[LabelSet, ...]
    source: Source
    events: pl.DataFrame | None = None
    group_declared: bool = False
    event_failures: tuple[Failure, ...] = ()

    def __len__(self) -> int:
        return self.table.height

    def label_set(self, name: str | None = None) -> LabelSet:
        """Return the label set called ``name`` (None: the primary one).

        Raises
        ------
        InputError
            If the clips carry no label at all.
        UnknownNameError
            If no label set has that name.
        """
        if not self.label_sets:
            raise InputError(
                f"{self.spec} carries no labels: its table has the columns {', '.join(self.table.columns)}"
            )
        return named_or_first(self.label_sets, name)

    def targets(self, name: str | None = None) -> NDArray[np.int64] | NDArray[np.bool_]:
        """Return what a classifier learns.

        Parameters
        ----------
        name : str, optional
            A label set; None is the primary one.

        Returns
        -------
        array
            Single: class indices, int64 (clip,), -1 where unlabelled. Multi: membership, bool (clip, class).
        """
        labels = self.label_set(name)
        index = {one: i for i, one in enumerate(labels.classes)}
        column = self.table[labels.name].to_list()
        if labels.kind == "single":
            return np.array([-1 if one is None else index[one] for one in column], dtype=np.int64)
        member = np.zeros((len(self), len(labels.classes)), dtype=np.bool_)
        for row, names in enumerate(column):
            member[row, [index[one] for one in names or ()]] = True
        return member

    def select(
        self, folds: Folds = None, split: Names = None, limit: int | None = None, seed: int | None = None
    ) -> Clips:
        """Return a part of the clips, rows renumbered, in the same order; label sets stay whole.

        Parameters
        ----------
        folds : str or sequence of int, optional
            ``"1-4"``, ``"1,3-5"`` or the numbers.
        split : str or sequence of str, optional
            Part of the published protocol; several joined by commas.
        limit : int, optional
            At most this many clips: spread evenly over the table, or drawn with ``seed``.
        seed : int, optional
            Draws the limited clips at random instead.

        Raises
        ------
        InputError
            If a fold or split does not exist (the message lists those that do), or the limit is below 1.
        EmptyDataError
            If nothing is left.
        """
        rows = chosen_rows(self.table, folds=folds, split=split, limit=limit, seed=seed, spec=self.spec)
        return self if rows is None else self.take(rows)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Clips:
        """Return the clips of ``rows`` in that order, renumbered from 0.

        Raises
        ------
        InputError
            If a row is outside 0 .. n-1 or given twice.
        """
        chosen = np.asarray(rows, dtype=np.int64).reshape(-1)
        outside = chosen[(chosen < 0) | (chosen >= len(self))]
        if outside.size:
            raise InputError(f"rows must lie in 0..{len(self) - 1}, got {outside[0]}")
        if np.unique(chosen).size != chosen.size:
            raise InputError("a row is asked for twice: every clip appears once in a table")
        table = self.table[chosen].with_columns(pl.Series("row", np.arange(chosen.size), dtype=pl.Int64))
        return replace(self, table=table, events=_renumbered(self.events, chosen))

    def with_events(
        self,
        path: str | Path,
        format: str | None = None,
        tier: str | None = None,
        *,
        silence: Sequence[str] = ("",),
        faulty: str = "refuse",
    ) -> Clips:
        """Return the clips with the events of an annotation file or folder.

        Parameters and errors are those of :func:`otoscope.data.events.attach.with_events`.
        """
        from otoscope.data.events.attach import with_events

        return with_events(self, path, format=format, tier=tier, silence=silence, faulty=faulty)

    def derive(self, text: str) -> Clips:
        """Return the clips with label sets made of those they have: ``digit+speaker``, ``octave=note:FILE``.

        Parameters and errors are those of :func:`otoscope.data.derive.derive`.
        """
        from otoscope.data.derive import derive

        return derive(self, text)

    def record(self, row: int) -> dict[str, Any]:
        """Return one row of the table as a dict, the form that ``source.read`` takes."""
        return self.table.row(row, named=True)

    def content_hash(self) -> str:
        """Return the sha256 over (id, size, segment, labels) of every clip, in order.

        The size is the file's number of bytes (-1 where it cannot be read), so a changed file changes the
        hash without being read.
        """
        labels = [one.name for one in self.label_sets]
        made_from = [one for one in self.source.columns if one not in STANDARD and one not in labels]
        hashed = [*labels, *made_from]
        columns = [*dict.fromkeys(["id", "start_s", "end_s", *hashed, *self.source.columns])]
        content = (
            [
                record["id"],
                self.source.size(record),
                record["start_s"],
                record["end_s"],
                *(record[one] for one in hashed),
            ]
            for record in self.table.select(columns).iter_rows(named=True)
        )
        return sha256_json_table(labels, content)


def named_or_first(label_sets: Sequence[LabelSet], name: str | None) -> LabelSet:
    """Return the label set called ``name``, the first (primary) one for None; there is at least one.

    Raises
    ------
    UnknownNameError
        If none has that name.
    """
    if name is None:
        return label_sets[0]
    for one in label_sets:
        if one.name == name:
            return one
    raise UnknownNameError.of("label set", name, [one.name for one in label_sets])


def _renumbered(events: pl.DataFrame | None, rows: NDArray[np.int64]) -> pl.DataFrame | None:
    if events is None:
        return None
    place = pl.DataFrame(
        {"row": rows, "place": np.arange(rows.size)}, schema={"row": pl.Int64, "place": pl.Int64}
    )
    kept = events.join(place, on="row", how="inner", maintain_order="left")
    return kept.with_columns(row=pl.col("place")).drop("place").sort("row", maintain_order=True)
