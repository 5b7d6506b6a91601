"""Events of a label track: ``START<tab>END<tab>LABEL`` a line, without a header.

What Audacity exports and what Scaper writes beside a mixture. The file belongs to the sound that is called like it.
The label is the last field. A label whose start is its end is an instant; lines that begin with a backslash (the
frequency range of the label above) are passed over.
"""

from __future__ import annotations

from pathlib import Path

from otoscope.data.events.raw import RawEvent, seconds, text_of
from otoscope.errors import DataLayoutError


def read(file: Path, tier: str | None) -> list[RawEvent]:
    """Return the labels of a track; ``tier`` must be None.

    Raises
    ------
    DataLayoutError
        If a line has another form.
    """
    if tier is not None:
        raise DataLayoutError(f"{file}: a label track has no tiers, got tier={tier!r}")
    return [
        _label(text.split("\t"), f"{file}, line {line}")
        for line, text in enumerate(text_of(file).splitlines(), start=1)
        if text.strip() and not text.startswith("\\")
    ]


def _label(fields: list[str], where: str) -> RawEvent:
    if len(fields) < 2:
        raise DataLayoutError(f"{where}: expected START, END and LABEL parted by tabs, got {fields[0]!r}")
    start, end = seconds(fields[0], where, "the start"), seconds(fields[1], where, "the end")
    return RawEvent("", start, None if end == start else end, fields[-1] if len(fields) > 2 else "", where)
