"""How long does it take to test every neuron of a transformer against permuted labels, and in how much memory?

``python -m benchmarks --only selection``, or alone: ``python -m benchmarks.selection`` prints one JSON object.

The size of a study of ViT-Base: 12 layers of 3,072 neurons, 2,000 clips of 50 classes in 400 groups of one class each
(``by_group``) or each a group of its own (``by_clip``), 1,000 permutations. Counts are made up from a seed; reading
from the disk is not in the time. ``s`` is the test of every neuron; for the default selector ``whole_s`` adds what
``otoscope select`` does beside it: 20 selections with permuted labels, and 5 halvings, each half tested like the whole.
Memory is the growth of the process's peak beyond the counts, in a fresh process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

_JOB = """
import json, sys, time
from pathlib import Path
import numpy as np
from otoscope.registry import lookup
from otoscope.selectivity import SELECTORS
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.firing import from_arrays
from otoscope.selectivity.labels import Labelling
from otoscope.selectivity.measure import again, measure, stability
def peak_mb():
    status = Path("/proc/self/status")
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024 if status.exists() else float("nan")
method, layers, width, clips, classes, groups, permutations, whole = sys.argv[1], *map(int, sys.argv[2:])
rng = np.random.default_rng(0)
base = rng.integers(0, 190, size=(clips, width), dtype=np.uint8)
counts = {f"layer {one}": np.roll(base, one * 7, axis=0) for one in range(layers)}
group = np.arange(clips) % groups
weights = np.eye(classes, dtype=np.float32)[group % classes]
task = Labelling("made up", tuple(map(str, range(classes))), np.arange(clips), weights, group.astype(str))
before, started = peak_mb(), time.perf_counter()
options = SelectConfig(method=method, n_permutations=permutations)
found = measure(from_arrays(counts, np.full(clips, 190)), task, options)
told = {"s": time.perf_counter() - started}
if whole:
    list(again(found, options, options.n_chance)), stability(found, options)
    told["whole_s"] = time.perf_counter() - started
print(json.dumps({**told, "growth_mb": peak_mb() - before, "size": float((found.evidence.p <= 0.05).mean())}))
"""
METHODS = ("auroc", "entropy", "mean-difference", "fisher", "mutual-information")


def one(method: str, *sizes: int) -> dict[str, Any]:
    """Return seconds, memory in MB and the share of p <= 0.05 of one selection in a fresh process."""
    arguments = [sys.executable, "-c", _JOB, method, *(str(size) for size in sizes)]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


def measure(quick: bool) -> dict[str, Any]:
    """Return time and memory by method and by what is permuted."""
    layers, width, clips, classes, permutations = (
        (2, 256, 400, 10, 100) if quick else (12, 3072, 2000, 50, 1000)
    )
    figures: dict[str, Any] = {"cores": os.cpu_count(), "neurons": layers * width}
    for method in METHODS:
        for kind, groups in (("by_group", clips // 5), ("by_clip", clips)):
            whole = int(method == METHODS[0] and kind == "by_group")
            figures[f"{method}.{kind}"] = one(
                method, layers, width, clips, classes, groups, permutations, whole
            )
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(quick="--quick" in sys.argv[1:]), indent=2))
