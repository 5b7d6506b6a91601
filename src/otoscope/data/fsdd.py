"""Free Spoken Digit Dataset: spoken digits, label sets ``digit`` and ``speaker``; group = speaker.

``ROOT/recordings/{digit}_{speaker}_{index}.wav``; index 0-4 is the test part of the published split, the rest
is train. That split shares its speakers between the parts: numbers on it say nothing about unknown speakers.
The group is the speaker, the unit that statistics may exchange, so a split *by group* is speaker-independent,
and a test of anything that is constant within a speaker has at most as many distinct permutations as six
speakers allow.

``gender`` and ``accent`` of the speakers are columns, no label sets (``derive=accent`` makes them one): from
``metadata.py`` in the dataset's folder where it lies there (it is read, never run), else from :data:`SPEAKERS`. All
speakers that the collection describes are men; an accent that is not known is null.

Reference: Z. Jackson et al., Free Spoken Digit Dataset, doi 10.5281/zenodo.1342401.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names, sound_names
from otoscope.errors import DataLayoutError
from otoscope.store.place import place

_NAME = re.compile(r"^(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<index>\d+)\.\w+$")
_EXPECTED = "a folder recordings/ with files {digit}_{speaker}_{index}.wav"
_N_TEST = 5

SPEAKERS: dict[str, dict[str, str]] = {
    "jackson": {"gender": "male", "accent": "USA/neutral"},
    "nicolas": {"gender": "male", "accent": "BEL/French"},
    "theo": {"gender": "male", "accent": "USA/neutral"},
    "yweweler": {"gender": "male", "accent": "DEU/German"},
    "george": {"gender": "male", "accent": "GRC/Greek"},
}
"""What the collection's ``metadata.py`` says of its speakers."""


def load(rest: str) -> Clips:
    """Return the Free Spoken Digit Dataset: fsdd:PATH, split train and test.

    Parameters
    ----------
    rest : str
        The folder with ``recordings/``, the one above it (the archive's own folder), or ``recordings``
        itself.

    Raises
    ------
    DataLayoutError
        If there is no such folder or a sound's name has another form.
    """
    root = _root(place(rest))
    frame = _described(_table(root / "recordings"), _speakers(root / "metadata.py"))
    sets = [LabelSet(one, class_names(frame[one].to_list())) for one in ("digit", "speaker")]
    spec = f"fsdd:{rest}"
    return assemble(
        frame, sets, FileSource(root), name="fsdd", spec=spec, expected=_EXPECTED, group_declared=True
    )


def _table(recordings: Path) -> pl.DataFrame:
    """Return one row a sound, by digit, speaker and take."""
    names = sound_names(recordings)
    matches = {name: _NAME.match(name) for name in names}
    strange = sorted(name for name, match in matches.items() if match is None)
    if strange:
        raise DataLayoutError(
            f"{len(strange)} of {len(names)} sounds in {recordings} are not named "
            f"{{digit}}_{{speaker}}_{{index}}.wav, such as {strange[0]!r}"
        )
    rows = sorted(
        (m["digit"], m["speaker"], int(m["index"]), f"recordings/{name}") for name, m in matches.items() if m
    )
    schema = {"digit": pl.String, "speaker": pl.String, "take": pl.Int64, "path": pl.String}
    part = pl.when(pl.col("take") < _N_TEST).then(pl.lit("test")).otherwise(pl.lit("train"))
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(group=pl.col("speaker"), split=part)


def _described(frame: pl.DataFrame, speakers: dict[str, dict[str, str]]) -> pl.DataFrame:
    columns = {
        fact: [speakers.get(one, {}).get(fact) for one in frame["speaker"]] for fact in ("gender", "accent")
    }
    return frame.with_columns(pl.Series(name, cells, dtype=pl.String) for name, cells in columns.items())


def _speakers(file: Path) -> dict[str, dict[str, str]]:
    """Return the dictionary that ``metadata.py`` assigns; :data:`SPEAKERS` where the file is not there."""
    if not file.is_file():
        return SPEAKERS
    try:
        assigned = [
            one.value for one in ast.parse(file.read_text("utf-8")).body if isinstance(one, ast.Assign)
        ]
        found = ast.literal_eval(assigned[0])
        return {str(name): {key: str(value) for key, value in facts.items()} for name, facts in found.items()}
    except (SyntaxError, ValueError, IndexError, AttributeError) as error:
        raise DataLayoutError(f"{file} does not assign a dictionary of speakers: {error}") from error


def _root(folder: Path) -> Path:
    if folder.name == "recordings" and folder.is_dir() and not (folder / "recordings").is_dir():
        return folder.parent
    inside = sorted(folder.glob("*/recordings")) if folder.is_dir() else []
    for one in [folder / "recordings", *inside]:
        if one.is_dir():
            return one.parent
    if not folder.is_dir():
        raise DataLayoutError(f"there is no folder {folder}. Expected: {_EXPECTED}")
    found = ", ".join(sorted(one.name for one in folder.iterdir())[:10]) or "nothing"
    raise DataLayoutError(f"{folder} is not laid out as FSDD. Expected: {_EXPECTED}. Found: {found}")
