"""UrbanSound8K: 8732 city sounds of at most 4 s in ten classes and ten folds; group = Freesound recording.

``ROOT/metadata/UrbanSound8K.csv`` (slice_file_name, fsID, start, end, salience, fold, classID, class) beside
``ROOT/audio/fold1/`` .. ``fold10/``; a sound may be stored in another format under the same stem. Sample rate
(8 to 192 kHz), sample format and number of channels are those of the uploads and differ from file to file.

Several slices were cut out of one recording and share its ``fsID``: they are one group, and the publisher
keeps them in one fold. Results are comparable only as the mean over the ten folds as given.

Label sets: ``class`` (in the order of ``classID``) and ``salience`` (foreground, background). ``start`` and
``end`` are seconds in the recording that a slice was cut from, not in the slice, and are kept as
``recording_start_s`` and ``recording_end_s``. Every clip carries the set's licence, the page of its recording,
and, where ``FREESOUNDCREDITS.txt`` lies in the folder, its author.

Reference: J. Salamon, C. Jacoby, J. P. Bello, A Dataset and Taxonomy for Urban Sound Research, ACM Multimedia
2014, doi 10.1145/2647868.2655045.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.delimited import read_delimited
from otoscope.data.listed import found_in, listed_paths
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, require_columns
from otoscope.errors import DataLayoutError
from otoscope.store.place import place

LICENCE = "CC BY-NC 3.0"
"""What the set's own page states."""

SALIENCE = ("foreground", "background")
"""What 1 and 2 mean: whether the sound stands before the others of the recording or behind them."""

_COLUMNS = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
_EXPECTED = "metadata/UrbanSound8K.csv and folders audio/fold1 to audio/fold10 (or UrbanSound8K/ with both)"
_TABLE = Path("metadata") / "UrbanSound8K.csv"
_CREDIT = re.compile(r"^\s*(\d+) by (.+?)\s*$", re.MULTILINE)
_EXTRAS = ("author", "license", "source", "classID", "recording_start_s", "recording_end_s")


def load(rest: str) -> Clips:
    """Return UrbanSound8K laid out as published: urbansound8k:PATH.

    Parameters
    ----------
    rest : str
        The folder with ``metadata/`` and ``audio/``, or the one above ``UrbanSound8K/``.

    Raises
    ------
    DataLayoutError
        If a folder, file or column is missing, a cell cannot be used, or no listed sound exists.
    """
    root = _root(place(rest))
    frame = _credited(_table(root / _TABLE), root)
    listed = [
        f"audio/fold{fold}/{name}" for fold, name in frame.select("fold", "slice_file_name").iter_rows()
    ]
    frame = frame.with_columns(path=listed_paths(listed, root, _TABLE.as_posix()), group=pl.col("fsID"))
    classes = frame.sort("classID", "class")["class"].unique(maintain_order=True).to_list()
    return assemble(
        frame.select("path", "group", "fold", "class", "salience", *_EXTRAS),
        [LabelSet("class", tuple(classes)), LabelSet("salience", SALIENCE)],
        FileSource(root),
        name="urbansound8k",
        spec=f"urbansound8k:{rest}",
        expected=_EXPECTED,
        group_declared=True,
    )


def _table(file: Path) -> pl.DataFrame:
    frame = read_delimited(file, text=("slice_file_name", "fsID", "class", "salience"))
    require_columns(frame, _COLUMNS, file)
    salience = pl.col("salience").replace_strict(["1", "2"], SALIENCE, default=None)
    frame = frame.rename({"start": "recording_start_s", "end": "recording_end_s"}).with_columns(salience)
    empty = frame.select(pl.any_horizontal(pl.col(*_COLUMNS[:2], "fold", "classID", "class").is_null()))
    if empty.to_series().any():
        line = empty.to_series().arg_true()[0] + 2
        raise DataLayoutError(
            f"{file}, line {line}: file name, fsID, fold, classID and class must be filled in"
        )
    return frame


def _credited(frame: pl.DataFrame, root: Path) -> pl.DataFrame:
    """Add author, licence and the recording's page; the author is null where no credits name the recording."""
    credits = root / "FREESOUNDCREDITS.txt"
    text = credits.read_text(encoding="utf-8", errors="replace") if credits.is_file() else ""
    authors = pl.DataFrame(
        sorted(dict(_CREDIT.findall(text)).items()),
        schema=dict.fromkeys(("fsID", "author"), pl.String),
        orient="row",
    )
    return frame.join(authors, on="fsID", how="left", maintain_order="left").with_columns(
        license=pl.lit(LICENCE), source=pl.format("https://freesound.org/s/{}/", "fsID")
    )


def _root(folder: Path) -> Path:
    for one in (folder, folder / "UrbanSound8K"):
        if (one / _TABLE).is_file() and (one / "audio").is_dir():
            return one
    if not folder.is_dir():
        raise DataLayoutError(f"there is no folder {folder}. Expected: {_EXPECTED}")
    raise DataLayoutError(
        f"{folder} is not laid out as UrbanSound8K. Expected: {_EXPECTED}. Found: {found_in(folder)}"
    )
