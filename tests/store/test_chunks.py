"""Whole chunks are written with the bytes that Zarr writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otoscope.store import arrays, chunks
from otoscope.store.place import place


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()
    }


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint32"])
@pytest.mark.parametrize("shape", [(10, 3), (8, 1024), (9, 2500)])
def test_the_bytes_are_those_of_zarr(tmp_path: Path, dtype: str, shape: tuple[int, int]) -> None:
    chance = np.random.default_rng(0)
    values = (chance.standard_normal(shape) * 50).clip(0 if dtype == "uint32" else None, None).astype(dtype)
    values[:4] = np.nan if dtype != "uint32" else 0  # a chunk without a file
    for name in ("ours", "zarrs"):
        arrays.create_array(tmp_path / name, shape, dtype, 4)
    for start in range(0, shape[0], 4):
        rows = values[start : start + 4]
        opened = arrays.open_array(tmp_path / "ours")
        assert chunks.fit(tmp_path / "ours", opened, start, len(rows))
        arrays.write_rows(tmp_path / "ours", start, rows, opened)
        arrays.open_array(tmp_path / "zarrs")[start : start + 4] = rows
    assert files(tmp_path / "ours") == files(tmp_path / "zarrs")
    assert not [name for name in files(tmp_path / "ours") if name.startswith("c/0/")]
    np.testing.assert_array_equal(arrays.open_array(tmp_path / "ours")[:], values)
    arrays.write_rows(tmp_path / "ours", 4, values[:4])
    assert not list((tmp_path / "ours" / "c" / "1").iterdir()), (
        "a chunk that became empty has no file any more"
    )


def test_parts_of_chunks_other_codecs_and_other_places_are_left_to_zarr(tmp_path: Path) -> None:
    arrays.create_array(tmp_path / "a", (10, 3), "float32", 4)
    opened = arrays.open_array(tmp_path / "a")
    assert not chunks.fit(tmp_path / "a", opened, 2, 4) and not chunks.fit(tmp_path / "a", opened, 4, 3)
    assert chunks.fit(tmp_path / "a", opened, 4, 6) and not chunks.fit(tmp_path / "a", opened, 8, 0)
    assert not chunks.fit(place("memory://run/a"), opened, 4, 4)
    values = np.arange(18, dtype=np.float32).reshape(6, 3)
    arrays.write_rows(tmp_path / "a", 2, values)
    np.testing.assert_array_equal(arrays.open_array(tmp_path / "a")[2:8], values)
