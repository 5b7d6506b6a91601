"""The offline explainer on titles of real recordings: against its own control, and where there is nothing to find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.data import open_data
from otoscope.describe.stage import describe
from otoscope.describe.summary import SummaryConfig
from otoscope.store import arrays, tables
from otoscope.store import run as runs

pytestmark = pytest.mark.real


def notes_of(root: Path, test_data: Path, class_effect: float) -> dict:
    """Return the notes of the summaries of 20 neurons: a class and a source effect each, on the clips of ESC-10."""
    clips = open_data(f"esc50:{test_data / 'esc10'}").table
    rng = np.random.default_rng(0)
    kind = np.unique(clips["category"], return_inverse=True)[1]
    source = np.unique(clips["group"], return_inverse=True)[1]
    values = rng.normal(size=(len(clips), 20)) + 0.9 * rng.normal(size=(source.max() + 1, 20))[source]
    values += class_effect * (kind[:, None] == np.arange(20) % 10)
    layers = [{"name": "net", "n_neurons": 20, "pooling": "mean"}]
    data = {"spec": "esc50:", "hash": "0", "n_clips": len(clips), "group_declared": True, "label_sets": []}
    run = runs.create(root, {"model": {"spec": "made:"}, "data": data, "layers": layers, "seed": 0})
    rows = clips.select("id", "group").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    tables.write(root / "clips.parquet", rows.with_columns(status=pl.lit("ok")))
    tables.write(root / "neurons.parquet", pl.DataFrame({"neuron": range(20), "signed": [False] * 20}))
    path = root / "activations" / "net.zarr"
    arrays.create_array(path, values.shape, "float32", 100)
    arrays.write_rows(path, 0, values.astype(np.float32))
    said = pl.DataFrame({"row": range(len(clips)), "text": clips["title"], "status": ["ok"] * len(clips)})
    tables.write(root / "captions" / "titles-1.parquet", said)
    name = describe(run, SummaryConfig(captions="titles"), method="summary")
    notes: dict = runs.read_stage(run, f"describe-{name}")["notes"]
    return notes


def test_it_beats_shuffled_titles_on_held_out_clips(tmp_path: Path, test_data: Path) -> None:
    found = notes_of(tmp_path / "run", test_data, 3.0)["advantage"]
    assert found["mean"] > 0.25 and found["low"] > 0.15


def test_neurons_that_follow_sources_alone_give_nothing(tmp_path: Path, test_data: Path) -> None:
    found = notes_of(tmp_path / "run", test_data, 0.0)["advantage"]
    assert abs(found["mean"]) < 0.05 and found["low"] < 0.05
