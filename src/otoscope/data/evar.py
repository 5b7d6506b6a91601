"""A metadata table of EVAR, the evaluation package for audio representations: ``evar:FILE.csv?root=SOUNDS``.

Columns ``file_name,label,split`` or ``file_name,label,fold``; further ones are kept. As EVAR reads it: where any
label holds a comma, every label is a list joined by commas and a clip has several (``multi=no`` keeps commas);
classes are the distinct labels, sorted. Splits are train, valid and test. Where only folds are given, a study tests
on one fold and trains on the others; EVAR then holds a random 10 % of the training clips out for validation. That
hold-out is not part of the table and is left to training (``otoscope train --valid 0.1``, which deals out whole
groups). Rows with an empty split (EVAR's GTZAN has 70) have none. Groups are undeclared unless a column says what
they are: ``group=speaker_id``.

EVAR fits its classes on each part anew, so that a class that is missing in a part shifts the numbers of the others.
Here one list holds for all parts.

Reference: D. Niizumi et al., BYOL for Audio: Exploring Pre-trained General-purpose Audio Representations, IEEE/ACM
Transactions on Audio, Speech, and Language Processing 31, 2023, doi 10.1109/TASLP.2022.3221007.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.delimited import header_of, read_delimited
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names, require_columns
from otoscope.errors import DataLayoutError, InputError, UnknownNameError
from otoscope.store.place import place

MULTI = ("auto", "yes", "no")
"""Whether labels are lists joined by commas; ``auto``: where any holds a comma, as in EVAR."""

_EXPECTED = "a header and rows file_name,label and split or fold"


def load(rest: str, *, root: str = "", group: str = "", multi: str = "auto") -> Clips:
    """Return the clips of an EVAR metadata table (file_name,label,split or fold): evar:FILE.

    Parameters
    ----------
    rest : str
        The table.
    root : str
        The folder that file names start from; empty means the table's own.
    group : str
        Column that says what is exchanged whole; empty: undeclared.
    multi : {"auto", "yes", "no"}
        Whether a label is a list joined by commas.

    Raises
    ------
    DataLayoutError
        If a column is missing, or a fold is no whole number.
    """
    if multi not in MULTI:
        raise UnknownNameError.of("value of multi", multi, MULTI)
    file = place(rest)
    frame = _read(file, group)
    several = multi == "yes" or (multi == "auto" and frame["label"].str.contains(",", literal=True).any())
    if several:
        frame = frame.with_columns(label=_lists(frame["label"]))
    found = frame["label"].explode() if several else frame["label"]
    return assemble(
        frame,
        [LabelSet("label", class_names(found.drop_nulls().to_list()), "multi" if several else "single")],
        FileSource(place(root) if root else file.parent),
        name="evar",
        spec=f"evar:{rest}",
        expected=_EXPECTED,
        group_declared=bool(group),
    )


def _read(file: Path, group: str) -> pl.DataFrame:
    """Return the table in our columns: path, label, split, fold and group where they are there."""
    header = header_of(file)
    frame = read_delimited(file, text=("file_name", "label", "split", *([group] if group else [])))
    require_columns(frame, ("file_name", "label"), file)
    if not {"split", "fold"} & set(header):
        raise DataLayoutError(f"{file} has neither a column 'split' nor 'fold'. Found: {', '.join(header)}")
    taken = [
        one
        for one in ("row", "id", "path", "start_s", "end_s", *(["group"] if group != "group" else []))
        if one in header
    ]
    frame = frame.rename({one: f"{one}_given" for one in taken}).rename({"file_name": "path"})
    if group and group not in frame.columns:
        raise InputError(f"{file} has no column {group!r} to group by. Found: {', '.join(header)}")
    if group:
        frame = frame.with_columns(group=pl.col(group).fill_null(pl.col("path")))
    if "split" in header:
        frame = frame.with_columns(
            split=pl.col("split").replace({"": None, "val": "valid", "validation": "valid"})
        )
    return frame


def _lists(labels: pl.Series) -> pl.Series:
    cells = [[one.strip() for one in (cell or "").split(",")] for cell in labels.to_list()]
    return pl.Series(
        "label", [[one for one in dict.fromkeys(cell) if one] for cell in cells], dtype=pl.List(pl.String)
    )
