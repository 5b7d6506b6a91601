"""How long does soft_wpmi take for a layer, beside a plain loop over the layer's neurons?

Prints one JSON object. ``python benchmarks/similarity.py [--neurons 3072 55296] [--repeats 3] [--loop-neurons N]``.

The loop is written here from the equations of ``otoscope.describe.pmi``: for each neuron, the log-memberships of
its top clips are computed and summed. Its time is proportional to the number of neurons; it is measured on
``--loop-neurons`` of them (3072 unless told) and scaled where the layer has more, which the output says. Both
include finding the top clips and the layer's marginal, and are checked to agree. The two take turns, so that both
meet the same load of the machine.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from otoscope.describe.similarity import soft_wpmi

TOP_K, A, MIN_PROB, P_START, P_END = 100, 10.0, 1e-7, 0.998, 0.97


def loop(activations: Tensor, affinities: Tensor) -> Tensor:
    """Return soft-WPMI ``(neuron, concept)``, one neuron after the other."""
    membership = torch.softmax(A * affinities, dim=1)
    best = activations.topk(TOP_K, dim=0).indices
    weights = P_START - torch.arange(TOP_K) / TOP_K * (P_START - P_END)
    rows = []
    for neuron in range(activations.shape[1]):
        chosen = membership[best[:, neuron]]
        rows.append(torch.log(1 + weights[:, None] * (chosen - 1) + MIN_PROB).sum(dim=0))
    likelihood = torch.stack(rows)
    return likelihood - (torch.logsumexp(likelihood, dim=0) - math.log(len(rows)))


def made_up(n_clips: int, n_concepts: int, n_neurons: int) -> tuple[Tensor, Tensor]:
    """Return seeded activations and cosine-like affinities."""
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(n_clips, n_neurons, generator=generator)
    return activations, 0.1 * torch.randn(n_clips, n_concepts, generator=generator)


def seconds(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(
    n_clips: int, n_concepts: int, n_neurons: int, loop_neurons: int, repeats: int
) -> dict[str, object]:
    """Return the times of both for one layer."""
    activations, affinities = made_up(n_clips, n_concepts, n_neurons)
    part = activations[:, : min(loop_neurons, n_neurons)].contiguous()
    difference = (loop(part[:, :64], affinities) - soft_wpmi(part[:, :64], affinities)).abs().max()
    ours, plain = [], []
    for _ in range(repeats):
        ours.append(seconds(lambda: soft_wpmi(activations, affinities)))
        plain.append(seconds(lambda: loop(part, affinities)) * n_neurons / part.shape[1])
    return {
        "clips": n_clips,
        "concepts": n_concepts,
        "neurons": n_neurons,
        "soft_wpmi_s": {"min": min(ours), "median": statistics.median(ours)},
        "loop_s": {"min": min(plain), "median": statistics.median(plain)},
        "loop_neurons_measured": part.shape[1],
        "ratio_of_minima": min(plain) / min(ours),
        "ratio_of_medians": statistics.median(plain) / statistics.median(ours),
        "largest_difference": float(difference),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--concepts", type=int, default=1000)
    parser.add_argument("--neurons", type=int, nargs="+", default=[3072, 55296])
    parser.add_argument("--loop-neurons", type=int, default=3072)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    sizes = [
        measure(given.clips, given.concepts, neurons, given.loop_neurons, given.repeats)
        for neurons in given.neurons
    ]
    print(
        json.dumps({"benchmark": "soft_wpmi", "threads": torch.get_num_threads(), "sizes": sizes}, indent=2)
    )


if __name__ == "__main__":
    main()
