"""Would a neuron's best concept stand out this much, had the concepts nothing to do with the clips?

The best of many concepts fits well by selection alone. Definition: let x[j, m] be the score of neuron j and
concept m, and x_j = max_m x[j, m]. Whole rows of affinities are dealt anew to the clips, group by group
(:mod:`otoscope.metrics.permutation`), the maximum over concepts is taken each time, and

    p_j = how often a deal reaches x_j,

by one of the named nulls of :mod:`otoscope.metrics.multiple_testing`.

Conventions: works with every similarity function. Where the function subtracts the layer's marginal, a neuron is
tested against the marginal of the *other* neurons, which stays as observed: the deal concerns this neuron alone. For
``lam = 1`` the score is a rising function of that statistic, so it is the same test; and were the marginal dealt
along, every neuron of a small layer would own some concept in every deal and nothing could stand out.

Calibration: 200 null neurons that share source effects of 0.6, 0.9 or 2 s.d., 60 concepts, captions with class and
source effects, the sources of ESC-10: 4.1 to 5.7 % have p <= .05 under each of the five functions (10 worlds); dealing
single clips instead gives 6 to 11 % (``wpmi``) and 9 to 23 % (``cos``). The tests repeat it in small.

Reference: P. Westfall, S. Young, "Resampling-Based Multiple Testing", 1993 (the maximum statistic).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.describe.bind import Build
from otoscope.describe.layer import Layer, Scorer, dead, gather_prior, usable
from otoscope.describe.prior import Prior
from otoscope.errors import InputError, UnknownNameError
from otoscope.metrics.multiple_testing import NULLS, benjamini_hochberg
from otoscope.metrics.permutation import donor_maps

_SCORES_AT_ONCE = 2**23
"""Permuted scores held at a time (32 MB)."""


@dataclass(frozen=True)
class BestOfMany:
    """What the permutations say about each neuron.

    Attributes
    ----------
    concept : array of int64 (neuron,)
        The concept tested, -1 for a dead neuron.
    statistic : array (neuron,)
        Its score, against the other neurons' marginal where there is one.
    p, q : array (neuron,)
        NaN for a dead neuron.
    null : array (permutation, neuron)
        The best concept's score in each deal.
    """

    concept: NDArray[np.int64]
    statistic: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    null: NDArray[np.float64]


def best_of_many(
    activations: Any,
    affinities: Any,
    build: Build,
    *,
    groups: NDArray[Any],
    strata: NDArray[Any] | None = None,
    n_permutations: int = 200,
    null: str = "pooled",
    block: int | None = None,
    seed: int = 0,
) -> BestOfMany:
    """Return the p-value of each neuron's best concept.

    Parameters
    ----------
    activations : array (clip, neuron)
    affinities : array (clip, concept)
    build : callable
        A similarity function with its parameters, from :mod:`otoscope.describe.bind`.
    groups : array (clip,)
        Unit that is dealt.
    strata : array (clip,), optional
        Groups change places within a stratum only.
    n_permutations : int
    null : {"pooled", "tail", "counted"}
        See :mod:`otoscope.metrics.multiple_testing`.
    block : int, optional
        Neurons taken at a time.
    seed : int

    Notes
    -----
    For ``soft_wpmi`` O(permutation x k x neuron x concept) additions.
    """
    if null not in NULLS:
        raise UnknownNameError.of("null", null, NULLS)
    layer, bound = usable(activations, affinities, block)
    rows = layer.rows.cpu().numpy()
    if len(groups) != activations.shape[0]:
        raise InputError(f"expected one group a clip, got {len(groups)} for {activations.shape[0]} clips")
    kept_strata = None if strata is None else np.asarray(strata)[rows]
    donors = donor_maps(np.asarray(groups)[rows], n_permutations, seed=seed, strata=kept_strata)
    scorer = build(bound, seed)
    prior = gather_prior(layer, scorer, bound.shape[1]) if scorer.prior_weight else None
    dealt = torch.from_numpy(donors).to(bound.device)
    found = [_block(layer, scorer, neurons, dealt, prior) for neurons in layer.blocks()]
    concept, statistic = (np.concatenate([one[part] for one in found]) for part in (0, 1))
    drawn = np.concatenate([one[2] for one in found], axis=1)
    p = NULLS[null](statistic, drawn)
    return BestOfMany(concept, statistic, p, benjamini_hochberg(p), drawn)


def _block(
    layer: Layer, scorer: Scorer, neurons: slice, donors: Tensor, prior: Prior | None
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    activations = layer.columns(neurons)
    evidence = scorer.evidence(activations, neurons)
    raw = scorer.raw(evidence)
    against = others(scorer, prior, raw)
    best, concept = defined(raw - against).max(dim=1)
    lifeless = dead(activations)
    null = dealt_best(scorer, evidence, against, donors)
    return (
        concept.masked_fill(lifeless, -1).cpu().numpy(),
        best.double().masked_fill(lifeless, math.nan).cpu().numpy(),
        null,
    )


def others(scorer: Scorer, prior: Prior | None, raw: Tensor) -> Tensor:
    """Return what a block's raw scores ``(neuron, concept)`` stand against: lam times the others' marginal."""
    return torch.zeros_like(raw) if prior is None else scorer.prior_weight * prior.without(raw)


def dealt_best(scorer: Scorer, evidence: Any, against: Tensor, donors: Tensor) -> NDArray[np.float64]:
    """Return the best score of each neuron in each deal, ``(permutation, neuron)``.

    Parameters
    ----------
    scorer : Scorer
    evidence : object
        The scorer's, of a block of neurons.
    against : Tensor (neuron, concept)
        Subtracted, the same in every deal.
    donors : Tensor, int64 (permutation, usable clip)
    """
    step = max(1, _SCORES_AT_ONCE // against.numel())
    best = [
        defined(scorer.raw(evidence, donors[start : start + step]) - against).amax(dim=2)
        for start in range(0, len(donors), step)
    ]
    return torch.cat(best).double().cpu().numpy()


def defined(scores: Tensor) -> Tensor:
    """Return the scores with an undefined one (NaN) below every other, so that it is never the best."""
    return scores.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
