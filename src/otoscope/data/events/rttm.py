"""Events of an RTTM file: rich transcription.

A line is ``TYPE RECORDING CHANNEL START DURATION ORTHOGRAPHY SUBTYPE SPEAKER ...``.
The tier is the type (``SPEAKER``, ``LEXEME`` ...); without one the file must hold one type of timed objects. A
``SPEAKER`` is labelled by the speaker's name, every other type by its orthography, or by its subtype where that is
``<NA>``. ``SPKR-INFO`` and lines without times are no events; lines that begin with ``;;`` are comments.

Reference: NIST, The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan, appendix A.
"""

from __future__ import annotations

from pathlib import Path

from otoscope.data.events.raw import RawEvent, chosen_tier, seconds, text_of
from otoscope.errors import DataLayoutError

_ABSENT = "<NA>"


def read(file: Path, tier: str | None) -> list[RawEvent]:
    """Return the objects of type ``tier``; None: of the only type.

    Raises
    ------
    DataLayoutError
        If a line has another form, or the type cannot be told.
    """
    objects = [
        (line, fields)
        for line, text in enumerate(text_of(file).splitlines(), start=1)
        if (fields := text.split()) and not fields[0].startswith(";;") and fields[0] != "SPKR-INFO"
    ]
    short = [line for line, fields in objects if len(fields) < 8]
    if short:
        raise DataLayoutError(
            f"{file}, line {short[0]}: expected TYPE RECORDING CHANNEL START DURATION ORTHOGRAPHY SUBTYPE SPEAKER"
        )
    timed = [(line, fields) for line, fields in objects if fields[3] != _ABSENT]
    kinds = list(dict.fromkeys(fields[0] for _, fields in timed))
    if not kinds:
        return []
    kind = kinds[chosen_tier(tier, kinds, file, "type")]
    return [_object(fields, f"{file}, line {line}") for line, fields in timed if fields[0] == kind]


def _object(fields: list[str], where: str) -> RawEvent:
    kind, sound, _, start, duration, orthography, subtype, speaker = fields[:8]
    onset = seconds(start, where, "the start")
    end = None if duration == _ABSENT else onset + seconds(duration, where, "the duration")
    named = speaker if kind == "SPEAKER" else orthography if orthography != _ABSENT else subtype
    return RawEvent(sound, onset, end, "" if named == _ABSENT else named, where)
