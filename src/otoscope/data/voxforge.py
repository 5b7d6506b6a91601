"""VoxForge: sentences read by volunteers in several languages; label set ``language``, group = speaker.

``ROOT/<language>/.../<submission>/wav/<name>.wav`` (or ``flac/``): the language is the first folder, a submission is
the folder around ``wav``, named ``<user>-<yyyymmdd>-<xxx>``. The speaker is the name before the first hyphen.
Submissions of ``anonymous`` are of unknown people: each is a group of its own, and so is one without a hyphen. There
is no official split: split by group. (EVAR's split is by submission, so speakers are on both sides of it; open its
table by ``evar:``.) ``until`` leaves out later submissions, as the published studies do with 20200101.

Reference: VoxForge, https://www.voxforge.org.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.listed import root_of
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names, is_sound
from otoscope.errors import InputError

FOLDERS = ("wav", "flac")
"""The folder of a submission that holds its sounds."""

_DATED = re.compile(r"^(?P<user>[^-]+)-(?P<date>\d{8})(?:-|$)")
_EXPECTED = "a folder a language (de, en ...) with submissions such as en/user-20080425-abc/wav/a0001.wav"


def load(rest: str, *, until: str = "") -> Clips:
    """Return VoxForge unpacked into one folder a language: voxforge:PATH.

    Parameters
    ----------
    rest : str
        The folder with the languages.
    until : str
        ``yyyymmdd``: only submissions of earlier days; empty: all.

    Raises
    ------
    DataLayoutError
        If no submission lies there.
    """
    if until and not re.fullmatch(r"\d{8}", until):
        raise InputError(f"until is a day yyyymmdd such as 20200101, got {until!r}")
    root = root_of(rest, "VoxForge", _EXPECTED, [], lambda folder: bool(_sounds(folder, first=True)))
    frame = _table(_sounds(root))
    if until:
        frame = frame.filter(pl.col("date").is_null() | (pl.col("date") < until))
    return assemble(
        frame,
        [LabelSet("language", class_names(frame["language"].to_list()))],
        FileSource(root),
        name="voxforge",
        spec=f"voxforge:{rest}",
        expected=_EXPECTED,
        group_declared=True,
    )


def _sounds(root: Path, *, first: bool = False) -> list[str]:
    """Return the paths of all sounds of submissions, sorted; at most one where only one is wanted."""
    found: list[str] = []
    for language in sorted(one for one in root.iterdir() if one.is_dir()):
        for folder in (one for name in FOLDERS for one in language.rglob(name) if one.is_dir()):
            inside = [one.relative_to(root).as_posix() for one in folder.iterdir() if is_sound(one.name)]
            found += [one for one in inside if len(PurePosixPath(one).parts) >= 4]
            if first and found:
                return found[:1]
    return sorted(found)


def _table(paths: list[str]) -> pl.DataFrame:
    rows = []
    for path in paths:
        parts = PurePosixPath(path).parts
        submission = parts[-3]
        match = _DATED.match(submission)
        user = submission.partition("-")[0]
        known = user != submission and user.lower() != "anonymous"
        group = f"{parts[0]}/{user if known else submission}"
        rows.append(
            (path, parts[0], group, user if known else None, submission, match["date"] if match else None)
        )
    columns = ("path", "language", "group", "speaker", "submission", "date")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
