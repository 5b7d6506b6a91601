"""Random sets of neurons that are like a given one in everything but what it was chosen for.

Neurons of a layer are put into strata: by firing rate (share of positive positions) into bins of equal size, and each
of those by importance (root mean square of the activation times outgoing norm); about ``size`` neurons a stratum. A
matched random set takes from each stratum as many neurons as the given set has there, the set's own neurons
included. So if a choice meant nothing, the set would be one of its draws, and

    p = (b + 1) / (B + 1),   b of B draws with a statistic at least the set's,

is exact. The smallest p that draws can reach is one over the number of distinct draws, the product over strata of
N_h choose n_h (:func:`attainable_p`).

Reference: ``docs/statistics.md``. *Where we differ*: the published control draws 3,000 of all neurons without
matching, once (:mod:`otoscope.ablate.random_sets`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from otoscope.ablate.places import Place
from otoscope.errors import InputError

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def strata(places: Sequence[Place], rate: Floats, importance: Floats | None, size: int) -> Integers:
    """Return the stratum of each neuron, ``(neuron,)``, -1 for neurons that cannot be ablated.

    Parameters
    ----------
    places : sequence of Place
    rate : array (neuron,)
        Firing rates.
    importance : array (neuron,) or None
        Root mean square of the activation times outgoing norm; None: match on layer and firing rate only.
    size : int
        Neurons a stratum, about.

    Raises
    ------
    InputError
        If ``size`` is below 2: each set would be its own only draw.
    """
    if size < 2:
        raise InputError(f"a stratum needs at least 2 neurons to draw from, got {size}")
    found = np.full(len(rate), -1, dtype=np.int64)
    start = 0
    for place in places:
        n_bins = max(1, place.n_neurons // size)
        by_rate = n_bins if importance is None else max(1, round(np.sqrt(n_bins)))
        outer = _bins(rate[place.neurons], by_rate)
        inner = np.zeros_like(outer)
        if importance is not None:
            for one in range(by_rate):
                members = outer == one
                inner[members] = _bins(importance[place.neurons][members], max(1, n_bins // by_rate))
        own = outer * (inner.max() + 1) + inner
        found[place.neurons] = start + own
        start += int(own.max()) + 1
    return found


def _bins(values: Floats, n_bins: int) -> Integers:
    """Return bins of equal size, ascending; equal values keep their order."""
    order = np.argsort(values, kind="stable")
    found = np.empty(len(values), dtype=np.int64)
    found[order] = np.arange(len(values)) * min(n_bins, len(values)) // len(values)
    return found


def draws(neurons: Integers, stratum: Integers, n_draws: int, seed: int) -> tuple[Integers, ...]:
    """Return ``n_draws`` matched random sets, each ascending.

    Parameters
    ----------
    neurons : array of int (chosen,)
        The set.
    stratum : array of int (neuron,)
        From :func:`strata`.
    n_draws : int
    seed : int

    Examples
    --------
    >>> drawn = draws(np.array([0]), np.array([0, 0, 1, 1]), 3, seed=0)
    >>> all(one.tolist() in ([0], [1]) for one in drawn)
    True
    """
    rng = np.random.default_rng(seed)
    wanted = np.bincount(stratum[neurons], minlength=int(stratum.max(initial=-1)) + 1)
    pools = [np.flatnonzero(stratum == one) for one in np.flatnonzero(wanted)]
    counts = wanted[wanted > 0]
    if not pools:
        return (np.array([], dtype=np.int64),) * n_draws
    return tuple(
        np.sort(np.concatenate([rng.choice(pool, n, replace=False) for pool, n in zip(pools, counts)]))
        for _ in range(n_draws)
    )


def attainable_p(neurons: Integers, stratum: Integers) -> float:
    """Return one over the number of distinct matched sets, in (0, 1].

    Examples
    --------
    >>> round(1 / attainable_p(np.array([0, 1]), np.array([0, 0, 0, 0])))
    6
    """
    n_strata = int(stratum.max(initial=-1)) + 1
    sizes = np.bincount(stratum[stratum >= 0], minlength=n_strata)
    chosen = np.bincount(stratum[neurons], minlength=n_strata)
    ways = gammaln(sizes + 1) - gammaln(chosen + 1) - gammaln(sizes - chosen + 1)
    return float(np.exp(-ways.sum()))


def imbalance(neurons: Integers, drawn: Sequence[Integers], values: Floats) -> float:
    """Return how far the set's mean of ``values`` lies from the draws' mean, in standard deviations over neurons."""
    spread = float(values.std())
    if not drawn or not len(neurons) or spread == 0:
        return 0.0
    return float((values[neurons].mean() - np.mean([values[one].mean() for one in drawn])) / spread)
