"""Strategy ``random``, the published control: one set for all classes, drawn from all layers without matching.

The neurons, listed layer by layer, are shuffled by Python's generator with ``random_seed`` (20 as published) and the
first ``random_neurons`` (3,000 as published) are taken. ``placement="as-published"`` then masks, in each layer, its
first k neurons, k being how many of it were drawn: what the released scripts do with any order of neurons but 0, 1,
2... One set for all classes has, averaged over all of them, the selectivity 0 whatever is drawn (dA and dR are then the
same mean), so as a control it cannot fail. Matched controls, one draw a concept, stand beside every strategy
(:mod:`otoscope.ablate.matched`).
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from otoscope.ablate.sets import NeuronSet, Request
from otoscope.errors import InputError
from otoscope.store.run import Run

Integers = NDArray[np.int64]


def choose(request: Request) -> tuple[NeuronSet, ...]:
    """Return the same set for each concept.

    Raises
    ------
    InputError
        If more neurons are asked for than there are.
    """
    config = request.config
    drawn = shuffled(np.flatnonzero(request.ablatable), config.random_seed)
    drawn = drawn[: how_many(config.random_neurons, len(drawn))]
    if config.placement == "as-published":
        drawn = first_rows(drawn, request.run)
    return tuple(request.made(one, drawn.tolist(), [None] * len(drawn)) for one in request.concepts)


def shuffled(neurons: Integers, seed: int) -> Integers:
    """Return ``neurons`` in the order that Python's ``random.shuffle`` gives them."""
    order = neurons.tolist()
    random.Random(seed).shuffle(order)
    return np.array(order, dtype=np.int64)


def how_many(asked: float, available: int) -> int:
    """Return how many neurons a number (1 or more) or a share (below 1) means."""
    wanted = round(asked * available) if asked < 1 else round(asked)
    if wanted > available:
        raise InputError(
            f"random_neurons = {wanted}, but only {available} can be ablated: give a share below 1 (3,000 were 5.4 % "
            "of the published network)"
        )
    return max(1, wanted)


def first_rows(neurons: Integers, run: Run) -> Integers:
    """Return, for each layer, its first k neurons, k being how many of ``neurons`` it holds.

    This is where the released scripts' masks lie when the order of neurons is not ascending.
    """
    found = []
    for layer in run.layers:
        inside = (neurons >= layer.first_neuron) & (neurons < layer.first_neuron + layer.n_neurons)
        found.append(np.arange(layer.first_neuron, layer.first_neuron + int(inside.sum())))
    return np.concatenate(found).astype(np.int64)
