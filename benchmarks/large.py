"""What does a large probing set cost to describe and to select from? 200,000 clips x 3,072 neurons, 1,000 concepts.

Activations and counts are made up from a seed and lie on the disk as a recording leaves them; every function reads them
in blocks of neurons, in a fresh process. ``growth_mb`` is the growth of the process's peak beyond affinities, labels
and imports.

``rank_reorder`` sorts the 10,000 highest clips of each neuron under each concept; its time is proportional to the
neurons, so it is measured on the first 128 (``neurons``). ``select`` tests by AUROC whether neurons belong to one of
1,000 classes, each of 20 groups of 10 clips, with 20 permutations of the groups.

On two cores the whole takes about seven minutes: 40 s to write, 100 s for four similarity functions, 60 s for
``rank_reorder``, 220 s for ``select``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.store import arrays
from otoscope.store import run as runs

FUNCTIONS = ("cos", "cos_cubed", "wpmi", "soft_wpmi", "rank_reorder")
FEW = 128
"""Neurons on which ``rank_reorder`` is measured."""
POSITIONS = 190
"""Of each clip."""

_PEAK = """
import json, sys, time
from pathlib import Path
import numpy as np
from otoscope.store import arrays, run as runs
def peak_mb():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
run = runs.open_run(sys.argv[1])
"""

_DESCRIBE = """
import otoscope.describe.similarity as similarity
function, concepts, neurons = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
whole = arrays.open_array(run.root / "activations" / "layer.zarr")
activations = whole if neurons == whole.shape[1] else np.asarray(whole[:, :neurons])
affinities = np.random.default_rng(1).random((activations.shape[0], concepts), dtype=np.float32)
getattr(similarity, function)(np.zeros((8, 2), np.float32) + np.arange(8)[:, None], affinities[:8, :2])
before, started = peak_mb(), time.perf_counter()
scores = getattr(similarity, function)(activations, affinities)
print(json.dumps({"s": time.perf_counter() - started, "growth_mb": peak_mb() - before, "neurons": scores.shape[0]}))
"""

_SELECT = """
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.firing import from_run
from otoscope.selectivity.labels import Labelling
from otoscope.selectivity.measure import measure
clips, classes, groups = (int(one) for one in sys.argv[2:])
group = np.arange(clips) % groups
weights = np.zeros((clips, classes), np.float32)
weights[np.arange(clips), group % classes] = 1
task = Labelling("made up", tuple(map(str, range(classes))), np.arange(clips), weights, group.astype(str))
layers = from_run(run, np.arange(clips), layers=(), unit="token", activations=False)
before, started = peak_mb(), time.perf_counter()
found = measure(layers, task, SelectConfig(n_permutations=20))
print(json.dumps({"s": time.perf_counter() - started, "growth_mb": peak_mb() - before,
                  "neurons": int(found.evidence.p.size)}))
"""


def measure(quick: bool) -> dict[str, Any]:
    """Return seconds and memory of each similarity function and of a selection."""
    clips, neurons, concepts = (4_000, 512, 100) if quick else (200_000, 3_072, 1_000)
    figures: dict[str, Any] = {
        "activations_mb": clips * neurons * 4 / 1e6,
        "counts_mb": clips * neurons * 4 / 1e6,
        "affinities_mb": clips * concepts * 4 / 1e6,
    }
    with tempfile.TemporaryDirectory() as name:
        root = made_up(Path(name) / "run", clips, neurons)
        for function in FUNCTIONS:
            read = FEW if function == "rank_reorder" else neurons
            figures[function] = _alone(_DESCRIBE, root, function, concepts, read)
        figures["select"] = _alone(_SELECT, root, clips, concepts, clips // 10)
    return figures


def made_up(root: Path, clips: int, neurons: int) -> Path:
    """Write a run of one layer with seeded activations and counts, and return its folder."""
    layer = {"name": "layer", "n_neurons": neurons, "pooling": "mean", "geometry": None}
    run, rng = runs.create(root, {"layers": [layer]}), np.random.default_rng(0)
    kinds: dict[str, tuple[int, str, Callable[[tuple[int, int]], Any]]] = {
        "activations/layer.zarr": (neurons, "float32", lambda shape: rng.standard_normal(shape, np.float32)),
        "counts/layer.zarr": (neurons, "uint32", lambda shape: rng.integers(0, POSITIONS, shape, np.uint8)),
        runs.POSITIONS: (1, "uint32", lambda shape: np.full(shape, POSITIONS)),
    }
    for place, (width, kind, drawn) in kinds.items():
        path = run.root / place
        arrays.create_array(path, (clips, width), kind, 256)
        opened = arrays.open_array(path)
        for start in range(0, clips, 256):
            arrays.write_rows(path, start, drawn((min(256, clips - start), width)).astype(kind), opened)
    return root


def _alone(job: str, *arguments: object) -> dict[str, float]:
    """Return what a job says that has a process of its own."""
    command = [sys.executable, "-c", _PEAK + job, *(str(one) for one in arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(quick="--quick" in sys.argv[1:]), indent=2))
