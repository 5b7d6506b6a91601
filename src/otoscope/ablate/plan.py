"""Which sets will be heard, decided before any is: the concepts', their matched random ones, the curve's.

Set 0 is empty: the network as it is. Everything here follows from the run's tables, the config and its seed; no
outcome is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from otoscope.ablate import matched
from otoscope.ablate.config import AblateConfig
from otoscope.ablate.places import Place, masks_of
from otoscope.ablate.sets import NeuronSet

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """The sets in the order in which they are heard.

    Attributes
    ----------
    sets : tuple of NeuronSet
        One a concept.
    drawn : tuple of tuple of array
        Matched random sets of each concept; none for an empty set.
    attainable : tuple of float
        Smallest p that the draws of each concept can reach.
    curve : tuple of (int, int)
        Concept and number of neurons of each further point of the trade-off curve.
    n_neurons : int
        Of the run.
    neighbours : tuple of array
        The next neurons of each concept's; none where they are not asked for.
    """

    sets: tuple[NeuronSet, ...]
    drawn: tuple[tuple[Integers, ...], ...]
    attainable: tuple[float, ...]
    curve: tuple[tuple[int, int], ...]
    n_neurons: int
    neighbours: tuple[Integers, ...] = ()

    def masks(self) -> Tensor:
        """Return all sets as masks ``(set, neuron)``: the empty one, concepts, draws, curve, neighbours."""
        chosen = [one.neurons for one in self.sets]
        points = [chosen[concept][:n] for concept, n in self.curve]
        flat = [one for draws in self.drawn for one in draws]
        return masks_of(
            [np.array([], dtype=np.int64), *chosen, *flat, *points, *self.neighbours], self.n_neurons
        )

    def probe_masks(self, n_random: int) -> Tensor:
        """Return the empty set, the concepts', and ``n_random`` draws of each concept."""
        some = [one for draws in self.drawn for one in draws[:n_random]]
        none = np.array([], dtype=np.int64)
        return masks_of([none, *(one.neurons for one in self.sets), *some], self.n_neurons)

    def draws_of(self, concept: int) -> slice:
        """Return where a concept's draws lie among the masks, the empty set not counted."""
        start = len(self.sets) + sum(len(one) for one in self.drawn[:concept])
        return slice(start, start + len(self.drawn[concept]))

    def point(self, number: int) -> int:
        """Return where a point of the curve lies among the masks, the empty set not counted."""
        return len(self.sets) + sum(len(one) for one in self.drawn) + number

    def neighbour(self, concept: int) -> int | None:
        """Return where the neighbours of a concept's neurons lie among the masks, the empty set not counted."""
        return self.point(len(self.curve) + concept) if self.neighbours else None


def plan(
    sets: Sequence[NeuronSet], stratum: Integers, config: AblateConfig, places: Sequence[Place] = ()
) -> Plan:
    """Return what will be heard.

    Parameters
    ----------
    sets : sequence of NeuronSet
    stratum : array of int (neuron,)
        From :func:`otoscope.ablate.matched.strata`.
    config : AblateConfig
    places : sequence of Place
        Where neurons lie; only for neighbours.
    """
    drawn = tuple(
        matched.draws(one.neurons, stratum, config.n_random if len(one.neurons) else 0, config.seed + place)
        for place, one in enumerate(sets)
    )
    attainable = tuple(matched.attainable_p(one.neurons, stratum) for one in sets)
    points = [
        (place, n)
        for place, one in enumerate(sets)
        for n in curve_sizes(len(one.neurons), config.curve_points)
    ]
    near = tuple(neighbours(one.neurons, places) for one in sets) if config.neighbour else ()
    return Plan(tuple(sets), drawn, attainable, tuple(points), len(stratum), near)


def neighbours(neurons: Integers, places: Sequence[Place]) -> Integers:
    """Return the next neuron of each one in its layer, the first after the last.

    This is the control that EVAR's configurations publish as random. *Where we differ*: they would fail on the last
    neuron of a layer. A neighbour may be in the set itself, as published.
    """
    found = np.array(neurons, dtype=np.int64)
    for place in places:
        inside = (neurons >= place.first) & (neurons < place.first + place.n_neurons)
        found[inside] = place.first + (neurons[inside] + 1 - place.first) % place.n_neurons
    return found


def curve_sizes(n: int, points: int) -> list[int]:
    """Return up to ``points`` numbers of neurons below ``n``, evenly spaced in octaves.

    Examples
    --------
    >>> curve_sizes(100, 4)
    [1, 3, 10, 32]
    """
    if n < 2 or points < 1:
        return []
    sizes = np.unique(np.round(np.geomspace(1, n, points + 1)).astype(int))
    return [int(one) for one in sizes if one < n]
