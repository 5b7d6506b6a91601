"""Weighted pointwise mutual information: do a neuron's most activating clips belong to a concept?

Definition: S = row-softmax over concepts of ``a`` times the affinities; i_1 .. i_k the k most activating clips.
With the weight p_r of rank r,

    L[j, m] = sum_r log(1 + p_r (S[i_r, m] - 1) + min_prob),    score = L - lam B,

B the layer's marginal (:mod:`otoscope.describe.prior`). ``wpmi`` has p_r = 1; ``soft_wpmi`` lets the weight
fall linearly, p_r = p_start - (r - 1)/k (p_start - p_end).

How it is computed: the summand is log p_r + log(S + c_r), c_r = (1 - p_r + min_prob) / p_r, and the second term for
all ranks is a mixture of the same at a few nodes (:mod:`otoscope.describe.mixture`). So a table of logarithms
``(clip, concept)`` is made for each node, for a slab of concepts that fits a processor's cache, and a neuron is a
weighted sum of table rows. O(node clip concept) logarithms and O(node k neuron concept) multiply-adds, where a loop
over neurons takes O(k neuron concept) logarithms. The error is bounded by the rounding of a sum of k terms.

Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect", ICLR 2023, equations 2-4; constants of its release.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from otoscope.describe.cores import on_all_cores
from otoscope.describe.mixture import Mixture, mixture
from otoscope.describe.ranked import top_ranked

_CONCEPTS_AT_ONCE, _NEURONS_AT_ONCE = 64, 2048
"""Width of a slab, and neurons summed in one call: a table of 2,000 clips and a block of sums stay in the cache."""
_LEAST = 1e-30
"""Stands for a weight or an offset of 0: far below what a sum of two numbers can show."""


def rank_weights(k: int, p_start: float, p_end: float) -> Tensor:
    """Return p_r for r = 1 .. k, float64 ``(k,)``: from ``p_start`` down to one step before ``p_end``."""
    return p_start - torch.arange(k, dtype=torch.float64) / k * (p_start - p_end)


@dataclass(frozen=True)
class PmiScorer:
    """``wpmi`` and ``soft_wpmi`` with the affinities bound.

    Attributes
    ----------
    membership : Tensor (clip, concept)
        S: each row sums to 1.
    weights : Tensor, float64 (k,)
        p_r.
    min_prob : float
        Added inside the logarithm.
    prior_weight : float
        lam.
    order : Tensor, int64 (clip,)
        Tie order of the clips.
    """

    membership: Tensor
    weights: Tensor
    min_prob: float
    prior_weight: float
    order: Tensor

    def evidence(self, activations: Tensor, neurons: slice) -> Tensor:
        """Return what of a block's activations the score looks at: top clips, int32 ``(neuron, k)``."""
        return top_ranked(activations, len(self.weights), self.order)

    def raw(self, evidence: Tensor, donors: Tensor | None = None) -> Tensor:
        """Return L ``(neuron, concept)``, or ``(permutation, neuron, concept)`` with row i's affinities taken
        from row ``donors[permutation, i]``."""
        ranked = evidence if donors is None else donors[:, evidence.long()].flatten(0, 1).to(torch.int32)
        found = log_likelihood(ranked, self.membership, self.mixed)
        found += float(self.weights.clamp_min(_LEAST).log().sum())
        return found if donors is None else found.view(len(donors), len(evidence), -1)

    def ranked(self, evidence: Tensor) -> Tensor:
        """Return the top clips."""
        return evidence

    @cached_property
    def mixed(self) -> Mixture:
        """The ranks' logarithms as mixtures, good to the rounding of their sum."""
        weights = self.weights.clamp_min(_LEAST)
        offsets = ((1 - weights + self.min_prob) / weights).clamp_min(_LEAST).numpy()
        low, high = self.membership.aminmax()
        bound = 4 * torch.finfo(self.membership.dtype).eps * len(weights)
        return mixture(offsets, float(low), float(high), bound)


def log_likelihood(ranked: Tensor, membership: Tensor, mixed: Mixture) -> Tensor:
    """Return sum_r log(S[i_r, m] + c_r).

    Parameters
    ----------
    ranked : Tensor, int32 (neuron, k)
        Clips by rank, i.
    membership : Tensor (clip, concept)
        S, in [0, 1].
    mixed : Mixture
        Of the offsets c_1 .. c_k.

    Returns
    -------
    Tensor (neuron, concept)
    """
    shares = torch.from_numpy(mixed.shares).to(membership)  # (k, node)
    blocks = torch.split(ranked, _NEURONS_AT_ONCE)
    of_rank = [share.expand(blocks[0].shape).contiguous() for share in shares.T]
    out = membership.new_empty((len(ranked), membership.shape[1]))

    def fill(start: int) -> None:
        slab = membership[:, start : start + _CONCEPTS_AT_ONCE].contiguous()
        total = out.new_full((len(ranked), slab.shape[1]), float(mixed.constants.sum()))
        for node, weights in zip(mixed.nodes.tolist(), of_rank, strict=True):
            table = _log(slab, node)
            for rows, part in zip(blocks, torch.split(total, _NEURONS_AT_ONCE), strict=True):
                part += embedding_bag(rows, table, mode="sum", per_sample_weights=weights[: len(rows)])
        out[:, start : start + _CONCEPTS_AT_ONCE] = total

    on_all_cores(fill, range(0, membership.shape[1], _CONCEPTS_AT_ONCE), membership.device)
    return out


def _log(slab: Tensor, offset: float) -> Tensor:
    table = slab + offset
    if table.device.type == "cpu":  # numpy's vectorised logarithm takes a third of the time of torch's
        np.log(table.numpy(), out=table.numpy())
        return table
    return table.log_()
