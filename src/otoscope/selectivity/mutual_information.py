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
    n = sums.n_observations  # float64: information is a small difference of large sums
    class_share = sums.observations.double() / n
    both = sums.features[0].double() / n
    fires = sums.over_all[0].double() / n
    cells = [both, fires - both, class_share - both, 1 - fires - class_share + both]
    about_class = _plogp(class_share) + _plogp(1 - class_share)
    shared = -_plogp(fires) - _plogp(1 - fires) - about_class
    for cell in cells:
        shared = shared + _plogp(cell)
    more = torch.sign(both - fires * class_share)
    return shared.clamp_(min=0).mul_(more).div_(-about_class)


def _plogp(p: Tensor) -> Tensor:
    found: Tensor = p.clamp_min(torch.finfo(p.dtype).tiny).log_().mul_(p)
    return found


SELECTOR = Selector(
    "mutual-information", features, effect, min_effect=0.05, published=quota, activations=False
)
