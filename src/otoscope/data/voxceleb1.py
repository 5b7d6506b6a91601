"""VoxCeleb1: 153,516 utterances of 1251 celebrities from videos; group = speaker (or video).

``ROOT/wav/<speaker>/<video>/<utterance>.wav``. ``iden_split.txt`` (lines ``1 id10001/VIDEO/00001.wav``: 1 train, 2
valid, 3 test), in ROOT or beside ``wav``, is the published split for identification; it names every utterance, and
one that is not there is a counted failure. Without it every sound under ``wav`` is used, without a split.
``vox1_meta.csv`` (speaker, name, gender, nationality, set; tabs or commas) adds the label sets ``gender``,
``nationality`` and their product, and the column ``verification`` (dev or test).

The split for identification shares its speakers between the parts, as it must. The default group is the speaker:
nothing that is constant within a speaker can be told from the speaker, and statistics then exchange speakers. For the
label set ``speaker`` itself choose ``group=video``.

Reference: A. Nagrani, J. S. Chung, A. Zisserman, VoxCeleb: A Large-Scale Speaker Identification Dataset, Interspeech
2017, doi 10.21437/Interspeech.2017-950.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.derive import combine
from otoscope.data.listed import root_of
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names, is_sound
from otoscope.errors import DataLayoutError, InputError

PARTS = {"1": "train", "2": "valid", "3": "test"}
"""What the numbers of ``iden_split.txt`` mean."""

GENDERS = {"m": "male", "f": "female"}

_SPLIT, _META = "iden_split.txt", "vox1_meta.csv"
_EXPECTED = (
    "a folder wav/ with SPEAKER/VIDEO/UTTERANCE.wav, and best iden_split.txt and vox1_meta.csv beside it"
)


def load(rest: str, *, group: str = "speaker") -> Clips:
    """Return VoxCeleb1 laid out as published, with gender and nationality where vox1_meta.csv is there: voxceleb1:PATH.

    Parameters
    ----------
    rest : str
        The folder with ``wav``.
    group : {"speaker", "video"}
        What is exchanged whole.

    Raises
    ------
    DataLayoutError
        If there is no such folder, or a table cannot be used.
    """
    if group not in ("speaker", "video"):
        raise InputError(f"group is speaker or video, got {group!r}")
    root = root_of(rest, "VoxCeleb1", _EXPECTED, ["*"], lambda folder: (folder / "wav").is_dir())
    frame = _utterances(root).with_columns(group=pl.concat_str("speaker", "video", separator="/"))
    frame = frame if group == "video" else frame.with_columns(group=pl.col("speaker"))
    meta = _beside(root, _META)
    names = ["speaker"]
    if meta is not None:
        frame = frame.join(_people(meta), on="speaker", how="left", maintain_order="left")
        names += ["gender", "nationality"]
    clips = assemble(
        frame,
        [LabelSet(one, class_names(frame[one].drop_nulls().to_list())) for one in names],
        FileSource(root),
        name="voxceleb1",
        spec=f"voxceleb1:{rest}",
        expected=_EXPECTED,
        group_declared=True,
    )
    return combine(clips, ["gender", "nationality"]) if meta is not None else clips


def _beside(root: Path, name: str) -> Path | None:
    return next((one / name for one in (root, root / "wav", root.parent) if (one / name).is_file()), None)


def _utterances(root: Path) -> pl.DataFrame:
    """Return path, speaker, video and split of every utterance."""
    listed = _beside(root, _SPLIT)
    if listed is None:
        found = sorted(one.relative_to(root / "wav").as_posix() for one in (root / "wav").glob("*/*/*"))
        pairs: list[tuple[str, str | None]] = [(path, None) for path in found if is_sound(path)]
    else:
        lines = [line.split() for line in listed.read_text(encoding="utf-8").splitlines()]
        pairs = [(line[1], PARTS[line[0]]) for line in lines if _is_pair(line, listed)]
    rows = [(f"wav/{path}", *path.split("/")[:2], part) for path, part in pairs]
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("path", "speaker", "video", "split"), pl.String), orient="row"
    )


def _is_pair(line: list[str], file: Path) -> bool:
    if not line:
        return False
    if len(line) != 2 or line[0] not in PARTS or line[1].count("/") != 2:
        raise DataLayoutError(
            f"{file}: expected lines such as '1 id10001/VIDEO/00001.wav', got {' '.join(line)!r}"
        )
    return True


def _people(file: Path) -> pl.DataFrame:
    """Return speaker, gender, nationality and verification of ``vox1_meta.csv``; by tabs or by commas."""
    text = file.read_text(encoding="utf-8")
    separator = "\t" if "\t" in text.partition("\n")[0] else ","
    rows = [
        [cell.strip() for cell in line.split(separator)] for line in text.splitlines()[1:] if line.strip()
    ]
    odd = next((row for row in rows if len(row) != 5 or row[2] not in GENDERS), None)
    if odd is not None or not rows:
        raise DataLayoutError(
            f"{file}: expected a header and rows of speaker, name, gender (m or f), nationality, set; "
            f"got {odd or 'none'}"
        )
    people = [(row[0], GENDERS[row[2]], row[3], row[4]) for row in rows]
    schema = dict.fromkeys(("speaker", "gender", "nationality", "verification"), pl.String)
    return pl.DataFrame(people, schema=schema, orient="row")
