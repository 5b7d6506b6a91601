"""Speech Commands: spoken words of 1 s, 35 of them in version 2; group = speaker.

``ROOT/<word>/<speaker>_nohash_<take>.wav`` beside ``validation_list.txt`` and ``testing_list.txt``, the published
split: what they name is ``valid`` and ``test``, every other sound is ``train``. The lists are by speaker, so no
speaker is in two parts. Folders that begin with ``_`` (the background noises) are left out. Version 1 (30 words) is
laid out alike. A listed sound that is not there is a counted failure. The separate archive of the 12-class test is
another task.

Reference: P. Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, 2018, arXiv 1804.03209.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.listed import root_of
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names, sound_names
from otoscope.errors import DataLayoutError

LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
"""Part of the split -> the file that lists it."""

_NAME = re.compile(r"^(?P<speaker>[^_]+)_nohash_(?P<take>\d+)\.\w+$")
_EXPECTED = (
    "validation_list.txt, testing_list.txt and a folder a word with files such as yes/0a7c2a8d_nohash_0.wav"
)


def load(rest: str) -> Clips:
    """Return Speech Commands laid out as published, split train, valid and test: speech-commands:PATH.

    Parameters
    ----------
    rest : str
        The folder with the words and the lists, or the one above it.

    Raises
    ------
    DataLayoutError
        If a list is missing or a sound's name has another form.
    """
    root = root_of(rest, "Speech Commands", _EXPECTED, ["*"], _is_it)
    parts = {path: part for part, name in LISTS.items() for path in _listed(root / name)}
    paths = sorted({*_present(root), *parts})
    rows = [(path, *_named(path, root), parts.get(path, "train")) for path in paths]
    schema = {
        "path": pl.String,
        "word": pl.String,
        "speaker": pl.String,
        "take": pl.Int64,
        "split": pl.String,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(group=pl.col("speaker"))
    return assemble(
        frame,
        [LabelSet("word", class_names(frame["word"].to_list()))],
        FileSource(root),
        name="speech-commands",
        spec=f"speech-commands:{rest}",
        expected=_EXPECTED,
        group_declared=True,
    )


def _is_it(folder: Path) -> bool:
    return all((folder / one).is_file() for one in LISTS.values())


def _listed(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def _present(root: Path) -> list[str]:
    words = sorted(one for one in root.iterdir() if one.is_dir() and one.name[0] not in "._")
    return [f"{word.name}/{name}" for word in words for name in sound_names(word)]


def _named(path: str, root: Path) -> tuple[str, str, int]:
    """Return word, speaker and take by the path."""
    word, _, name = path.rpartition("/")
    match = _NAME.match(name)
    if match is None or not word:
        raise DataLayoutError(f"{root}: sounds are named WORD/SPEAKER_nohash_TAKE.wav, not {path!r}")
    return word, match["speaker"], int(match["take"])
