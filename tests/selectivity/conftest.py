"""A recorded run, written without a network: counts of two layers, three label sets, groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.store import arrays, tables
from otoscope.store import run as runs
from otoscope.store.run import Run
from tests.selectivity import worlds

WIDTHS = (12, 20)


def write_run(root: Path, seed: int = 0, weights_hash: str = "w", pooling: str = "mean") -> Run:
    """Write a run of 121 clips, the last of which failed."""
    labelling = worlds.task()
    layers = worlds.layers(labelling, WIDTHS, seed=seed)
    kind = [f"class {one}" for one in labelling.weights.argmax(axis=1)]
    side = [["left", "right"][one % 2] for one in range(120)]
    marks = [["x"] if one % 3 else ["x", "y"] for one in range(120)]
    run = runs.create(root, _identity(layers, weights_hash, pooling))
    clips = pl.DataFrame(
        {
            "row": range(121),
            "id": [str(one) for one in range(121)],
            "group": [f"g{one}" for one in labelling.groups] + ["g-failed"],
            "fold": [*(int(one) // 4 % 3 + 1 for one in labelling.groups), 1],
            "split": [*(["train", "test"][int(one) // 4 % 3 == 2] for one in labelling.groups), None],
            "kind": [*kind, None],
            "side": [*side, None],
            "marks": [*marks, None],
            "status": ["ok"] * 120 + ["failed"],
        }
    )
    tables.write(root / "clips.parquet", clips)
    positions = root / runs.POSITIONS
    arrays.create_array(positions, (121, 2), "uint32", 64)
    arrays.write_rows(positions, 0, np.full((121, 2), worlds.POSITIONS, np.uint32))
    for layer in layers:
        counts = np.concatenate([layer.read(slice(None)).counts, np.zeros((1, layer.n_neurons))])
        for part, table in (
            ("counts", counts.astype(np.uint32)),
            ("activations", (counts / 100 - 0.4).astype("f4")),
        ):
            path = root / part / f"{runs.file_name(layer.name)}.zarr"
            arrays.create_array(path, table.shape, str(table.dtype), 64)
            arrays.write_rows(path, 0, table)
    runs.commit_stage(run, "record", 1, {"seed": seed}, {}, ["clips.parquet"])
    return runs.open_run(root)


def _identity(layers, weights_hash: str, pooling: str) -> dict:
    sets = [
        {"name": "kind", "classes": [f"class {one}" for one in range(4)], "kind": "single"},
        {"name": "side", "classes": ["left", "right"], "kind": "single"},
        {"name": "marks", "classes": ["x", "y"], "kind": "multi"},
    ]
    return {
        "model": {"weights_hash": weights_hash},
        "data": {"label_sets": sets, "group_declared": True},
        "layers": [{"name": one.name, "n_neurons": one.n_neurons, "pooling": pooling} for one in layers],
    }


@pytest.fixture
def run(tmp_path) -> Run:
    return write_run(tmp_path / "run")
