"""Made-up tasks: clips in groups, neurons that fire for what they are told to."""

from __future__ import annotations

import numpy as np

from otoscope.selectivity.firing import Layer, from_arrays
from otoscope.selectivity.labels import Labelling

POSITIONS = 100


def task(n_groups: int = 60, size: int = 2, n_classes: int = 4) -> Labelling:
    """Return clips in groups of one class each."""
    group = np.repeat(np.arange(n_groups), size)
    weights = np.eye(n_classes, dtype=np.float32)[group % n_classes]
    names = tuple(f"class {one}" for one in range(n_classes))
    return Labelling("made up", names, np.arange(len(group)), weights, group.astype(str))


def layers(
    labelling: Labelling, widths: tuple[int, ...] = (12, 20), n_selective: int = 4, seed: int = 0
) -> list[Layer]:
    """Return layers whose first ``n_selective`` neurons fire for class 0, 1, ...; the others for nothing."""
    rng = np.random.default_rng(seed)
    n = len(labelling.rows)
    tables = {}
    for number, width in enumerate(widths):
        share = 0.2 + 0.1 * rng.random((n, width))
        for neuron in range(n_selective):
            share[:, neuron] += 0.5 * labelling.weights[:, neuron % len(labelling.classes)]
        tables[f"layer {number}"] = rng.binomial(POSITIONS, share).astype(np.uint32)
    return from_arrays(tables, np.full(n, POSITIONS))
