"""What every collection takes besides its own options: events laid over it, and label sets made of those it has.

``events=PATH`` is an annotation file or folder (:mod:`otoscope.data.events`); options of its own follow a question
mark and are part of the value: ``PATH?format=ctm&tier=words&silence=sil,sp&faulty=skip``. Inside of a spec that
question mark is written ``%3F``, which :func:`otoscope.data.open_data` does for a keyword and the command line for
``--events``. An empty entry of ``silence`` is always there: a label that is empty is no event.

``derive=TEXT`` makes label sets of those that are there (:mod:`otoscope.data.derive`). Both are part of the spec.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from otoscope.data.clips import Clips
from otoscope.data.spec import DataSpec, pairs_of
from otoscope.errors import UnknownNameError

ADDITIONS = ("events", "derive")
"""Options that every scheme takes, unless its loader has one of that name."""

_OF_EVENTS = ("format", "tier", "silence", "faulty")


def taken_apart(
    spec: DataSpec, options: Mapping[str, Any], loader: Callable[..., Any]
) -> tuple[DataSpec, dict[str, Any], dict[str, str]]:
    """Return the spec and the options without additions, and the additions; keywords win over the spec."""
    own = inspect.signature(loader).parameters
    taken = [one for one in ADDITIONS if one not in own]
    both = {**spec.options, **{key: str(value) for key, value in options.items()}}
    rest = replace(spec, options={key: value for key, value in spec.options.items() if key not in taken})
    kept = {key: value for key, value in options.items() if key not in taken}
    return rest, kept, {key: both[key] for key in taken if both.get(key)}


def added(clips: Clips, additions: Mapping[str, str]) -> Clips:
    """Return ``clips`` with the additions.

    Raises
    ------
    UnknownNameError
        If ``events`` has an option that is not known, or ``derive`` names what is not there.
    DataLayoutError, InputError
        As :func:`otoscope.data.events.attach.with_events` and :func:`otoscope.data.derive.derive`.
    """
    if additions.get("derive"):
        clips = clips.derive(additions["derive"])
    if not additions.get("events"):
        return clips
    path, options = events_of(additions["events"])
    silence = ("", *(one.strip() for one in options.pop("silence", "").split(",")))
    return clips.with_events(path, silence=silence, **options)


def events_of(text: str) -> tuple[Path, dict[str, str]]:
    """Return path and options of ``PATH?option=value&...``; a path that exists as it is has no options.

    Raises
    ------
    UnknownNameError
        If an option is not known.
    """
    if "?" not in text or Path(text).exists():
        return Path(text).expanduser(), {}
    path, _, query = text.rpartition("?")
    options = pairs_of(query, text)
    for name in options:
        if name not in _OF_EVENTS:
            raise UnknownNameError.of("option of events", name, _OF_EVENTS)
    return Path(path).expanduser(), options
