"""Does Ray cost anything, does a second worker help, and does the driver stay small?

* ``ray_over_local``: one Ray worker against this process, one thread each, on blocks that take long (aim <= 1.05);
* ``two_over_one``: two single-threaded Ray workers against one (aim >= 1.8);
  both are seconds per clip beyond a first block for each worker, so that the start of Ray's workers is not in them;
* ``driver``: peak memory of a driver that hands out 10^3 and 10^5 (quick: 10^2 and 10^3) blocks of next to no work;
* ``merge``: microseconds per neuron to merge two summaries, and their bytes.

The network is an AST of a few blocks with random weights, the sounds are seeded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.sounds import synthesised

_RECORD = """
import json, sys, time
import torch
torch.set_num_threads(1)
from otoscope.data import open_data
from otoscope.models import transformer
from otoscope.record.config import RecordConfig
from otoscope.record.job import Job, create_arrays
from otoscope.record.layers import resolve
from otoscope.record.probe import probe
from otoscope.record.work import Recording
from otoscope.record import stage, summary
from otoscope.store import run as runs
from otoscope.work import blocks
from otoscope.work.engine import Engine, run
from pathlib import Path
folder, out, n, block, workers = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
clips = open_data(f"folder:{folder}?levels=-").select(limit=n)
model = transformer.build(("a", "b"), dim=384, depth=8, heads=6, clip_s=5.0).eval()
config = RecordConfig(block=block, batch_size=8, workers=0, evidence_clips=0)
layers, _ = probe(model, resolve(model, config.layers))
engine = Engine()
if workers:
    import logging, os, ray
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init(address="local", num_cpus=workers, **quiet)
    engine = Engine(name="ray", workers=workers)
def record(where, limit):
    some = clips.take(range(limit))
    made = runs.create(where, stage.identify(model, some, layers, config, where))
    job = Job(model, layers, some, made, config)
    create_arrays(job)
    started = time.perf_counter()
    run(blocks.plan(limit, block), job.summaries, Recording(job), summary.merge_files, engine)
    return time.perf_counter() - started
few = block * max(workers, 1)
short, whole = record(out / "short", few), record(out / "whole", n)
print(json.dumps({"start_s": short - (whole - short) * few / (n - few), "s_per_clip": (whole - short) / (n - few)}))
"""

_DRIVE = """
import json, sys
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from otoscope.store import tensors
from otoscope.work.blocks import Node, plan
from otoscope.work.engine import Engine, Finished, run
folder, n = Path(sys.argv[1]), int(sys.argv[2])
@dataclass
class Nothing:
    folder: Path
    name: str = "nothing"
    def begin(self, device, threads): pass
    def compute(self, blocks, set_aside):
        for one in blocks:
            Node(0, one.index).path(self.folder).write_bytes(b"1")
            yield Finished(one)
    def try_alone(self, row): pass
def merge(left, right, out):
    out.write_bytes(b"1")
run(plan(n, 1), folder, Nothing(folder), merge, Engine(name="ray", workers=2))
status = Path("/proc/self/status").read_text()
print(json.dumps({"peak_mb": int(status.partition("VmHWM:")[2].split()[0]) / 1024}))
"""

_MERGE = """
import json, sys, time
from pathlib import Path
import numpy as np
import torch
from otoscope.record import moments, summary
from otoscope.record.summary import EDGES, LayerSummary, Summary, no_ranks
folder, neurons = Path(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
def made(first):
    values = rng.normal(size=(256, neurons)).astype(np.float32)
    ranked = no_ranks(8, neurons, 64)
    layer = LayerSummary(moments.of_values(values), np.ones(neurons, np.int64), np.array([256]),
                         summary.histogram(values), ranked)
    rows = np.arange(first, first + 256)
    return Summary((layer,), {"rows": rows, "durations_s": np.ones(256), "source_rates": rows}, ())
for i in range(2):
    summary.write(folder / f"{i}.safetensors", made(256 * i))
times = []
for _ in range(5):
    started = time.perf_counter()
    summary.merge_files(folder / "0.safetensors", folder / "1.safetensors", folder / "2.safetensors")
    times.append(time.perf_counter() - started)
print(json.dumps({"us_per_neuron": 1e6 * sorted(times)[2] / neurons,
                  "bytes_per_neuron": (folder / "2.safetensors").stat().st_size / neurons}))
"""


def _run(job: str, *arguments: object) -> dict[str, float]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, "-c", job, *(str(one) for one in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(quick: bool) -> dict[str, Any]:
    """Return the ratios, the driver's memory and the cost of a merge."""
    clips, block = (16, 4) if quick else (320, 40)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthesised(folder, clips, 5.0)
        for kind, workers in (("local", 0), ("one_worker", 1), ("two_workers", 2)):
            figures[kind] = _run(_RECORD, folder / "sounds-5s", folder / kind, clips, block, workers)
        figures["ray_over_local"] = figures["one_worker"]["s_per_clip"] / figures["local"]["s_per_clip"]
        figures["two_over_one"] = figures["one_worker"]["s_per_clip"] / figures["two_workers"]["s_per_clip"]
        few, many = (100, 1_000) if quick else (1_000, 100_000)
        for n in (few, many):
            figures[f"driver_{n}_blocks"] = _run(_DRIVE, folder / f"drive-{n}", n)
        growth = figures[f"driver_{many}_blocks"]["peak_mb"] / figures[f"driver_{few}_blocks"]["peak_mb"] - 1
        figures["driver_growth"] = growth
        (folder / "merge").mkdir()
        figures["merge"] = _run(_MERGE, folder / "merge", 512 if quick else 3072)
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(quick="--quick" in sys.argv[1:]), indent=2))
