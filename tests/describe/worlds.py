"""A run of 240 clips from 120 sources in which neuron i of each layer follows word i of the captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from otoscope.store import arrays, tables
from otoscope.store import run as runs
from otoscope.store.run import Run, file_name

from .test_stage import WIDTHS, WORDS

N_CLIPS = 240


def make_spoken_run(root: Path, *, meant: bool = True) -> Run:
    """Return the run; with ``meant=False`` the captions have nothing to do with the neurons."""
    rng = np.random.default_rng(0)
    kind = np.repeat(rng.integers(0, 6, N_CLIPS // 2), 2)
    spoken = kind if meant else np.repeat(rng.integers(0, 6, N_CLIPS // 2), 2)
    layers = [{"name": name, "n_neurons": width, "pooling": "mean"} for name, width in WIDTHS.items()]
    data = {"spec": "made:", "hash": "0", "n_clips": N_CLIPS, "group_declared": True, "label_sets": []}
    run = runs.create(root, {"model": {"spec": "made:"}, "data": data, "layers": layers, "seed": 0})
    clips = {
        "row": range(N_CLIPS),
        "id": [f"{n}.wav" for n in range(N_CLIPS)],
        "group": [f"g{n // 2}" for n in range(N_CLIPS)],
        "status": ["failed" if n == 7 else "ok" for n in range(N_CLIPS)],
    }
    tables.write(root / "clips.parquet", pl.DataFrame(clips))
    for name, width in WIDTHS.items():
        values = rng.normal(size=(N_CLIPS, width)) + 3.0 * (kind[:, None] == np.arange(width))
        values[7] = np.nan
        path = root / "activations" / f"{file_name(name)}.zarr"
        arrays.create_array(path, (N_CLIPS, width), "float32", 60)
        arrays.write_rows(path, 0, values.astype(np.float32))
    signed = [False] * 9 + [True] * 6
    tables.write(root / "neurons.parquet", pl.DataFrame({"neuron": range(15), "signed": signed}))
    said = {"row": range(N_CLIPS), "text": [WORDS[one] for one in spoken], "status": ["ok"] * N_CLIPS}
    tables.write(root / "captions" / "words-1234.parquet", pl.DataFrame(said))
    return run
