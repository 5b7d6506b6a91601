"""FSD50K: 51,197 sounds from Freesound with several of 200 classes each; group = uploader.

``ROOT/FSD50K.ground_truth/{dev,eval,vocabulary}.csv`` beside ``FSD50K.dev_audio/<id>.wav`` and
``FSD50K.eval_audio/<id>.wav``. ``dev.csv`` has fname, labels, mids and split (train or val), ``eval.csv`` no split:
the parts are train, valid and test. Labels are joined by commas and already hold the ancestors in the ontology.
Classes stand in the order of ``vocabulary.csv`` (index, label, mid, no header), else by name. Where one of the two
parts is not there it is left out; a listed sound that is not there is a counted failure.

The uploader, the title and the licence of each clip are in ``FSD50K.metadata/{dev,eval}_clips_info_FSD50K.json``.
Without these files groups are undeclared.

Reference: E. Fonseca et al., FSD50K: An Open Dataset of Human-Labeled Sound Events, IEEE/ACM Transactions on Audio,
Speech, and Language Processing 30, 2022, doi 10.1109/TASLP.2021.3133208.
"""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.delimited import read_delimited
from otoscope.data.listed import listed_paths, root_of
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names, require_columns
from otoscope.errors import DataLayoutError

PARTS = ("dev", "eval")
SPLITS = {"train": "train", "val": "valid"}
"""What ``dev.csv`` calls a part -> what we call it."""

_TRUTH = "FSD50K.ground_truth"
_EXPECTED = "FSD50K.ground_truth/dev.csv (or eval.csv) beside FSD50K.dev_audio/ (or FSD50K.eval_audio/)"


def load(rest: str) -> Clips:
    """Return FSD50K laid out as published, split train, valid and test, several labels a clip: fsd50k:PATH.

    Parameters
    ----------
    rest : str
        The folder with ``FSD50K.ground_truth``, or the one above it.

    Raises
    ------
    DataLayoutError
        If no part is there, or a table cannot be used.
    """
    root = root_of(rest, "FSD50K", _EXPECTED, ["*"], lambda folder: bool(_parts(folder)))
    frame = pl.concat([_part(root, part) for part in _parts(root)], how="diagonal")
    declared = "group" in frame.columns and frame["group"].null_count() < frame.height
    if "group" in frame.columns:
        frame = frame.with_columns(group=pl.col("group").fill_null(pl.col("path")))
    return assemble(
        frame,
        [LabelSet("label", _classes(root, frame), "multi")],
        FileSource(root),
        name="fsd50k",
        spec=f"fsd50k:{rest}",
        expected=_EXPECTED,
        group_declared=declared,
    )


def _parts(folder: Path) -> list[str]:
    return [
        one
        for one in PARTS
        if (folder / _TRUTH / f"{one}.csv").is_file() and (folder / f"FSD50K.{one}_audio").is_dir()
    ]


def _part(root: Path, part: str) -> pl.DataFrame:
    """Return path, split, label and the metadata of one part."""
    file = root / _TRUTH / f"{part}.csv"
    frame = read_delimited(file, text=("fname", "labels", "mids", "split"))
    require_columns(frame, ("fname", "labels", *(["split"] if part == "dev" else [])), file)
    if part == "eval":
        split = pl.lit("test")
    else:
        odd = sorted(set(frame["split"].to_list()) - SPLITS.keys(), key=str)
        if odd:
            raise DataLayoutError(f"{file}: split is train or val, got {odd[0]!r}")
        split = pl.col("split").replace_strict(SPLITS)
    paths = [f"FSD50K.{part}_audio/{one}.wav" for one in frame["fname"]]
    table = frame.select(
        path=listed_paths(paths, root, f"{_TRUTH}/{part}.csv"),
        fname=pl.col("fname"),
        split=split,
        label=pl.col("labels").str.split(","),
    )
    return table.join(_info(root, part), on="fname", how="left", maintain_order="left").drop("fname")


def _info(root: Path, part: str) -> pl.DataFrame:
    """Return fname, group, title, author and license; only fname where there is no metadata."""
    file = root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json"
    if not file.is_file():
        return pl.DataFrame(schema={"fname": pl.String})
    try:
        clips = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataLayoutError(f"{file} is no JSON: {error}") from error
    rows = [
        (name, one.get("uploader"), one.get("title"), one.get("uploader"), one.get("license"))
        for name, one in clips.items()
    ]
    schema = dict.fromkeys(("fname", "group", "title", "author", "license"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _classes(root: Path, frame: pl.DataFrame) -> tuple[str, ...]:
    """Return the classes in the order of the vocabulary; those that it does not name follow."""
    found = class_names(frame["label"].explode().drop_nulls().to_list())
    file = root / _TRUTH / "vocabulary.csv"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    listed = [cells[1] for line in lines if len(cells := line.split(",")) == 3]
    return tuple(dict.fromkeys([*listed, *found]))
