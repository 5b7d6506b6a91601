"""Does Ray cost anything, does a second worker help, and does the driver stay small?

* ``ray_over_local``: one Ray worker against this process, one thread each, on blocks of 30 s and more (aim <= 1.05);
* ``two_over_one``: two single-threaded Ray workers against one (aim >= 1.8);
  both are seconds per clip from the begin of a process's first block to the end of its last, merging included, the
  start of Ray's workers not;
* ``driver``: peak memory of a driver that hands out 10^3 and 10^5 (quick: 10^2 and 300) blocks of next to no work, and
  its milliseconds per block between the two;
* ``merge``: microseconds per neuron to merge two summaries, and their bytes.

The network is an AST of a few blocks with random weights, the sounds are seeded and last 30 s: eleven windows. Two
blocks of 80 clips a process are 70 s each way on a core that takes 40 ms a window.
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
import json, logging, os, sys, time
from dataclasses import dataclass
from pathlib import Path
import torch
torch.set_num_threads(1)
from otoscope.data import open_data
from otoscope.models import transformer
from otoscope.record import stage, summary
from otoscope.record.config import RecordConfig
from otoscope.record.job import Job, create_arrays
from otoscope.record.layers import resolve
from otoscope.record.probe import probe
from otoscope.record.work import Recording
from otoscope.store import run as runs
from otoscope.work import blocks
from otoscope.work.engine import Engine, run
folder, out, n, block = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
clips = open_data(f"folder:{folder}?levels=-").select(limit=n)
model = transformer.build(("a", "b"), dim=384, depth=8, heads=6, clip_s=5.0).eval()
config = RecordConfig(block=block, batch_size=8, workers=0, evidence_clips=0)
layers, _ = probe(model, resolve(model, config.layers))
@dataclass
class Timed(Recording):
    times: Path = Path()
    def begin(self, device, threads):
        super().begin(device, threads)
        self.try_alone(0)
    def compute(self, todo, set_aside):
        started = time.time()
        yield from super().compute(todo, set_aside)
        said = [os.getpid(), started, time.time(), sum(one.n_rows for one in todo)]
        (self.times / str(todo[0].index)).write_text(json.dumps(said))
def s_per_clip(name, limit, engine):
    where = out / name
    made = runs.create(where, stage.identify(model, clips.take(range(limit)), layers, config, where))
    job = Job(model, layers, clips.take(range(limit)), made, config)
    create_arrays(job)
    (where / "times").mkdir()
    work = Timed(job, times=where / "times")
    if engine.name == "local":
        work.begin("cpu", 1)
    run(blocks.plan(limit, block), job.summaries, work, summary.merge_files, engine)
    said = [json.loads(one.read_text()) for one in work.times.iterdir()]
    rates = []
    for process in {one[0] for one in said}:
        own = [one for one in said if one[0] == process]
        rates.append(sum(one[3] for one in own) / (max(one[2] for one in own) - min(one[1] for one in own)))
    return 1 / sum(rates)
import ray
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
found = {"local": s_per_clip("local", n // 2, Engine())}
quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
ray.init(address="local", num_cpus=2, **quiet)
found["one_worker"] = s_per_clip("one", n // 2, Engine(name="ray", workers=1))
found["two_workers"] = s_per_clip("two", n, Engine(name="ray", workers=2))
print(json.dumps(found))
"""

_DRIVE = """
import json, sys, time
from dataclasses import dataclass
from pathlib import Path
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
started = time.perf_counter()
run(plan(n, 1), folder, Nothing(folder), merge, Engine(name="ray", workers=2))
status = Path("/proc/self/status").read_text()
print(json.dumps({"s": time.perf_counter() - started, "peak_mb": int(status.partition("VmHWM:")[2].split()[0]) / 1024}))
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
    clips, block, seconds = (8, 2, 5.0) if quick else (320, 80, 30.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthesised(folder, clips, seconds)
        figures: dict[str, Any] = dict(_run(_RECORD, folder / f"sounds-{seconds:g}s", folder, clips, block))
        figures["block_s"] = block * figures["local"]
        figures["ray_over_local"] = figures["one_worker"] / figures["local"]
        figures["two_over_one"] = figures["one_worker"] / figures["two_workers"]
        few, many = (100, 300) if quick else (1_000, 100_000)
        small, large = (_run(_DRIVE, folder / f"drive-{n}", n) for n in (few, many))
        figures |= {f"driver_{few}_blocks": small, f"driver_{many}_blocks": large}
        figures["driver_growth"] = large["peak_mb"] / small["peak_mb"] - 1
        figures["driver_ms_per_block"] = 1e3 * (large["s"] - small["s"]) / (many - few)
        (folder / "merge").mkdir()
        figures["merge"] = _run(_MERGE, folder / "merge", 512 if quick else 3072)
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(quick="--quick" in sys.argv[1:]), indent=2))
