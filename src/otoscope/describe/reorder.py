"""Does a concept put a neuron's most activating clips in the neuron's own order?

Definition: n = floor(top_fraction N). For one neuron let t be its n highest activations, descending, s the same
ascending. For a concept let X be the affinities of those n clips and r their ranks (0 = smallest). Then

    error = mean_q |t[q] - s[r[q]]|^p / base,     score = - error / mean(X)^scale_p,

base = mean over random permutations q of mean |s - s[q]|^p, the error of chance.

Variants: ``clip-dissect`` as above; ``and-2024`` puts the order (argsort) where the ranks belong, as its release
does, and clips mean(X) at 0. Conventions: at most 0, higher is a better fit; where mean(X) <= 0 the score is NaN
(``clip-dissect``) or -inf (``and-2024``); n = 0, or n activations that are all equal, give NaN. Tied affinities
are ranked by the seeded tie order.

Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect", ICLR 2023, section 3.1 and its release; T.-Y. Wu, Y.-X. Lin,
T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models", ICML 2024, release.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from otoscope.describe.ranked import top_ranked

Variant = Literal["clip-dissect", "and-2024"]
_SORTED_AT_ONCE = 2**22
"""Sort keys held at a time."""
_PLACE_BITS = 24
"""Bits of a key that hold a clip's place among the n; the affinity's rank stands above them."""


@dataclass(frozen=True)
class Top:
    """The n most activating clips of a block of neurons.

    Attributes
    ----------
    ranked : Tensor, int32 (neuron, n)
    values : Tensor (neuron, n)
        t: their activations, descending.
    base : Tensor (neuron,)
        The error of chance.
    """

    ranked: Tensor
    values: Tensor
    base: Tensor


@dataclass(frozen=True)
class ReorderScorer:
    """``rank_reorder`` with the affinities bound.

    Attributes
    ----------
    affinities : Tensor (clip, concept)
    affinity_ranks : Tensor, int64 (concept, clip)
        From :func:`affinity_ranks`.
    permutations : Tensor, int64 (permutation, n) or (neuron, permutation, n)
        Of chance.
    n : int
        How many clips are looked at.
    p, scale_p : float
    variant : {"clip-dissect", "and-2024"}
    order : Tensor, int64 (clip,)
        Tie order of the clips.
    """

    affinities: Tensor
    affinity_ranks: Tensor
    permutations: Tensor
    n: int
    p: float
    scale_p: float
    variant: Variant
    order: Tensor
    prior_weight: float = 0.0

    def evidence(self, activations: Tensor, neurons: slice) -> Top:
        """Return a block's top clips, their activations and the error of chance."""
        ranked = top_ranked(activations, self.n, self.order)
        values = activations.to(self.affinities.dtype).T.gather(1, ranked.long())
        drawn = self.permutations if self.permutations.ndim == 2 else self.permutations[neurons]
        ascending = values.flip(1)[:, None]  # (neuron, 1, n)
        index = drawn.to(values.device).expand(len(values), -1, -1)
        shuffled = ascending.expand(-1, index.shape[1], -1).gather(2, index)
        return Top(ranked, values, _power(ascending - shuffled, self.p).mean(dim=(1, 2)))

    def raw(self, evidence: Top, donors: Tensor | None = None) -> Tensor:
        """Return the scores ``(neuron, concept)``, or ``(permutation, neuron, concept)`` with row i's affinities
        taken from row ``donors[permutation, i]``."""
        if donors is None:
            return self._scores(evidence.ranked.long(), evidence.values, evidence.base)
        return torch.stack(
            [self._scores(rows[evidence.ranked.long()], evidence.values, evidence.base) for rows in donors]
        )

    def ranked(self, evidence: Top) -> Tensor:
        """Return the top clips."""
        return evidence.ranked

    def _scores(self, clips: Tensor, values: Tensor, base: Tensor) -> Tensor:
        scores = [self._some(clips[some], values[some], base[some]) for some in self._steps(len(clips))]
        return torch.cat(scores)

    def _steps(self, n_neurons: int) -> Iterator[slice]:
        step = max(1, _SORTED_AT_ONCE // max(1, self.n * self.affinities.shape[1]))
        return (slice(start, start + step) for start in range(0, n_neurons, step))

    def _some(self, clips: Tensor, values: Tensor, base: Tensor) -> Tensor:
        places = self._places(clips)  # (concept, neuron, n)
        ascending = values.flip(1)
        if self.variant == "clip-dissect":
            pairs = values.expand_as(places).gather(2, places) - ascending
        else:
            pairs = values - ascending.expand_as(places).gather(2, places)
        error = _power(pairs, self.p).mean(dim=2).T / base[:, None]
        mean = self.affinities[clips].mean(dim=1)
        if self.variant == "and-2024":
            mean = mean.clamp_min(0)
        return -error / mean**self.scale_p

    def _places(self, clips: Tensor) -> Tensor:
        """Return, ``(concept, neuron, n)``, the places of the n clips in the order of rising affinity."""
        ranks = self.affinity_ranks[:, clips]
        keys = (ranks << _PLACE_BITS) | torch.arange(self.n, device=ranks.device)
        if keys.device.type == "cpu":
            keys = torch.from_numpy(np.sort(keys.numpy(), axis=2))  # several times faster than torch's here
        else:
            keys = keys.sort(dim=2).values
        return keys & ((1 << _PLACE_BITS) - 1)


def affinity_ranks(affinities: Tensor, order: Tensor) -> Tensor:
    """Return each clip's rank under each concept, int64 ``(concept, clip)``, 0 = smallest, ties by ``order``."""
    order = order.to(affinities.device)
    rising = order[affinities[order].T.argsort(dim=1, stable=True)]  # (concept, clip)
    ranks = torch.empty_like(rising)
    return ranks.scatter_(1, rising, torch.arange(len(affinities), device=order.device).expand_as(rising))


def chance_permutations(n: int, count: int, seed: int) -> Tensor:
    """Return ``count`` seeded permutations of n places, int64 ``(permutation, n)``, used for every neuron."""
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(n, generator=generator) for _ in range(count)])


def _power(differences: Tensor, p: float) -> Tensor:
    return differences.abs() ** p
