"""NSynth: 305,979 notes of 4 s by 1006 instruments; label sets family, pitch, octave and more, group = instrument.

``ROOT/nsynth-{train,valid,test}/examples.json`` beside ``audio/<note>.wav``; any of the three parts may be missing.
The JSON has one object a note: instrument_str, pitch (MIDI number), velocity, instrument_family_str,
instrument_source_str, qualities_str. Instruments of train are in no other part.

Label sets: ``family`` (11), ``pitch``, ``octave`` (pitch // 12 - 1, so that middle C, 60, begins octave 4),
``velocity`` (5), ``instrument_source`` (acoustic, electronic, synthetic); multi-label ``qualities``. A listed note
that is not there is a counted failure.

Reference: J. Engel et al., Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders, ICML 2017, arXiv
1704.01279.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.listed import listed_paths, root_of
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names
from otoscope.errors import DataLayoutError

PARTS = ("train", "valid", "test")
"""The published parts, each a folder ``nsynth-PART``."""

LABELS = ("family", "pitch", "octave", "velocity", "instrument_source")
"""The label sets with one label a note, the primary one first."""

_KEYS = ("pitch", "velocity", "instrument_str", "instrument_family_str", "instrument_source_str")
_EXPECTED = (
    "folders nsynth-train, nsynth-valid, nsynth-test (or some of them), each with examples.json and audio/"
)


def load(rest: str) -> Clips:
    """Return NSynth laid out as published, split train, valid and test: nsynth:PATH.

    Parameters
    ----------
    rest : str
        The folder with ``nsynth-train`` and the others.

    Raises
    ------
    DataLayoutError
        If no part is there, or a part's table cannot be used.
    """
    root = root_of(rest, "NSynth", _EXPECTED, ["*"], lambda folder: bool(_parts(folder)))
    frame = pl.concat([_part(root, part) for part in _parts(root)])
    frame = frame.with_columns(
        path=listed_paths(frame["path"].to_list(), root, "examples.json"),
        octave=(pl.col("pitch").cast(pl.Int64) // 12 - 1).cast(pl.String),
    )
    sets = [LabelSet(one, class_names(frame[one].to_list())) for one in LABELS]
    qualities = class_names(frame["qualities"].explode().drop_nulls().to_list())
    return assemble(
        frame,
        [*sets, LabelSet("qualities", qualities, "multi")],
        FileSource(root),
        name="nsynth",
        spec=f"nsynth:{rest}",
        expected=_EXPECTED,
        group_declared=True,
    )


def _parts(folder: Path) -> list[str]:
    return [one for one in PARTS if (folder / f"nsynth-{one}" / "examples.json").is_file()]


def _part(root: Path, part: str) -> pl.DataFrame:
    """Return the notes of one part, in the order of their names."""
    file = root / f"nsynth-{part}" / "examples.json"
    try:
        notes = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataLayoutError(f"{file} is no JSON: {error}") from error
    rows = [_row(name, note, part, file) for name, note in sorted(notes.items())]
    columns = ("path", "split", "group", "family", "pitch", "velocity", "instrument_source")
    schema = {**dict.fromkeys(columns, pl.String()), "qualities": pl.List(pl.String)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _row(name: str, note: dict[str, Any], part: str, file: Path) -> tuple[Any, ...]:
    missing = [one for one in _KEYS if one not in note]
    if missing:
        raise DataLayoutError(f"{file}: note {name!r} has no {', '.join(missing)}. It has {', '.join(note)}")
    return (
        f"nsynth-{part}/audio/{name}.wav",
        part,
        str(note["instrument_str"]),
        str(note["instrument_family_str"]),
        str(int(note["pitch"])),
        str(int(note["velocity"])),
        str(note["instrument_source_str"]),
        [str(one) for one in note.get("qualities_str", [])],
    )
