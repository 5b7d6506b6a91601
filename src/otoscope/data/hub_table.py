"""The table of clips of one split of a dataset of the ``datasets`` library; no sound is loaded for it."""

from __future__ import annotations

import importlib
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from otoscope.data.hub_labels import item_of
from otoscope.errors import UnknownNameError

_OURS = ("row", "id", "path", "start_s", "end_s", "split", "hub_row", "hub_bytes")
_BATCH = 1000


def split_table(part: Any, sounds: Any, split: str, audio: str, ids: str) -> pl.DataFrame:
    """Return one row a clip: split, path (its name), where its sound is, and the dataset's flat columns.

    Parameters
    ----------
    part : datasets.Dataset
        The split.
    sounds : datasets.Dataset
        Its column of sounds alone, undecoded.
    split, audio : str
        Names of the split and of the column with the sounds.
    ids : str
        Column that names the clips; empty: the file names where they are unique. Else the row's number.
    """
    given = _flat_columns(part, audio)
    if ids and ids not in given.columns:
        raise UnknownNameError.of("column for the ids", ids, given.columns)
    sizes, paths = _stored(sounds, audio)
    names = given[ids].cast(pl.String).to_list() if ids else _file_names(paths)
    ids_of = [f"{split}/{f'{row:06d}' if one is None else one}" for row, one in enumerate(names)]
    own = pl.DataFrame(
        {
            "path": pl.Series(ids_of, dtype=pl.String),
            "split": pl.Series([split] * len(sizes), dtype=pl.String),
            "hub_row": pl.Series(range(len(sizes)), dtype=pl.Int64),
            "hub_bytes": pl.Series(sizes, dtype=pl.Int64),
        }
    )
    given = given.rename({one: f"{one}_given" for one in _OURS if one in given.columns})
    licence = str(part.info.license or "")
    if licence and "license" not in given.columns:
        own = own.with_columns(license=pl.lit(licence))
    return pl.concat([own, given], how="horizontal") if given.width else own


def _flat_columns(part: Any, audio: str) -> pl.DataFrame:
    """Return the columns of texts, numbers and labels, and lists of these."""
    kept = [name for name, one in part.features.items() if name != audio and _is_flat(item_of(one) or one)]
    if not kept:
        return pl.DataFrame()
    found = pl.from_arrow(part.select_columns(kept).with_format("arrow")[:])
    return found if isinstance(found, pl.DataFrame) else found.to_frame()


def _is_flat(feature: Any) -> bool:
    kind = type(feature).__name__
    return kind == "ClassLabel" or (kind == "Value" and "binary" not in feature.dtype)


def _stored(sounds: Any, audio: str) -> tuple[list[int], list[str | None]]:
    """Return the number of bytes (-1 where there are none) and the path of each sound, without loading one."""
    length = importlib.import_module("pyarrow.compute").binary_length
    flat = sounds.flatten().with_format("arrow")
    inside, beside = f"{audio}.bytes", f"{audio}.path"
    if inside not in flat.column_names and beside not in flat.column_names:
        one_is_bytes = "binary" in str(getattr(flat.features[audio], "dtype", ""))
        inside, beside = (audio, "") if one_is_bytes else ("", audio)
    sizes: list[int] = []
    paths: list[str | None] = []
    for batch in flat.iter(batch_size=_BATCH):
        n = batch.num_rows
        found = length(batch[inside]).to_pylist() if inside in flat.column_names else [None] * n
        sizes += [-1 if one is None else one for one in found]
        paths += batch[beside].to_pylist() if beside in flat.column_names else [None] * n
    return sizes, paths


def _file_names(paths: list[str | None]) -> list[str | None]:
    """Return each sound's file name; none at all where one is missing or stands twice."""
    names = [PurePosixPath(one).name if one else None for one in paths]
    return names if all(names) and len(set(names)) == len(names) else [None] * len(names)
