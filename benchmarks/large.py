"""What does a large probing set cost to describe? 200,000 clips x 3,072 neurons x 1,000 concepts, read from Zarr.

Activations are made up from a seed and lie on the disk as a recording leaves them; each function reads them in blocks
of neurons. Memory is the growth of the process's peak beyond affinities and imports, in a fresh process each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.store import arrays

FUNCTIONS = ("cos", "cos_cubed", "wpmi", "soft_wpmi", "rank_reorder")

_JOB = """
import json, sys, time
from pathlib import Path
import numpy as np
import otoscope.describe.similarity as similarity
from otoscope.store import arrays
def peak_mb():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
path, function, concepts = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
activations = arrays.open_array(path)
affinities = np.random.default_rng(1).random((activations.shape[0], concepts), dtype=np.float32)
getattr(similarity, function)(np.zeros((8, 2), np.float32) + np.arange(8)[:, None], affinities[:8, :2])
before, started = peak_mb(), time.perf_counter()
scores = getattr(similarity, function)(activations, affinities)
print(json.dumps({"s": time.perf_counter() - started, "growth_mb": peak_mb() - before, "neurons": scores.shape[0]}))
"""


def measure(quick: bool) -> dict[str, Any]:
    """Return seconds and memory of each similarity function."""
    clips, neurons, concepts = (4_000, 512, 100) if quick else (200_000, 3_072, 1_000)
    figures: dict[str, Any] = {
        "activations_mb": clips * neurons * 4 / 1e6,
        "affinities_mb": clips * concepts * 4 / 1e6,
    }
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "layer.zarr"
        arrays.create_array(path, (clips, neurons), "float32", 256)
        opened = arrays.open_array(path)
        for start in range(0, clips, 256):
            rows = min(256, clips - start)
            arrays.write_rows(path, start, rng.normal(size=(rows, neurons)).astype(np.float32), opened)
        for function in FUNCTIONS:
            command = [sys.executable, "-c", _JOB, str(path), function, str(concepts)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            figures[function] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(quick="--quick" in sys.argv[1:]), indent=2))
