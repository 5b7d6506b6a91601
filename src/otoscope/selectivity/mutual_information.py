"""Mutual information: how much does it say about the class that the neuron fires?

Definition: over all observations (positions, or clips where the unit is the clip), A = "the neuron is positive" and
B = "the observation is of class c"; effect[c] = I(A; B) / H(B), the share of what one asks about c that A answers, in
[0, 1]; counted as negative where the neuron fires less in c than elsewhere.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.selectivity.firing import Block
from otoscope.selectivity.selector import Selector, Sums, one, quota
from otoscope.selectivity.units import Units


def features(block: Block, units: Units) -> NDArray[np.float32]:
    """Return positive observations summed over units."""
    return one(units.sum(block.counts))


def effect(sums: Sums) -> Tensor:
    """Return signed I(A; B) / H(B) ``(..., class, neuron)``; NaN for a class with no observation or with all."""
    n = sums.n_observations
    own, fires = sums.observations / n, sums.over_all[0] / n
    apart = sums.features[0] / n - fires * own
    shared = torch.zeros_like(apart)
    for a, b, sign in (  # a (neuron,), b (..., class, 1)
        (fires, own, 1),
        (1 - fires, 1 - own, 1),
        (fires, 1 - own, -1),
        (1 - fires, own, -1),
    ):
        relative = (apart * (sign * _inverse(b))).mul_(_inverse(a))
        shared += divergence(relative).mul_(b).mul_(a)
    about_class = -torch.special.xlogy(own, own) - torch.special.xlogy(1 - own, 1 - own)
    return shared.mul_(torch.sign(apart)).div_(about_class)


def _inverse(share: Tensor) -> Tensor:
    return torch.where(share > 0, 1 / share, 0)


def divergence(deviation: Tensor) -> Tensor:
    """Return (1 + d) log(1 + d) - d of relative deviations d >= -1: what a cell adds to a divergence, never below 0.

    Written so, small deviations lose no digits: sums of p log p would cancel to nothing in single precision.
    """
    logs = deviation.clamp_min(-1 + torch.finfo(deviation.dtype).eps).log1p_()
    return (deviation + 1).mul_(logs).sub_(deviation)


SELECTOR = Selector(
    "mutual-information", features, effect, min_effect=0.05, published=quota, activations=False
)
