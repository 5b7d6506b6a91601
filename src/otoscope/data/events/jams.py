"""Events of a JAMS file: observations (time, duration, value) of one annotation.

The tier is an annotation's namespace (``scaper``, ``tag_open``, ``beat`` ...), or its number counted from 1 where one
namespace stands several times. Scaper's observations carry their label in the value; of those, background sounds (role
``background``) are left out, for they fill the whole clip. A duration of 0 is an instant. The sound is the one called
like the file, unless the sandbox or the identifiers of the file's metadata name one (``filename``).

Reference: E. J. Humphrey et al., JAMS: A JSON Annotated Music Specification for Reproducible MIR Research, ISMIR 2014.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otoscope.data.events.raw import NOTHING, RawEvent, chosen_tier, seconds, text_of
from otoscope.errors import DataLayoutError


def read(file: Path, tier: str | None) -> list[RawEvent]:
    """Return the observations of the annotation ``tier``; None: of the only one.

    Raises
    ------
    DataLayoutError
        If the file is no JAMS file, or has no such annotation.
    """
    content = _json(file)
    annotations = content["annotations"]
    names = [str(one.get("namespace", "")) for one in annotations]
    if not annotations:
        return []
    chosen = annotations[chosen_tier(tier, names, file, "annotation")]
    sound = _named(content)
    rows = enumerate(_observations(chosen.get("data", []), file), start=1)
    return [
        event
        for number, row in rows
        if (event := _event(row, sound, f"{file}, observation {number}")) is not None
    ]


def _json(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(text_of(file))
    except ValueError as error:
        raise DataLayoutError(f"{file} is no JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise DataLayoutError(f"{file} is no JAMS file: it has no list of annotations")
    return content


def _named(content: Mapping[str, Any]) -> str:
    """Return the name of the sound as the metadata give it; empty where they do not."""
    metadata = content.get("file_metadata") or {}
    places = (metadata.get("identifiers") or {}, content.get("sandbox") or {})
    return next((str(one["filename"]) for one in places if one.get("filename")), "")


def _observations(data: Any, file: Path) -> Sequence[Mapping[str, Any]]:
    """Return the observations; the older form holds one list a field."""
    if isinstance(data, dict):
        fields = [key for key in ("time", "duration", "value") if key in data]
        return [
            dict(zip(fields, row, strict=True)) for row in zip(*(data[one] for one in fields), strict=True)
        ]
    if not isinstance(data, list) or not all(isinstance(one, dict) and "time" in one for one in data):
        raise DataLayoutError(f"{file}: an observation needs time, duration and value")
    return data


def _event(row: Mapping[str, Any], sound: str, where: str) -> RawEvent | None:
    value, more = row.get("value"), NOTHING
    if isinstance(value, dict):
        if value.get("role") == "background":
            return None
        more = {"snr_db": float(value["snr"])} if value.get("snr") is not None else NOTHING
        value = value.get("label", "")
    onset = seconds(str(row["time"]), where, "the time")
    duration = seconds(str(row.get("duration") or 0), where, "the duration")
    return RawEvent(sound, onset, onset + duration if duration else None, str(value or ""), where, more)
