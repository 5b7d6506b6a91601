"""The walk that all similarity functions share: a layer's neurons in blocks, over the usable clips.

A :class:`Scorer` is one similarity function with the affinities bound to it. Given the activations of a block of
neurons it first takes what it needs of them (:meth:`Scorer.evidence`), then gives scores, for the affinities as
they are or with their rows exchanged; so a permutation costs no second look at the activations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from otoscope.arrays import to_tensor
from otoscope.describe.prior import Prior
from otoscope.errors import EmptyDataError, InputError

MOST_NEURONS, MOST_VALUES = 4096, 2**26
"""Neurons, and activations of theirs over all clips, that are scored at a time where nothing else is asked."""


def default_block(n_clips: int) -> int:
    """Return how many neurons are scored at a time: fewer where there are many clips, so that memory stays bounded.

    A power of two, so that blocks fall together with the columns of a chunk on the disk.

    Examples
    --------
    >>> default_block(400), default_block(200_000)
    (4096, 256)
    """
    fitting = max(1, MOST_VALUES // max(n_clips, 1))
    return min(MOST_NEURONS, 1 << (fitting.bit_length() - 1))


class Scorer(Protocol):
    """One similarity function with the affinities bound."""

    @property
    def prior_weight(self) -> float:
        """lam: how much of the layer's marginal is subtracted; 0 for a function without one."""

    def evidence(self, activations: Tensor, neurons: slice) -> Any:
        """Return what the function needs of a block's activations ``(clip, neuron)``."""

    def raw(self, evidence: Any, donors: Tensor | None = None) -> Tensor:
        """Return scores before the marginal is subtracted: ``(neuron, concept)``; with ``donors``
        ``(permutation, clip)``, ``(permutation, neuron, concept)``."""

    def ranked(self, evidence: Any) -> Tensor | None:
        """Return the clips the function looks at, ``(neuron, k)`` by rank; None where it looks at all."""


@dataclass(frozen=True)
class Layer:
    """Activations of a layer over the usable clips.

    Attributes
    ----------
    activations : array (clip, neuron)
        Numpy, torch, or anything that slices to numpy (an array on disk).
    rows : Tensor, int64 (usable clip,)
        Clips without NaN in activations and affinities.
    block : int
        Neurons taken at a time.
    dtype : torch.dtype
        Precision of the arithmetic.
    sign : float
        -1.0 for the low pole: the activations are negated as they are read.
    """

    activations: Any
    rows: Tensor
    block: int
    dtype: torch.dtype
    sign: float = 1.0

    def blocks(self) -> Iterator[slice]:
        """Yield the neurons of each block."""
        n_neurons = self.activations.shape[1]
        return (slice(start, min(start + self.block, n_neurons)) for start in range(0, n_neurons, self.block))

    def columns(self, neurons: slice) -> Tensor:
        """Return the activations ``(usable clip, neuron)`` of a block."""
        taken = _columns(self.activations, neurons)
        whole = len(self.rows) == len(taken)
        kept = (taken if whole else taken[self.rows.to(taken.device)]).to(self.dtype)
        return kept if self.sign == 1.0 else kept * self.sign


def usable(activations: Any, affinities: Any, block: int | None) -> tuple[Layer, Tensor]:
    """Return the layer and the affinities ``(usable clip, concept)``, both without clips that have a NaN.

    Raises
    ------
    InputError
        If shapes do not fit or a value is infinite.
    EmptyDataError
        If no clip, neuron or concept is left.
    """
    bound = to_tensor(affinities)
    _validate(activations, bound, block)
    dtype = _precision(activations, bound)
    good = _finite_rows(bound, "affinities")
    layer = Layer(
        activations, torch.arange(len(bound), device=bound.device), block or default_block(len(bound)), dtype
    )
    for neurons in layer.blocks():
        good = good & _finite_rows(_columns(activations, neurons), "activations").to(good.device)
    rows = torch.nonzero(good).flatten()
    if not len(rows):
        raise EmptyDataError(
            f"all {len(good)} clips have a NaN in activations or affinities: nothing to score"
        )
    return Layer(activations, rows, layer.block, dtype), bound[rows].to(dtype)


def score(layer: Layer, scorer: Scorer, n_concepts: int, prior: Tensor | None = None) -> Tensor:
    """Return the scores ``(neuron, concept)``, NaN for a dead neuron.

    Parameters
    ----------
    layer : Layer
    scorer : Scorer
    n_concepts : int
    prior : Tensor (concept,), optional
        The whole layer's marginal; of these neurons where not given.
    """
    n_neurons = layer.activations.shape[1]
    scores = torch.empty((0, n_concepts), dtype=layer.dtype, device=layer.rows.device)
    gathered = Prior.empty(n_concepts, scores)
    for neurons in layer.blocks():
        raw = raw_scores(layer, scorer, neurons)
        if scorer.prior_weight and prior is None:
            gathered = gathered.add(raw)
        if len(raw) == n_neurons:
            scores = raw
        else:
            scores = scores if len(scores) else scores.new_empty((n_neurons, n_concepts))
            scores[neurons] = raw
    if scorer.prior_weight:
        scores -= scorer.prior_weight * (gathered.value() if prior is None else prior.to(scores))
    return scores


def gather_prior(layer: Layer, scorer: Scorer, n_concepts: int) -> Prior:
    """Return the layer's marginal over ``n_concepts``, gathered block by block."""
    gathered = Prior.empty(n_concepts, torch.empty(0, dtype=layer.dtype, device=layer.rows.device))
    for neurons in layer.blocks():
        gathered = gathered.add(raw_scores(layer, scorer, neurons))
    return gathered


def raw_scores(layer: Layer, scorer: Scorer, neurons: slice) -> Tensor:
    """Return a block's scores before the marginal is subtracted, NaN for a dead neuron."""
    activations = layer.columns(neurons)
    raw = scorer.raw(scorer.evidence(activations, neurons))
    lifeless = dead(activations)
    if lifeless.any():
        raw[lifeless] = math.nan
    return raw


def dead(activations: Tensor) -> Tensor:
    """Return, bool ``(neuron,)``, which neurons have the same activation on every clip ``(clip, neuron)``."""
    return activations.amax(dim=0) == activations.amin(dim=0)


def _columns(activations: Any, neurons: slice) -> Tensor:
    taken = activations[:, neurons]
    return taken if isinstance(taken, Tensor) else to_tensor(np.asarray(taken))


def _precision(activations: Any, affinities: Tensor) -> torch.dtype:
    wide = torch.promote_types(_columns(activations, slice(0, 1)).dtype, affinities.dtype)
    return wide if wide in (torch.float32, torch.float64) else torch.float32


def _finite_rows(table: Tensor, what: str) -> Tensor:
    if table.sum().isfinite():
        return torch.ones(len(table), dtype=torch.bool, device=table.device)
    if table.isinf().any():
        raise InputError(
            f"{what} hold an infinite value; only finite values and NaN (a failed clip) are allowed"
        )
    return ~table.isnan().any(dim=1)


def _validate(activations: Any, affinities: Tensor, block: int | None) -> None:
    shapes = f"got activations {tuple(activations.shape)} and affinities {tuple(affinities.shape)}"
    if len(activations.shape) != 2 or affinities.ndim != 2:
        raise InputError(f"expected activations (clip, neuron) and affinities (clip, concept), {shapes}")
    if activations.shape[0] != affinities.shape[0]:
        raise InputError(f"activations and affinities must have one row for each clip, {shapes}")
    if 0 in (*activations.shape, affinities.shape[1]):
        raise EmptyDataError(f"there must be at least one clip, one neuron and one concept, {shapes}")
    if block is not None and block < 1:
        raise InputError(f"block is a number of neurons, at least 1, got {block}")
