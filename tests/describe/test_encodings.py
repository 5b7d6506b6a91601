"""What describing costs in encodings: clips + concepts, whatever functions and layers are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from otoscope.describe import SIMILARITIES
from otoscope.describe.config import DescribeConfig
from otoscope.describe.presets import preset
from otoscope.describe.stage import describe
from otoscope.store import arrays, tables
from otoscope.store import run as runs
from otoscope.store.run import Run

CLIPS, CONCEPTS, LAYERS = 2000, 50, {"hidden": 30, "logits": 50}


class Counting:
    """A slow-looking encoder of 24 dimensions."""

    id = "counting:1"

    def __init__(self) -> None:
        self.n_encoded = 0

    def encode(self, texts):
        self.n_encoded += len(texts)
        rows = np.stack([np.random.default_rng([*text.encode()]).normal(size=24) for text in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def make_run(root: Path) -> Run:
    rng = np.random.default_rng(0)
    layers = [{"name": name, "n_neurons": width, "pooling": "mean"} for name, width in LAYERS.items()]
    data = {"spec": "made:", "hash": "0", "n_clips": CLIPS, "group_declared": True, "label_sets": []}
    run = runs.create(root, {"model": {"spec": "made:"}, "data": data, "layers": layers, "seed": 0})
    rows = {"row": range(CLIPS), "group": [f"g{n // 4}" for n in range(CLIPS)], "status": ["ok"] * CLIPS}
    tables.write(root / "clips.parquet", pl.DataFrame(rows))
    for name, width in LAYERS.items():
        path = root / "activations" / f"{name}.zarr"
        arrays.create_array(path, (CLIPS, width), "float32", 500)
        arrays.write_rows(path, 0, rng.normal(size=(CLIPS, width)).astype(np.float32))
    tables.write(root / "neurons.parquet", pl.DataFrame({"neuron": range(80), "signed": [True] * 80}))
    texts = [f"caption number {n}" for n in range(CLIPS)]
    said = pl.DataFrame({"row": range(CLIPS), "text": texts, "status": ["ok"] * CLIPS})
    tables.write(root / "captions" / "said-1234.parquet", said)
    return run


def test_five_functions_cost_clips_plus_concepts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    words = tmp_path / "words.txt"
    words.write_text("\n".join(f"concept_{n}" for n in range(CONCEPTS)))
    given = {"captions": "said", "concepts": f"file:{words}", "permutations": 0, "replicates": 2}
    encoders = []
    for function in SIMILARITIES:
        encoders.append(Counting())  # a new process knows nothing but the run
        describe(run, DescribeConfig(function=function, **given), encoder=encoders[-1])
    assert [one.n_encoded for one in encoders] == [CLIPS + CONCEPTS, 0, 0, 0, 0]
    published = Counting()  # the published way: five clips for hidden layers, names as they are written
    describe(run, preset("and-2024", **given), encoder=published)
    assert published.n_encoded == CONCEPTS
