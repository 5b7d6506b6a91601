"""Zarr 3 arrays on disk: created once, filled block by block, read in columns.

A chunk spans one block of rows, so that blocks write without touching each other, and up to 1024 columns, so
that a few neurons are read without the rest of their layer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
import zarr.storage
from zarr.codecs import ZstdCodec

from otoscope.errors import FormatError, StageError, StoreError
from otoscope.store.place import is_remote

COLUMNS_PER_CHUNK = 1024


def create_array(path: Path, shape: tuple[int, ...], dtype: str, rows_per_chunk: int) -> None:
    """Create the array at ``path`` if it is not there; one of another shape or kind raises StoreError."""
    chunks = (rows_per_chunk, *(min(size, COLUMNS_PER_CHUNK) for size in shape[1:]))
    if (path / "zarr.json").is_file():
        existing = open_array(path)
        if existing.shape != shape or existing.dtype != np.dtype(dtype) or existing.chunks != chunks:
            raise StoreError(f"{path} holds {existing.shape} {existing.dtype}, expected {shape} {dtype}")
        return
    fill = float("nan") if np.dtype(dtype).kind == "f" else 0
    try:
        zarr.create_array(
            store=store_of(path),
            shape=shape,
            dtype=dtype,
            chunks=chunks,
            fill_value=fill,
            compressors=ZstdCodec(level=3),
        )
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def open_array(path: Path) -> Any:
    """Return the array at ``path`` for reading and writing rows.

    Raises
    ------
    StageError
        If there is none.
    FormatError
        If it is broken.
    """
    if not (path / "zarr.json").is_file():
        raise StageError(f"there is no array {path}: it was not recorded (see --store and --counts)")
    try:
        return zarr.open_array(store_of(path), mode="r+")
    except (ValueError, KeyError) as error:
        raise FormatError(f"{path} cannot be read as a Zarr array: {error}") from error


def store_of(path: Path) -> Any:
    """Return what Zarr takes for a place."""
    if not is_remote(path):
        return str(path)
    remote: Any = path
    return zarr.storage.FsspecStore.from_url(str(path), storage_options=dict(remote.storage_options))


def write_rows(path: Path, start: int, rows: np.ndarray[Any, Any], opened: Any = None) -> None:
    """Write ``rows`` at row ``start``; a full disk raises StoreError and the block counts as not done.

    Parameters
    ----------
    path : Path
        The array.
    start : int
        First row.
    rows : array
        The content.
    opened : optional
        The array as :func:`open_array` gave it, where it is written to again and again.
    """
    try:
        (open_array(path) if opened is None else opened)[start : start + len(rows)] = rows
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}. Finished blocks are kept."
        ) from error
