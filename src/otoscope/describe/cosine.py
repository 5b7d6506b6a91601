"""Do a neuron's activations and a concept's affinities rise on the same clips?

Definition, with x' the prepared column x:

    score[j, m] = sum_i  activations'[i, j]  affinities'[i, m]

- ``cos``:        x' = x / |x|                                 (no centring)
- ``cos_cubed``:  x' = y^3 / max(|y^3|, min_norm),  y = x - mean(x)

Conventions: in [-1, 1], higher is a better fit. Where we differ: a column of zeros scores 0 under ``cos``, where
the release divides by zero.

Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect", ICLR 2023, section 3.1 and its release.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class CosineScorer:
    """``cos`` and ``cos_cubed`` with the affinities bound.

    Attributes
    ----------
    affinities : Tensor (clip, concept)
    cubed : bool
    min_norm : float
        Smallest norm divided by; keeps a column without variation at 0.
    """

    affinities: Tensor
    cubed: bool
    min_norm: float
    prior_weight: float = 0.0

    def evidence(self, activations: Tensor, neurons: slice) -> Tensor:
        """Return the prepared activations of a block, ``(clip, neuron)``."""
        return self._prepared(activations.to(self.affinities.dtype))

    def raw(self, evidence: Tensor, donors: Tensor | None = None) -> Tensor:
        """Return the scores ``(neuron, concept)``, or ``(permutation, neuron, concept)`` with row i's affinities
        taken from row ``donors[permutation, i]``."""
        if donors is None:
            return evidence.T @ self._prepared(self.affinities)
        return torch.stack([evidence.T @ self._prepared(self.affinities[rows]) for rows in donors])

    def ranked(self, evidence: Tensor) -> None:
        """Return None: all clips are looked at."""

    def _prepared(self, columns: Tensor) -> Tensor:
        if self.cubed:
            columns = (columns - columns.mean(dim=0)).pow(3)
        return columns.div(torch.linalg.vector_norm(columns, dim=0).clamp_min(self.min_norm))
