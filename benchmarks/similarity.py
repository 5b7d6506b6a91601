"""How long does soft_wpmi take for a layer, beside plain loops over the layer's neurons, and in how much memory?

``python -m benchmarks --only similarity``, or alone: ``python -m benchmarks.similarity`` prints one JSON object.

Two loops are written here from the equations of ``otoscope.describe.pmi``. Both find the top clips of all neurons at
once and then take one neuron after the other: ``by_rank`` adds up its ranks one by one, as the equation is written;
``by_neuron`` takes all its ranks in one tensor expression, as CLIP-Dissect's release does. A loop's time is
proportional to the number of neurons; it is measured on ``loop_neurons`` of them and scaled where the layer has more.
All are checked to agree and take turns, so that all meet the same load of the machine; on a busy machine, tensor
operations that are divided among threads suffer most, so ``load`` (runnable processes) stands beside the times.

Memory is the growth of the process's peak while a layer is scored, beyond the result itself, in a fresh process.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from otoscope.describe.similarity import soft_wpmi

TOP_K, A, MIN_PROB, P_START, P_END = 100, 10.0, 1e-7, 0.998, 0.97
CLIPS, CONCEPTS, NEURONS, LOOP_NEURONS, REPEATS = 2000, 1000, (3072, 55296), 1024, 5
BLOCKS = (1024, 4096, 16384)


def by_rank(membership: Tensor, clips: Tensor, weights: Tensor) -> Tensor:
    """Return a neuron's log-likelihoods ``(concept,)``, one rank after the other."""
    total = torch.zeros(membership.shape[1])
    for clip, weight in zip(clips.tolist(), weights.tolist()):
        total += torch.log(1 + weight * (membership[clip] - 1) + MIN_PROB)
    return total


def by_neuron(membership: Tensor, clips: Tensor, weights: Tensor) -> Tensor:
    """Return a neuron's log-likelihoods ``(concept,)``, all ranks at once."""
    chosen = membership.gather(0, clips[:, None].expand(-1, membership.shape[1]))
    return torch.log(1 + weights[:, None] * (chosen - 1) + MIN_PROB).sum(dim=0)


LOOPS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"by_rank": by_rank, "by_neuron": by_neuron}


def loop(activations: Tensor, affinities: Tensor, name: str) -> Tensor:
    """Return soft-WPMI ``(neuron, concept)``, one neuron after the other."""
    membership = torch.softmax(A * affinities, dim=1)
    best = activations.topk(TOP_K, dim=0).indices
    weights = P_START - torch.arange(TOP_K) / TOP_K * (P_START - P_END)
    found = torch.stack([LOOPS[name](membership, clips, weights) for clips in best.T])
    return found - (torch.logsumexp(found, dim=0) - math.log(len(found)))


def made_up(n_clips: int, n_concepts: int, n_neurons: int) -> tuple[Tensor, Tensor]:
    """Return seeded activations and cosine-like affinities."""
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(n_clips, n_neurons, generator=generator)
    return activations, 0.1 * torch.randn(n_clips, n_concepts, generator=generator)


def seconds(work: Callable[..., object], *arguments: Any) -> float:
    """Return how long ``work`` takes."""
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def layer(n_clips: int, n_concepts: int, n_neurons: int, loop_neurons: int, repeats: int) -> dict[str, Any]:
    """Return the times for a layer of one size."""
    activations, affinities = made_up(n_clips, n_concepts, n_neurons)
    part = activations[:, : min(loop_neurons, n_neurons)].contiguous()
    scale = n_neurons / part.shape[1]
    times: dict[str, list[float]] = {"soft_wpmi": [], **{name: [] for name in LOOPS}}
    for _ in range(repeats):
        times["soft_wpmi"].append(seconds(soft_wpmi, activations, affinities))
        for name in LOOPS:
            times[name].append(scale * seconds(loop, part, affinities, name))
    few = part[:, :64]
    difference = max(
        float((loop(few, affinities, name) - soft_wpmi(few, affinities)).abs().max()) for name in LOOPS
    )
    return {
        "min_s": {name: min(found) for name, found in times.items()},
        "median_s": {name: statistics.median(found) for name, found in times.items()},
        "ratio": {name: min(times[name]) / min(times["soft_wpmi"]) for name in LOOPS},
        "median_ratio": {
            name: statistics.median(times[name]) / statistics.median(times["soft_wpmi"]) for name in LOOPS
        },
        "loop_neurons": part.shape[1],
        "largest_difference": difference,
    }


_MEMORY = """
import resource, sys
from pathlib import Path
from benchmarks.similarity import made_up
from otoscope.describe.similarity import soft_wpmi
def peak_kb():
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    # ru_maxrss would count the parent's memory, too: Linux keeps it over fork and exec
    return int(status.read_text().partition("VmHWM:")[2].split()[0])
clips, concepts, neurons, block = map(int, sys.argv[1:])
activations, affinities = made_up(clips, concepts, neurons)
soft_wpmi(activations[:, :64], affinities)
before = peak_kb()
soft_wpmi(activations, affinities, block=block)
print(peak_kb() - before - 4 * concepts * neurons // 1024)
"""


def working_memory_mb(n_clips: int, n_concepts: int, n_neurons: int, block: int) -> float:
    """Return by how much the peak grows beyond the result, in MB."""
    sizes = [str(size) for size in (n_clips, n_concepts, n_neurons, block)]
    done = subprocess.run([sys.executable, "-c", _MEMORY, *sizes], check=True, capture_output=True, text=True)
    return float(done.stdout) / 1024


def measure(quick: bool) -> dict[str, Any]:
    """Return times, ratios and memory for every size of layer."""
    neurons, repeats = ((256,), 1) if quick else (NEURONS, REPEATS)
    sizes = {f"neurons_{size}": layer(CLIPS, CONCEPTS, size, LOOP_NEURONS, repeats) for size in neurons}
    largest = neurons[-1]
    memory = {f"block_{block}": working_memory_mb(CLIPS, CONCEPTS, largest, block) for block in BLOCKS}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    given = {"clips": CLIPS, "concepts": CONCEPTS, "threads": torch.get_num_threads(), "load": load}
    return {**given, **sizes, "working_memory_mb": memory}


if __name__ == "__main__":
    print(json.dumps(measure(quick="--quick" in sys.argv[1:]), indent=2))
