"""Datasets of the Hugging Face hub, or saved by its library: ``hub:NAME``, ``hub:NAME:SPLIT``, ``hub:FOLDER``.

The ``datasets`` library finds, downloads and keeps the files; the sounds stay undecoded in its tables and are
read by soundfile when they are wanted. ``NAME`` is a name on the hub, a folder written by ``save_to_disk``, or a
folder of Parquet or sound files that the library understands.

==================  =======================================================================================
``audio=COLUMN``    where the sound is; by default the column of type Audio, else one called audio, bytes,
                    path or file. A cell holds bytes, a path, or both.
``labels=A,B``      label columns, the primary one first. By default every ClassLabel column (one class a
                    clip) and every list of ClassLabel (several), else the column ``label``. Its values are
                    the class names where it holds texts or numbers.
``group=COLUMN``    what belongs together; by default a column ``group``, else groups are undeclared
``ids=COLUMN``      names the clips; by default the file name where it names one clip only, else the row
``config=NAME``     configuration of a dataset that has several
``revision=NAME``   commit, tag or branch, so that the same data come later
==================  =======================================================================================

Splits are the ``split`` column. A column ``fold`` of whole numbers is the fold; other columns of texts and numbers
are kept, and the dataset's licence where it states one. Code that a dataset brings along is never run.

Reference: Q. Lhoest et al., Datasets: A Community Library for Natural Language Processing, EMNLP 2021.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.data.clips import Clips
from otoscope.data.hub_labels import labelled
from otoscope.data.hub_source import HubSource, opened, undecoded
from otoscope.data.hub_table import split_table
from otoscope.data.table import assemble
from otoscope.errors import DataLayoutError, InputError, UnknownNameError

_SPEC = re.compile(r"^(?P<name>.+):(?P<split>[\w.-]+)$")
_SOUNDS = ("audio", "bytes", "path", "file")
_EXPECTED = "hub:NAME or hub:NAME:SPLIT, a name on the hub or a folder"


def load(
    rest: str,
    *,
    audio: str = "",
    labels: str = "",
    group: str = "",
    ids: str = "",
    config: str = "",
    revision: str = "",
) -> Clips:
    """Return a dataset of the Hugging Face hub, or one saved on disk: hub:NAME or hub:NAME:SPLIT.

    Parameters
    ----------
    rest : str
        Name or folder, and a split.
    audio, labels, group, ids, config, revision : str
        As in the table above; empty is the default.

    Raises
    ------
    MissingExtraError
        If the ``datasets`` library is not installed.
    DataLayoutError
        If the dataset cannot be opened, or no column holds sound.
    UnknownNameError
        If a split or column that is asked for does not exist.
    """
    name, split = _taken_apart(rest)
    parts = opened(name, config, revision, split)
    features = next(iter(parts.values())).features
    column = _sound_column(features, audio, rest)
    sounds = {one: undecoded(part, column) for one, part in parts.items()}
    tables = [split_table(part, sounds[one], one, column, ids) for one, part in parts.items()]
    frame, declared = _grouped(pl.concat(tables, how="diagonal_relaxed"), group, rest)
    asked = [one.strip() for one in labels.split(",") if one.strip()]
    frame, sets = labelled(frame, features, asked, f"hub:{rest}")
    return assemble(
        frame,
        sets,
        HubSource(name, column, config, revision, split).holding(sounds),
        name="hub",
        spec=f"hub:{rest}",
        expected=_EXPECTED,
        group_declared=declared,
    )


def _taken_apart(rest: str) -> tuple[str | Path, str]:
    """Return (name on the hub or folder, split or nothing)."""
    if not rest:
        raise InputError(f"expected {_EXPECTED}; got 'hub:'")
    match = None if Path(rest).exists() else _SPEC.match(rest)
    name, split = (match["name"], match["split"]) if match else (rest, "")
    return (Path(name) if Path(name).exists() else name), split


def _sound_column(features: Any, asked: str, rest: str) -> str:
    if asked:
        if asked not in features:
            raise UnknownNameError.of(f"column of hub:{rest}", asked, features)
        return asked
    declared = [name for name, one in features.items() if type(one).__name__ == "Audio"]
    found: list[str] = declared or [one for one in _SOUNDS if one in features]
    if not found:
        raise DataLayoutError(
            f"hub:{rest} has no column of type Audio and none called {', '.join(_SOUNDS)}. "
            f"Found: {', '.join(features)}. Say which one holds the sound: ?audio=COLUMN"
        )
    return found[0]


def _grouped(frame: pl.DataFrame, asked: str, rest: str) -> tuple[pl.DataFrame, bool]:
    """Return the table with its ``group``, and whether the dataset declares it."""
    name = asked or "group"
    if asked and asked not in frame.columns:
        raise UnknownNameError.of(f"column of hub:{rest}", asked, frame.columns)
    if name not in frame.columns:
        return frame, False
    return frame.with_columns(group=pl.col(name).cast(pl.String).fill_null(pl.col("path"))), True
