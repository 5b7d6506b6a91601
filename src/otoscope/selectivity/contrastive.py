"""Contrast: how much higher does a neuron stand in a class than in the runner-up?

Definition: effect[c] = (mean over clips of c - highest mean over the clips of another class) / standard deviation over
all clips. At most one class of a neuron has an effect above 0; two classes that share a neuron hide each other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from otoscope.selectivity.mean_difference import features
from otoscope.selectivity.selector import Selector, Sums, quota


def effect(sums: Sums) -> Tensor:
    """Return mean minus highest other mean ``(..., class, neuron)``; NaN for a class without clips."""
    own = sums.means()[0]
    known = torch.where(own.isnan(), -torch.inf, own)
    top = known.topk(2, dim=-2).values
    first, second = top[..., :1, :], top[..., 1:, :]
    return torch.where(own.isnan(), torch.nan, torch.where(known == first, known - second, known - first))


SELECTOR = Selector("contrastive", features, effect, min_effect=0.5, published=quota)
