"""Weighted pointwise mutual information: do a neuron's most activating clips belong to a concept?

Definition: S = row-softmax over concepts of ``a`` times the affinities; i_1 .. i_k the k most activating clips.
With the weight p_r of rank r,

    L[j, m] = sum_r log(1 + p_r (S[i_r, m] - 1) + min_prob),    score = L - lam B,

B the layer's marginal (:mod:`otoscope.describe.prior`). ``wpmi`` has p_r = 1; ``soft_wpmi`` lets the weight
fall linearly, p_r = p_start - (r - 1)/k (p_start - p_end).

How it is computed: the summand depends on (rank, clip, concept) but not on the neuron, and is
log p_r + log(S + (1 - p_r + min_prob) / p_r). So for each rank the table of the second term is made once, for a slab
of concepts that fits a processor's cache, and a neuron is a sum of k table rows. Exact: no approximation beyond
rounding. O(k clip concept) logarithms and O(k neuron concept) additions, where a loop over neurons takes
O(k neuron concept) logarithms.

Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect", ICLR 2023, equations 2-4; constants of its release.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import cycle, islice

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from otoscope.describe.ranked import top_ranked

_LEAST_WEIGHT = 1e-30
"""Stands for a weight of 0: far below what a sum of two numbers can show."""
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
    weights = weights.clamp_min(_LEAST_WEIGHT)
    constant = float(weights.log().sum())
    at_once = max(1, min(_TABLES_AT_ONCE, _TABLE_ENTRIES // (_CONCEPTS_AT_ONCE * n_clips)))
    bags = list(_bags(ranked, weights, n_clips, at_once))
    out = membership.new_empty((len(ranked), n_concepts))
    slabs = [slice(start, start + _CONCEPTS_AT_ONCE) for start in range(0, n_concepts, _CONCEPTS_AT_ONCE)]
    tables = _tables_ahead(membership, slabs, [some for some, _ in bags], min_prob)
    for concepts in slabs:
        parts = (embedding_bag(rows, next(tables), mode="sum") for _, rows in bags)
        out[:, concepts] = reduce(Tensor.add_, parts).mul_(math.log(2)).add_(constant)
    return out


def _bags(
    ranked: Tensor, weights: Tensor, n_clips: int, at_once: int
) -> Iterator[tuple[list[float], Tensor]]:
    """Yield some distinct weights, and for each neuron the rows it takes from their stacked tables."""
    distinct, table_of_rank = torch.unique_consecutive(weights, return_inverse=True)
    for start in range(0, len(distinct), at_once):
        ranks = torch.nonzero((table_of_rank >= start) & (table_of_rank < start + at_once)).flatten()
        first_row = (table_of_rank[ranks] - start) * n_clips
        rows = ranked[:, ranks.to(ranked.device)] + first_row.to(ranked)
        yield distinct[start : start + at_once].tolist(), rows


def _tables_ahead(
    membership: Tensor, slabs: list[slice], weights: list[list[float]], min_prob: float
) -> Iterator[Tensor]:
    """Yield the tables of each slab and each of its lists of weights; the next ones are being made meanwhile.

    A yielded table is overwritten once the next one has been asked for.
    """
    makers = torch.get_num_threads() if membership.device.type == "cpu" else 1
    largest = max(map(len, weights)) * len(membership) * _CONCEPTS_AT_ONCE
    spaces = cycle(membership.new_empty((makers + 1, largest)))
    jobs = ((membership[:, concepts], some, min_prob, next(spaces)) for concepts in slabs for some in weights)
    with ThreadPoolExecutor(makers) as pool:
        coming = deque(pool.submit(_tables, *job) for job in islice(jobs, makers))
        while coming:
            tables = coming.popleft().result()
            coming.extend(pool.submit(_tables, *job) for job in islice(jobs, 1))
            yield tables


def _tables(membership: Tensor, weights: list[float], min_prob: float, space: Tensor) -> Tensor:
    """Return log2(S + (1 - p + min_prob) / p) for each weight p, ``(weight x clip, concept)``, in ``space``."""
    tables = space[: len(weights) * membership.numel()].view(len(weights), *membership.shape)
    offsets = [(1.0 - weight + min_prob) / weight for weight in weights]
    if membership.device.type == "cpu":  # numpy's vectorised log2 takes a quarter of the time of torch's
        slab = np.ascontiguousarray(membership.numpy())
        for table, offset in zip(tables.numpy(), offsets):
            np.log2(np.add(slab, offset, out=table), out=table)
    else:
        for device_table, offset in zip(tables, offsets):
            torch.add(membership, offset, out=device_table).log2_()
    return tables.flatten(0, 1)
