"""The five similarity functions with their parameters set, waiting for affinities.

``bind_cos()`` and the others check their parameters at once and return a :data:`Build`; called with affinities and a
seed it gives the :class:`~otoscope.describe.layer.Scorer` that :mod:`~otoscope.describe.similarity` and the
permutation test run. Parameters are explained in :mod:`~otoscope.describe.similarity`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from otoscope.arrays import to_tensor
from otoscope.describe.cosine import CosineScorer
from otoscope.describe.layer import Scorer
from otoscope.describe.pmi import PmiScorer, rank_weights
from otoscope.describe.ranked import tie_order
from otoscope.describe.reorder import ReorderScorer, Variant, affinity_ranks, chance_permutations
from otoscope.errors import InputError, UnknownNameError

_log = logging.getLogger(__name__)

Build = Callable[[Tensor, int], Scorer]
"""Affinities ``(usable clip, concept)`` and a seed -> the function with them bound."""


def clamped_top_k(top_k: int, n_clips: int) -> int:
    """Return how many clips ``wpmi`` and ``soft_wpmi`` look at when ``n_clips`` are usable."""
    if top_k < 1:
        raise InputError(f"top_k is a number of clips, at least 1, got {top_k}")
    if top_k > n_clips:
        _log.info("top_k = %d is clamped to the %d usable clips", top_k, n_clips)
    return min(top_k, n_clips)


def bind_cos() -> Build:
    """Return :func:`cos` as something to bind affinities to."""
    return lambda affinities, seed: CosineScorer(affinities, False, torch.finfo(affinities.dtype).tiny)


def bind_cos_cubed(*, min_norm: float = 1e-3) -> Build:
    """Return :func:`cos_cubed` as something to bind affinities to."""
    return lambda affinities, seed: CosineScorer(affinities, True, min_norm)


def bind_wpmi(*, top_k: int = 28, a: float = 2.0, lam: float = 0.6, min_prob: float = 1e-7) -> Build:
    """Return :func:`wpmi` as something to bind affinities to."""
    return bind_soft_wpmi(top_k=top_k, a=a, lam=lam, min_prob=min_prob, p_start=1.0, p_end=1.0)


def bind_soft_wpmi(
    *,
    top_k: int = 100,
    a: float = 10.0,
    lam: float = 1.0,
    min_prob: float = 1e-7,
    p_start: float = 0.998,
    p_end: float = 0.97,
) -> Build:
    """Return :func:`soft_wpmi` as something to bind affinities to."""
    if not 0 <= p_end <= p_start <= 1:
        raise InputError(f"expected 0 <= p_end <= p_start <= 1, got p_start {p_start}, p_end {p_end}")

    def build(affinities: Tensor, seed: int) -> Scorer:
        weights = rank_weights(clamped_top_k(top_k, len(affinities)), p_start, p_end)
        membership = torch.softmax(a * affinities, dim=1)
        return PmiScorer(membership, weights, min_prob, lam, tie_order(len(affinities), seed))

    return build


def bind_rank_reorder(
    *,
    p: float = 3.0,
    top_fraction: float = 0.05,
    scale_p: float = 0.5,
    permutations: Any = None,
    variant: Variant = "clip-dissect",
) -> Build:
    """Return :func:`rank_reorder` as something to bind affinities to."""
    if variant not in ("clip-dissect", "and-2024"):
        raise UnknownNameError.of("variant of rank_reorder", variant, ("clip-dissect", "and-2024"))
    if not 0 < top_fraction <= 1:
        raise InputError(f"top_fraction is a share of the clips in (0, 1], got {top_fraction}")

    def build(affinities: Tensor, seed: int) -> Scorer:
        n, order = int(top_fraction * len(affinities)), tie_order(len(affinities), seed)
        drawn = chance_permutations(n, 5, seed) if permutations is None else to_tensor(permutations)
        if drawn.shape[-1] != n:
            raise InputError(f"permutations must be of the {n} top clips, got shape {tuple(drawn.shape)}")
        ranks = affinity_ranks(affinities, order)
        return ReorderScorer(affinities, ranks, drawn, n, p, scale_p, variant, order)

    return build
