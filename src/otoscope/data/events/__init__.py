"""Which sounds happen when? Time-aligned annotations read from the usual formats and laid on clips.

===========  ====================  ==================================================================================
format       file                  one event is
===========  ====================  ==================================================================================
``table``    ``.csv .tsv .tab``    a row with onset, offset (or duration) and label; the clip by a column or the file
``textgrid`` ``.TextGrid``         an interval or a point of one tier (Praat, long or short text form)
``ctm``      ``.ctm``              ``RECORDING CHANNEL START DURATION WORD [CONFIDENCE]``
``rttm``     ``.rttm``             ``TYPE RECORDING CHANNEL START DURATION ORTHOGRAPHY SUBTYPE SPEAKER ...``
``jams``     ``.jams``             an observation of one annotation (JSON)
``track``    ``.txt``              ``START<tab>END<tab>LABEL`` (Audacity's label track, Scaper's list)
===========  ====================  ==================================================================================

A format is one file with ``read(path, tier) -> list of RawEvent`` plus one line in :data:`FORMATS`. What the events
belong to and which of them can be used is decided once, in :mod:`otoscope.data.events.attach`.
"""

from __future__ import annotations

FORMATS: dict[str, str] = {
    "table": "otoscope.data.events.table:read",
    "textgrid": "otoscope.data.events.textgrid:read",
    "ctm": "otoscope.data.events.ctm:read",
    "rttm": "otoscope.data.events.rttm:read",
    "jams": "otoscope.data.events.jams:read",
    "track": "otoscope.data.events.track:read",
}
"""Format -> its reader."""

SUFFIXES: dict[str, str] = {
    ".csv": "table",
    ".tsv": "table",
    ".tab": "table",
    ".textgrid": "textgrid",
    ".ctm": "ctm",
    ".rttm": "rttm",
    ".jams": "jams",
    ".txt": "track",
}
"""Suffix of a file, lower case -> its format."""
