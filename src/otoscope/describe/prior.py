"""How well does a concept fit the layer as a whole, so that a neuron's fit can be judged against it?

Definition: with L the log-likelihoods ``(neuron, concept)`` and T neurons, the marginal is

    B[m] = log( (1/T) sum_j exp L[j, m] ).

Conventions: natural logarithm; a neuron without a likelihood (a dead one, NaN) is left out of sum and count.
The sum is gathered block by block and kept as its largest term and all the others, so that the marginal
*without* one neuron is exact also where that neuron is nearly the whole sum.

Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect: Automatic Description of Neuron Representations in Deep
Vision Networks", ICLR 2023, the p(t_m) of equation 2 and appendix A.2; the leave-one-out form is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Prior:
    """The gathered marginal of a layer.

    Attributes
    ----------
    peak : Tensor (concept,)
        The largest log-likelihood of any neuron.
    rest : Tensor (concept,)
        Logarithm of the summed likelihoods of all other neurons.
    n_neurons : int
        Neurons that took part.
    """

    peak: Tensor
    rest: Tensor
    n_neurons: int

    @classmethod
    def empty(cls, n_concepts: int, like: Tensor) -> Prior:
        """Return the marginal of no neuron yet, on the device and in the precision of ``like``."""
        nothing = torch.full((n_concepts,), -math.inf, dtype=like.dtype, device=like.device)
        return cls(nothing, nothing, 0)

    def add(self, likelihoods: Tensor) -> Prior:
        """Return the marginal with a block of neurons added.

        Parameters
        ----------
        likelihoods : Tensor (neuron, concept)
            Logarithms; a row that begins with NaN is a neuron without one. Unchanged on return.
        """
        lifeless = likelihoods[:, 0].isnan()
        usable = likelihoods[~lifeless] if lifeless.any() else likelihoods
        if not len(usable):
            return self
        peak, where = usable.max(dim=0)
        usable.scatter_(0, where[None], -math.inf)  # taken out for the sum of the others, put back below
        others = torch.logsumexp(usable, dim=0)
        usable.scatter_(0, where[None], peak[None])
        others = torch.logaddexp(torch.logaddexp(self.rest, others), torch.minimum(self.peak, peak))
        return Prior(torch.maximum(self.peak, peak), others, self.n_neurons + len(usable))

    def value(self) -> Tensor:
        """Return B, ``(concept,)``; NaN when no neuron took part."""
        total = torch.logaddexp(self.peak, self.rest)
        return total - math.log(self.n_neurons) if self.n_neurons else torch.full_like(total, math.nan)

    def without(self, likelihoods: Tensor) -> Tensor:
        """Return the marginal of the *other* neurons, seen from each neuron of a block.

        Parameters
        ----------
        likelihoods : Tensor (neuron, concept)
            Rows that were added before.

        Returns
        -------
        Tensor (neuron, concept)
            0 where the layer has no other neuron: there is nothing to judge against.
        """
        if self.n_neurons < 2:
            return torch.zeros_like(likelihoods)
        own = (likelihoods - self.peak).exp()
        others = self.peak + torch.log1p((self.rest - self.peak).exp() - own)
        return torch.where(likelihoods >= self.peak, self.rest, others) - math.log(self.n_neurons - 1)
