"""Events of a CTM file: time-marked words, ``RECORDING CHANNEL START DURATION WORD [CONFIDENCE ...]``.

Fields are parted by blanks; lines that begin with ``;;`` are comments. The tier is the channel; without one every
channel is read. A confidence is kept as the column ``confidence``.

Reference: NIST, SCTK, CTM file format.
"""

from __future__ import annotations

from pathlib import Path

from otoscope.data.events.raw import NOTHING, RawEvent, seconds, text_of
from otoscope.errors import DataLayoutError


def read(file: Path, tier: str | None) -> list[RawEvent]:
    """Return the words of channel ``tier``; None: of every channel.

    Raises
    ------
    DataLayoutError
        If a line has another form, or no word is on that channel.
    """
    words = [
        (line, text.split())
        for line, text in enumerate(text_of(file).splitlines(), start=1)
        if text.strip() and not text.lstrip().startswith(";;")
    ]
    channels = sorted({fields[1] for _, fields in words if len(fields) > 1})
    if tier is not None and tier not in channels:
        raise DataLayoutError(f"{file} has no channel {tier!r}. It has: {', '.join(channels)}")
    return [
        _word(fields, f"{file}, line {line}")
        for line, fields in words
        if tier is None or (len(fields) > 1 and fields[1] == tier)
    ]


def _word(fields: list[str], where: str) -> RawEvent:
    if len(fields) < 5:
        raise DataLayoutError(
            f"{where}: expected RECORDING CHANNEL START DURATION WORD, got {' '.join(fields)!r}"
        )
    onset = seconds(fields[2], where, "the start")
    more = {"confidence": seconds(fields[5], where, "the confidence")} if len(fields) > 5 else NOTHING
    return RawEvent(
        fields[0], onset, onset + seconds(fields[3], where, "the duration"), fields[4], where, more
    )
