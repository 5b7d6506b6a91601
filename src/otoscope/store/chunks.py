"""Whole chunks of a local array, written as Zarr writes them but without its event loop: small ones are faster.

A chunk of the arrays that :mod:`otoscope.store.arrays` makes is its values in C order, little-endian, padded with the
fill value to the full chunk, compressed with zstd; its file is ``c/<row of chunks>/<column of chunks>``. A chunk of
nothing but the fill value has no file. (Zarr core specification 3.1.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numcodecs.zstd import Zstd  # type: ignore[import-untyped]
from zarr.codecs import BytesCodec, ZstdCodec

from otoscope.store.place import is_remote

ZSTD_LEVEL = 3
PARTIAL = ".partial"
"""End of the name of a file that is being written."""

_CODECS = (BytesCodec(), ZstdCodec(level=ZSTD_LEVEL))


def fit(path: Path, array: Any, start: int, n_rows: int) -> bool:
    """Return whether rows of an array are whole chunks of a local one that we made."""
    if is_remote(path) or array.ndim != 2 or tuple(array.metadata.codecs) != _CODECS:
        return False
    ends = n_rows % array.chunks[0] == 0 or start + n_rows == array.shape[0]
    return bool(n_rows and start % array.chunks[0] == 0 and ends and array.shape[1])


def write(path: Path, array: Any, start: int, rows: np.ndarray[Any, Any]) -> None:
    """Write rows that :func:`fit` said to be whole chunks."""
    size, width = array.chunks
    for row in range(0, len(rows), size):
        folder = path / "c" / str((start + row) // size)
        folder.mkdir(parents=True, exist_ok=True)
        for column in range(0, array.shape[1], width):
            part = rows[row : row + size, column : column + width]
            _put(folder / str(column // width), part, array)


def _put(file: Path, part: np.ndarray[Any, Any], array: Any) -> None:
    chunk = np.full(array.chunks, array.fill_value, dtype=array.dtype.newbyteorder("<"))
    chunk[: part.shape[0], : part.shape[1]] = part
    empty = np.isnan(chunk) if np.isnan(array.fill_value) else chunk == array.fill_value
    if empty.all():
        file.unlink(missing_ok=True)
        return
    partial = file.with_name(file.name + PARTIAL)
    partial.write_bytes(Zstd(level=ZSTD_LEVEL).encode(chunk))
    partial.replace(file)
