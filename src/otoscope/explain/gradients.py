"""Which bins move the class's number? Saliency, integrated gradients, SmoothGrad, by captum.

With n(S) the explained number (a logit) as a function of the features S:

    saliency               |dn / dS|
    integrated gradients   S * mean over a in (0, 1) of dn/dS at a S             (baseline: silence)
    SmoothGrad             mean of |dn / dS| at S + noise of ``noise`` times the range of S

References: K. Simonyan, A. Vedaldi, A. Zisserman (2013), Deep Inside Convolutional Networks; M. Sundararajan, A. Taly,
Q. Yan (2017), Axiomatic Attribution for Deep Networks, ICML; D. Smilkov et al. (2017), SmoothGrad; N. Kokhlikyan et al.
(2020), Captum. The attributions of integrated gradients add up to n(S) - n(0), up to the quadrature.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from otoscope.explain.features import Attribution, Features, captum, differentiable
from otoscope.stage_config import Seed


class Saliency(Attribution):
    """The size of the gradient; attributes of :class:`~otoscope.explain.features.Attribution`."""

    sign: Literal["positive", "absolute"] = "absolute"

    def attributions(self, features: Features) -> Tensor:
        """Return dn / dS."""
        differentiable(features)
        method = captum().Saliency(features.number)
        found: Tensor = method.attribute(
            features.values.requires_grad_(), abs=False, additional_forward_args=features.arguments()
        )
        return found


class IntegratedGradients(Attribution):
    """Gradients along the way from silence to the sound.

    Attributes
    ----------
    steps : int
        Points of the Gauss-Legendre quadrature.
    batch_size : int
        Spectrograms a forward pass, about.
    """

    steps: int = Field(32, ge=1)
    batch_size: int = Field(32, ge=1)

    def attributions(self, features: Features) -> Tensor:
        """Return S times the mean gradient."""
        differentiable(features)
        method = captum().IntegratedGradients(features.number)
        found: Tensor = method.attribute(
            features.values.requires_grad_(),
            baselines=0.0,
            n_steps=self.steps,
            internal_batch_size=max(self.batch_size, len(features.values)),
            additional_forward_args=features.arguments(),
        )
        return found


class SmoothGrad(Attribution):
    """The gradient's size, averaged over noisy copies of the sound.

    Attributes
    ----------
    draws : int
        Noisy copies.
    noise : float
        Standard deviation of the noise, as a share of the range of the clip's features.
    seed : int
        Of the noise.
    """

    sign: Literal["positive", "absolute"] = "absolute"
    draws: int = Field(16, ge=1)
    noise: float = Field(0.1, gt=0)
    seed: Seed = 0

    def attributions(self, features: Features) -> Tensor:
        """Return the mean of |dn / dS|."""
        differentiable(features)
        values = features.values
        method = captum().Saliency(features.number)
        generator = torch.Generator().manual_seed(self.seed)
        spread = self.noise * (values.amax((1, 2), keepdim=True) - values.amin((1, 2), keepdim=True))
        total = torch.zeros_like(values)
        for _ in range(self.draws):
            noise = torch.randn(values.shape, generator=generator).to(values)
            noisy = (values + spread * noise).detach().requires_grad_()
            total += method.attribute(noisy, additional_forward_args=features.arguments())
        return total / self.draws
