"""Weighted pointwise mutual information: do a neuron's most activating clips belong to a concept?

Definition: S = row-softmax over concepts of ``a`` times the affinities; i_1 .. i_k the k most activating clips.
With the weight p_r of rank r,

    L[j, m] = sum_r log(1 + p_r (S[i_r, m] - 1) + min_prob),    score = L - lam B,

B the layer's marginal (:mod:`otoscope.describe.prior`). ``wpmi`` has p_r = 1; ``soft_wpmi`` lets the weight
fall linearly, p_r = p_start - (r - 1)/k (p_start - p_end).

How it is computed: the summand depends on (rank, clip, concept) but not on the neuron. So for each rank the
whole table log(1 - p_r + min_prob + p_r S) is made once, for a slab of concepts that fits a processor's cache,
and a neuron is a sum of k table rows. Exact: no approximation beyond rounding. O(k clip concept) logarithms and
O(k neuron concept) additions, where a loop over neurons takes O(k neuron concept) logarithms.

Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect", ICLR 2023, equations 2-4; constants of its release.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from otoscope.describe.ranked import top_ranked

_CONCEPTS_AT_ONCE = 64
_TABLES_AT_ONCE = 10
_TABLE_ENTRIES = 2**23
"""Bounds of the working memory: 64 concepts, up to 10 ranks, at most 8 million entries (32 MB)."""


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
        found = log_likelihood(ranked, self.membership, self.weights, self.min_prob)
        return found if donors is None else found.view(len(donors), len(evidence), -1)

    def ranked(self, evidence: Tensor) -> Tensor:
        """Return the top clips."""
        return evidence


def log_likelihood(ranked: Tensor, membership: Tensor, weights: Tensor, min_prob: float) -> Tensor:
    """Return L.

    Parameters
    ----------
    ranked : Tensor, int32 (neuron, k)
        Clips by rank.
    membership : Tensor (clip, concept)
        S, in [0, 1].
    weights : Tensor, float64 (k,)
        p_r, in [0, 1]; neighbours of equal weight share a table.
    min_prob : float

    Returns
    -------
    Tensor (neuron, concept)
        At most about 0; higher is a better fit.
    """
    n_clips, n_concepts = membership.shape
    at_once = max(1, min(_TABLES_AT_ONCE, _TABLE_ENTRIES // (_CONCEPTS_AT_ONCE * n_clips)))
    plan = list(_bags(ranked, weights, n_clips, at_once))
    workspace = membership.new_empty(at_once * n_clips * _CONCEPTS_AT_ONCE)
    out = membership.new_empty((len(ranked), n_concepts))
    for start in range(0, n_concepts, _CONCEPTS_AT_ONCE):
        slab = membership[:, start : start + _CONCEPTS_AT_ONCE].contiguous()
        total = out.new_zeros((len(ranked), slab.shape[1]))
        for some, rows in plan:
            total += embedding_bag(rows, _tables(slab, some, min_prob, workspace), mode="sum")
        out[:, start : start + _CONCEPTS_AT_ONCE] = total.mul_(math.log(2))
    return out


def _bags(ranked: Tensor, weights: Tensor, n_clips: int, at_once: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield some distinct weights, and for each neuron the rows it takes from their stacked tables."""
    distinct, table_of_rank = torch.unique_consecutive(weights, return_inverse=True)
    for start in range(0, len(distinct), at_once):
        ranks = torch.nonzero((table_of_rank >= start) & (table_of_rank < start + at_once)).flatten()
        first_row = (table_of_rank[ranks] - start) * n_clips
        rows = ranked[:, ranks.to(ranked.device)] + first_row.to(ranked)
        yield distinct[start : start + at_once], rows


def _tables(slab: Tensor, weights: Tensor, min_prob: float, workspace: Tensor) -> Tensor:
    """Return log2(1 - p + min_prob + p S) for each weight p, ``(weight x clip, concept)``, in ``workspace``."""
    tables = workspace[: len(weights) * slab.numel()].view(len(weights), *slab.shape)
    for table, weight in zip(tables, weights.tolist()):
        torch.mul(slab, weight, out=table).add_(1.0 - weight + min_prob)
    if tables.device.type == "cpu":  # numpy's vectorised log2 takes a quarter of the time of torch's
        np.log2(tables.numpy(), out=tables.numpy())
    else:
        tables.log2_()
    return tables.flatten(0, 1)
