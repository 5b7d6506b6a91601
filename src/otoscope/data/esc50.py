"""ESC-50 and ESC-10: 5-second environmental sounds in five folds; group = Freesound source.

``ROOT/meta/esc50.csv`` (filename, fold, target, category, esc10, src_file, take) beside ``ROOT/audio/``; the
sounds may be WAV or any other format under the same stem. Where ``meta/attribution.csv`` lies beside it
(filename, title, author, license, source), its columns are joined. Classes are the category names present, in
the order of ``target``; targets need not be contiguous (ESC-10's are not), so class indices are not targets.

Reference: K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015, doi
10.1145/2733373.2806390.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.delimited import read_delimited
from otoscope.data.esc50_credits import CREDITS, with_credits
from otoscope.data.listed import found_in, listed_paths
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, require_columns
from otoscope.errors import DataLayoutError, EmptyDataError, InputError
from otoscope.store.place import place

_COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
_EXPECTED = "meta/esc50.csv and a folder audio/ (or ESC-50-master/ with both)"


def load(rest: str, *, subset: str = "") -> Clips:
    """Return ESC-50 or ESC-10 laid out as published: esc50:PATH, with subset=esc10 only those ten classes.

    Parameters
    ----------
    rest : str
        The folder with ``meta/`` and ``audio/``, or the one above ``ESC-50-master/``.
    subset : {"", "esc10"}
        ``esc10`` keeps the rows with ``esc10 == True``.

    Raises
    ------
    DataLayoutError
        If a folder, file or column is missing, or no listed sound exists.
    """
    if subset not in {"", "esc10"}:
        raise InputError(f"subset is esc10 or nothing, got {subset!r}")
    name = subset or "esc50"
    root = _root(place(rest))
    frame = with_credits(_table(root / "meta" / "esc50.csv", only_esc10=bool(subset)), root)
    frame = frame.with_columns(
        path=listed_paths([f"audio/{one}" for one in frame["filename"]], root, "meta/esc50.csv"),
        group=pl.col("src_file"),
    )
    classes = frame.sort("target", "category")["category"].unique(maintain_order=True).to_list()
    labels = [LabelSet("category", tuple(classes))]
    extras = [one for one in (*CREDITS, "target", "take") if one in frame.columns]
    frame = frame.select("path", "group", "fold", "category", *extras)
    spec = f"{name}:{rest}"
    return assemble(
        frame, labels, FileSource(root), name=name, spec=spec, expected=_EXPECTED, group_declared=True
    )


def _table(meta: Path, *, only_esc10: bool) -> pl.DataFrame:
    frame = read_delimited(meta, text=("filename", "category", "src_file", "take", "esc10"))
    require_columns(frame, _COLUMNS, meta)
    if not only_esc10:
        return frame
    kept = frame.filter(pl.col("esc10").str.to_lowercase() == "true")
    if kept.height == 0:
        raise EmptyDataError(f"{meta} has no row with esc10 = True")
    return kept


def load_esc10(rest: str) -> Clips:
    """Return the ten classes of ESC-10 out of an ESC-50 folder: esc10:PATH."""
    return load(rest, subset="esc10")


def _root(folder: Path) -> Path:
    candidates = [folder, folder / "ESC-50-master"]
    for one in candidates:
        if (one / "meta" / "esc50.csv").is_file() and (one / "audio").is_dir():
            return one
    if not folder.is_dir():
        raise DataLayoutError(f"there is no folder {folder}. Expected: {_EXPECTED}")
    raise DataLayoutError(
        f"{folder} is not laid out as ESC-50. Expected: {_EXPECTED}. Found: {found_in(folder)}"
    )
