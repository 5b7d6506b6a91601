"""Events in a CSV or TSV table with a header, as DCASE publishes them (filename, onset, offset, event_label).

Column names are taken from the lists below, in any case. ``id`` is a clip's id, and then times count from the start
of the clip; any other name of the recording is matched by path or stem, and times count from the start of the file.
Without such a column the table belongs to the sound that is called like it. A ``duration`` may stand for the offset;
an empty offset is an instant or an unknown end. Further columns are kept. A table has no tiers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otoscope.data.delimited import header_of, read_delimited
from otoscope.data.events.raw import RawEvent, seconds
from otoscope.errors import DataLayoutError

SOUND = (
    "id",
    "path",
    "filename",
    "file_name",
    "file",
    "fname",
    "audio_filename",
    "sound",
    "recording",
    "uri",
)
ONSET = ("onset_s", "onset", "start_s", "start", "start_time", "begin", "begin time (s)", "time", "tmin")
OFFSET = ("offset_s", "offset", "end_s", "end", "end_time", "end time (s)", "stop", "tmax")
DURATION = ("duration_s", "duration", "dur")
LABEL = ("label", "event_label", "event", "class", "word", "phone", "text", "value", "annotation")


def read(file: Path, tier: str | None) -> list[RawEvent]:
    """Return the events of a table; ``tier`` must be None.

    Raises
    ------
    DataLayoutError
        If a column is missing, or a time is no number (with its line).
    """
    if tier is not None:
        raise DataLayoutError(f"{file}: a table of events has no tiers, got tier={tier!r}")
    names = _columns(header_of(file), file)
    frame = read_delimited(file, text=[one for one in names.values() if one])
    more = [one for one in frame.columns if one not in names.values()]
    return [
        _event(row, names, more, f"{file}, line {line}")
        for line, row in enumerate(frame.iter_rows(named=True), start=2)
    ]


def _columns(header: Sequence[str], file: Path) -> dict[str, str]:
    """Return role -> column; empty where there is none."""
    lower = {one.strip().lower(): one for one in header}
    roles = {"sound": SOUND, "onset": ONSET, "offset": OFFSET, "duration": DURATION, "label": LABEL}
    names = {role: next((lower[one] for one in known if one in lower), "") for role, known in roles.items()}
    missing = [role for role in ("onset", "label") if not names[role]]
    missing += [] if names["offset"] or names["duration"] else ["offset or duration"]
    if missing:
        raise DataLayoutError(
            f"{file} has no column for {', '.join(missing)}. Expected a header such as "
            f"filename,onset,offset,event_label; found {', '.join(repr(one) for one in header)}"
        )
    return names


def _event(row: Mapping[str, Any], names: Mapping[str, str], more: list[str], where: str) -> RawEvent:
    onset = seconds(row[names["onset"]] or "", where, names["onset"])
    return RawEvent(
        (row[names["sound"]] or "") if names["sound"] else "",
        onset,
        _offset(row, names, onset, where),
        row[names["label"]] or "",
        where,
        {one: row[one] for one in more},
        by_id=names["sound"].strip().lower() == "id",
    )


def _offset(row: Mapping[str, Any], names: Mapping[str, str], onset: float, where: str) -> float | None:
    role = "offset" if names["offset"] else "duration"
    text = row[names[role]]
    if text is None or not text.strip():
        return None
    value = seconds(text, where, names[role])
    return value if role == "offset" else onset + value
