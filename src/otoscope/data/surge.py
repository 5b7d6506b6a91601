"""Notes of the Surge synthesiser: 2084 presets x 88 notes; label sets ``note`` and ``octave``, group = preset.

``ROOT/<preset>/<note>.ogg``, the note a MIDI number, 21 (A0) to 108 (C8). ``octave`` is note // 12 - 1: 88 notes in 9
octaves, middle C (60) begins octave 4. There is no split within; ``splits=FILE`` (columns tone, split) gives one by
preset, as published evaluations do: presets that it does not name have none.

Reference: J. Turian et al., One Billion Audio Sounds from GPU-enabled Modular Synthesis, DAFx 2021, arXiv 2104.12922.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.delimited import read_delimited
from otoscope.data.listed import root_of
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names, require_columns, sound_names
from otoscope.errors import DataLayoutError

_NOTE = re.compile(r"^(\d{1,3})\.\w+$")
_EXPECTED = "a folder a preset with one file a MIDI note, such as surge-patches-.../60.ogg"


def load(rest: str, *, splits: str = "") -> Clips:
    """Return the notes of the Surge synthesiser, labelled by note and octave: surge:PATH.

    Parameters
    ----------
    rest : str
        The folder with the presets, or the one above it.
    splits : str
        Table with the columns ``tone`` (preset) and ``split``; empty: no split.

    Raises
    ------
    DataLayoutError
        If no preset is there, a sound's name is no MIDI number, or the table of splits cannot be used.
    """
    root = root_of(rest, "Surge's notes", _EXPECTED, ["*"], _is_it)
    frame = _table(root)
    if splits:
        frame = frame.join(_splits(Path(splits), frame), on="group", how="left", maintain_order="left")
    sets = [LabelSet(one, class_names(frame[one].to_list())) for one in ("note", "octave")]
    return assemble(
        frame,
        sets,
        FileSource(root),
        name="surge",
        spec=f"surge:{rest}",
        expected=_EXPECTED,
        group_declared=True,
    )


def _presets(root: Path) -> list[Path]:
    return sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))


def _is_it(folder: Path) -> bool:
    return any(_NOTE.match(name) for preset in _presets(folder)[:3] for name in sound_names(preset))


def _table(root: Path) -> pl.DataFrame:
    rows = []
    for preset in _presets(root):
        for name in sorted(sound_names(preset)):
            match = _NOTE.match(name)
            if match is None or int(match[1]) > 127:
                raise DataLayoutError(
                    f"{preset}: sounds are named by a MIDI number, such as 60.ogg, not {name!r}"
                )
            note = int(match[1])
            rows.append((f"{preset.name}/{name}", preset.name, note, str(note), str(note // 12 - 1)))
    schema = {"path": pl.String, "group": pl.String, "midi": pl.Int64, "note": pl.String, "octave": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("group", "midi").drop("midi")


def _splits(file: Path, presets: pl.DataFrame) -> pl.DataFrame:
    given = read_delimited(file, text=("tone", "split"))
    require_columns(given, ("tone", "split"), file)
    found = given.select(group="tone", split="split").unique(maintain_order=True)
    if found["group"].is_duplicated().any():
        raise DataLayoutError(f"{file} puts a preset into two parts")
    if not set(found["group"]) & set(presets["group"]):
        raise DataLayoutError(
            f"{file} names no preset that is here. It names {found['group'].head(3).to_list()}; here are "
            f"{presets['group'].unique().sort().head(3).to_list()}"
        )
    return found
