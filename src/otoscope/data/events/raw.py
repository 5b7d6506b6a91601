"""An event as an annotation file states it, and the collection of files that it comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from otoscope.data.events import FORMATS, SUFFIXES
from otoscope.errors import DataLayoutError, EmptyDataError
from otoscope.registry import lookup

NOTHING: Mapping[str, Any] = MappingProxyType({})


class RawEvent(NamedTuple):
    """One event, before it is known which clip it belongs to.

    Attributes
    ----------
    sound : str
        What the annotation calls the recording: an id, a path, a name, with or without suffix; empty where the
        annotation file itself is called like it.
    onset_s : float
        Start in seconds from the start of the recording (of the clip, where ``sound`` is a clip's id).
    offset_s : float or None
        End; None: an instant, or not known.
    label : str
        What is heard; empty: silence.
    where : str
        File and line, for messages.
    more : mapping
        Further columns.
    by_id : bool
        ``sound`` can only be a clip's id.
    """

    sound: str
    onset_s: float
    offset_s: float | None
    label: str
    where: str
    more: Mapping[str, Any] = NOTHING
    by_id: bool = False


def read_all(path: Path, format: str | None, tier: str | None) -> list[RawEvent]:
    """Return the events of a file, or of every annotation file under a folder, in the order of names.

    Parameters
    ----------
    path : Path
        A file or a folder.
    format : str or None
        A name of :data:`otoscope.data.events.FORMATS`; None: by the files' suffix.
    tier : str or None
        What a format with several tiers reads.

    Raises
    ------
    DataLayoutError
        If there is no such file, the format cannot be told, or a file is not in it.
    EmptyDataError
        If a folder holds no annotation.
    """
    files = _files(path, format)
    found: list[RawEvent] = []
    for file, kind in files:
        read = lookup(FORMATS, kind, room="data.events", kind="format of events")
        name = file.stem if path.is_file() else file.relative_to(path).with_suffix("").as_posix()
        found.extend(one if one.sound else one._replace(sound=name) for one in read(file, tier))
    return found


def _files(path: Path, format: str | None) -> list[tuple[Path, str]]:
    if path.is_file():
        kind = format or SUFFIXES.get(path.suffix.lower())
        if kind is None:
            raise DataLayoutError(
                f"{path}: the format of these events cannot be told from {path.suffix!r}; say format= one of "
                f"{', '.join(FORMATS)}"
            )
        return [(path, kind)]
    if not path.is_dir():
        raise DataLayoutError(f"there is no file or folder of events {path}")
    inside = [one for one in sorted(path.rglob("*")) if one.is_file() and not one.name.startswith(".")]
    known = [(one, SUFFIXES[one.suffix.lower()]) for one in inside if one.suffix.lower() in SUFFIXES]
    kinds = sorted({kind for _, kind in known})
    if format is None and len(kinds) > 1:
        raise DataLayoutError(f"{path} holds events in several formats, {', '.join(kinds)}: say format=")
    chosen = [(one, kind) for one, kind in known if format in (None, kind)]
    if not chosen:
        wanted = ", ".join(key for key, kind in SUFFIXES.items() if format in (None, kind))
        raise EmptyDataError(f"{path} holds no file of events. Expected one of {wanted}")
    return chosen


def seconds(text: str, where: str, what: str) -> float:
    """Return ``text`` as a finite number of seconds.

    Raises
    ------
    DataLayoutError
        If it is none, with file and line.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataLayoutError(f"{where}: {what} must be a number of seconds, got {text!r}")
    return value


def text_of(file: Path) -> str:
    """Return a text file's content: UTF-8, or UTF-16 where it begins with that mark.

    Raises
    ------
    DataLayoutError
        If it is neither.
    """
    content = file.read_bytes()
    utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataLayoutError(
            f"{file} is neither UTF-8 nor UTF-16 with a byte order mark: {error}"
        ) from error


def chosen_tier(given: str | None, tiers: list[str], file: Path, kind: str = "tier") -> int:
    """Return the place of the tier called ``given``; a number counts from 1; None: the only one.

    Raises
    ------
    DataLayoutError
        If there is none of that name, several of it, or none is named and there are several.
    """
    listed = ", ".join(repr(one) for one in tiers) or "none"
    if given is None:
        if len(tiers) == 1:
            return 0
        raise DataLayoutError(f"{file} has {len(tiers)} {kind}s, {listed}: say which by tier=")
    if tiers.count(given) == 1:
        return tiers.index(given)
    if tiers.count(given) == 0 and given.isdigit() and 1 <= int(given) <= len(tiers):
        return int(given) - 1
    trouble = f"several {kind}s" if given in tiers else f"no {kind}"
    raise DataLayoutError(f"{file} has {trouble} {given!r}. It has: {listed}; a number counts from 1")
