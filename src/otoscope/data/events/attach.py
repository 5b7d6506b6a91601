"""Lay events on clips: which clip is each event's, and can it be used?

A recording is looked up by, in this order, the clip's id, its path, its path without suffix, its file name, its stem;
the first that fits counts. By id, times count from the start of the clip. By anything else they count from the start
of the file: where the file is cut into segments an event goes to every segment that it overlaps, cut at its borders.

An event is *faulty* if no clip has its name, if several files have it, if it lasts 0 s or less, if it starts before
0 or at or after the clip's end, or ends more than ``TOLERANCE_S`` after it. ``faulty="refuse"`` raises and names the
first ones; ``"skip"`` leaves them out and keeps each as a :class:`~otoscope.errors.Failure` in
``Clips.event_failures``. A clip whose length cannot be told without decoding it, or whose file is missing, is not
compared with its events.

An event whose label is one of ``silence`` is no event: by default those without a label. These are not faulty.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl

from otoscope.audio.read import SEGMENT_TOLERANCE_S as TOLERANCE_S
from otoscope.data.clips import Clips
from otoscope.data.events.raw import RawEvent, read_all
from otoscope.errors import DataLayoutError, Failure, InputError, OtoscopeError

FAULTY = ("refuse", "skip")
SCHEMA = {"row": pl.Int64(), "onset_s": pl.Float64(), "offset_s": pl.Float64(), "label": pl.String()}
"""The columns that every table of events starts with."""

_SHOWN = 3
_log = logging.getLogger(__name__)


def with_events(
    clips: Clips,
    path: str | Path,
    *,
    format: str | None = None,
    tier: str | None = None,
    silence: Sequence[str] = ("",),
    faulty: str = "refuse",
) -> Clips:
    """Return ``clips`` with the events of ``path`` in place of those they had.

    Parameters
    ----------
    clips : Clips
    path : str or Path
        An annotation file, or a folder of them (one a recording, or several).
    format : str, optional
        A name of :data:`otoscope.data.events.FORMATS`; None: by suffix.
    tier : str, optional
        Tier, channel, type or namespace, where the format has several.
    silence : sequence of str
        Labels that are no event.
    faulty : {"refuse", "skip"}
        See the module.

    Raises
    ------
    DataLayoutError
        If a file is not in its format, or an event is faulty and ``faulty`` refuses.
    EmptyDataError
        If there is no annotation at all.

    Notes
    -----
    The header of every sound file with an event is read: about 0.1 ms a file.
    """
    if faulty not in FAULTY:
        raise InputError(f"faulty is {' or '.join(FAULTY)}, got {faulty!r}")
    source = Path(path)
    heard = [one for one in read_all(source, format, tier) if one.label.strip() not in silence]
    laid = _Laid(clips, heard)
    if laid.failures and faulty == "refuse":
        raise DataLayoutError(_refusal(source, laid.failures, len(heard)))
    for name, n in (("faulty", len(laid.failures)), ("in no segment", laid.n_between)):
        if n:
            _log.warning("%s: %d of %d events are left out (%s)", source, n, len(heard), name)
    return replace(clips, events=laid.table(), event_failures=tuple(laid.failures))


def _refusal(source: Path, failures: Sequence[Failure], n: int) -> str:
    shown = "; ".join(f"{one.id}: {one.reason}" for one in failures[:_SHOWN])
    rest = f"; and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
    return (
        f"{source}: {len(failures)} of {n} events cannot be used. {shown}{rest}. Mend them, or leave them out and have "
        "them counted with faulty=skip"
    )


class _Faulty(Exception):
    """Why an event cannot be used."""


class _Laid:
    """Events with their rows, and those that could not be used."""

    def __init__(self, clips: Clips, events: Iterable[RawEvent]) -> None:
        self.failures: list[Failure] = []
        self.n_between = 0
        self._rows: list[dict[str, object]] = []
        self._clips, self._places, self._ends = clips, _Places(clips), dict[int, float]()
        self._paths, self._bounds = (
            clips.table["path"].to_list(),
            clips.table.select("start_s", "end_s").rows(),
        )
        for event in events:
            try:
                laid = list(self._parts(event))
            except _Faulty as fault:
                row = next(iter(self._places.find(event)[0]), -1)
                self.failures.append(Failure(row, event.where, "events", str(fault)))
                continue
            self.n_between += not laid
            self._rows.extend(laid)

    def table(self) -> pl.DataFrame:
        """Return the events by row and onset; further columns after the standard ones."""
        more = sorted({key for one in self._rows for key in one} - SCHEMA.keys())
        frame = pl.DataFrame(self._rows, schema_overrides=SCHEMA, infer_schema_length=None)
        frame = frame if self._rows else pl.DataFrame(schema=SCHEMA)
        return frame.select(*SCHEMA, *more).sort("row", "onset_s", maintain_order=True)

    def _parts(self, event: RawEvent) -> Iterator[dict[str, object]]:
        """Yield the event for every clip that it falls into."""
        rows, by_id = self._places.find(event)
        if not rows:
            raise _Faulty(f"no clip is called {event.sound!r}")
        if len({self._paths[row] for row in rows}) > 1:
            raise _Faulty(f"{event.sound!r} is the name of {len(rows)} clips: give the path")
        if event.offset_s is not None and event.offset_s <= event.onset_s:
            raise _Faulty(f"it ends at {event.offset_s:g} s, not after its start at {event.onset_s:g} s")
        if event.onset_s < 0:
            raise _Faulty(f"it starts at {event.onset_s:g} s, before the sound")
        for row in rows:
            part = self._within(event, row, by_id=by_id)
            if part is not None:
                yield {
                    "row": row,
                    "onset_s": part[0],
                    "offset_s": part[1],
                    "label": event.label.strip(),
                    **event.more,
                }

    def _within(self, event: RawEvent, row: int, *, by_id: bool) -> tuple[float, float | None] | None:
        """Return onset and offset from the start of the clip; None where the event is outside of a segment."""
        start, end = self._bounds[row]
        length = self._length(row)
        if by_id or (start is None and end is None):
            return _inside(event.onset_s, event.offset_s, length)
        onset, offset = event.onset_s - (start or 0.0), event.offset_s
        offset = None if offset is None else offset - (start or 0.0)
        if onset >= length or (offset is not None and offset <= 0) or (offset is None and onset < 0):
            return None
        return max(onset, 0.0), None if offset is None else min(offset, length)

    def _length(self, row: int) -> float:
        if row not in self._ends:
            self._ends[row] = _length_s(self._clips, row)
        return self._ends[row]


def _inside(onset: float, offset: float | None, length: float) -> tuple[float, float | None]:
    if onset >= length:
        raise _Faulty(f"it starts at {onset:g} s, but the clip lasts {length:g} s")
    if offset is not None and offset > length + TOLERANCE_S:
        raise _Faulty(f"it ends at {offset:g} s, but the clip lasts {length:g} s")
    return onset, None if offset is None else min(offset, length)


def _length_s(clips: Clips, row: int) -> float:
    """Return a clip's length in seconds; infinity where it cannot be told without decoding."""
    tell = getattr(clips.source, "duration_s", None)
    try:
        return np.inf if tell is None else float(tell(clips.record(row)))
    except OtoscopeError:  # such a clip fails when it is decoded, and is counted there
        return np.inf


@dataclass(frozen=True)
class _Names:
    """Rows by one way of calling a clip."""

    rows: dict[str, list[int]]

    @classmethod
    def of(cls, names: Iterable[str]) -> _Names:
        """Return the rows of each name."""
        found: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            found.setdefault(name, []).append(row)
        return cls(found)


class _Places:
    """Finds the rows of a recording by its name."""

    def __init__(self, clips: Clips) -> None:
        paths = [PurePosixPath(one) for one in clips.table["path"]]
        self._ids = _Names.of(clips.table["id"])
        self._others = [
            _Names.of(one.as_posix() for one in paths),
            _Names.of(one.with_suffix("").as_posix() for one in paths),
            _Names.of(one.name for one in paths),
            _Names.of(one.stem for one in paths),
        ]

    def find(self, event: RawEvent) -> tuple[list[int], bool]:
        """Return the rows that an event's sound can mean, and whether it was named by id."""
        name = PurePosixPath(event.sound.replace("\\", "/")).as_posix()
        rows = self._ids.rows.get(event.sound) or self._ids.rows.get(name)
        if event.by_id or (rows and len(rows) == 1 and name not in self._others[0].rows):
            return rows or [], True
        bare = PurePosixPath(name)
        keys = (name, name, bare.name, bare.stem if bare.suffix else bare.name)
        for names, key in zip(self._others, keys, strict=True):
            if key in names.rows:
                return names.rows[key], False
        suffixless = bare.with_suffix("").as_posix() if bare.suffix else name
        return self._others[1].rows.get(suffixless, []), False
