"""Activation-probability entropy as a selector: few classes, whichever they are.

Definition: effect = 1 - H / log C, with H the entropy of :mod:`otoscope.selectivity.entropy` and C the number of
classes observed: 0 for a neuron that fires equally for all classes, 1 for one that fires for one class only. It names
no class. A dead neuron has no effect.

The published rule keeps the ``top_rate`` of lowest entropy and assigns every class whose activation probability exceeds
the bar, the 95th percentile of all probabilities of all neurons and classes: a rarely firing neuron may have no class.

The default rule asks instead whether permuted labels give so low an entropy: rarely firing neurons have low entropies
by chance, and are judged against their own. Its classes are found in the same way, by *lift*[c] = p[c] / mean of p over
the observed classes, 1 where the neuron fires for c as for the others: p of the best lift under permuted labels, held
to the neurons' own cut (:mod:`otoscope.selectivity.rules`). A neuron that spares one class, and fires alike for the
others, is selective and may have no class that stands out.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.selectivity import entropy
from otoscope.selectivity.mutual_information import features
from otoscope.selectivity.selector import Choice, RuleOptions, Selector, Sums, numbers


def effect(sums: Sums) -> Tensor:
    """Return 1 - H / log C, ``(..., 1, neuron)``; NaN for a dead neuron."""
    n = sums.observations.double()
    p = sums.features[0].double() * torch.where(n > 0, 1 / n, 0)
    total = p.sum(dim=-2, keepdim=True)
    plogp = p.clamp_min(torch.finfo(p.dtype).tiny).log_().mul_(p).sum(dim=-2, keepdim=True)
    height = total.log() - plogp / total  # H of p / total
    n_classes = (n > 0).sum(dim=-2, keepdim=True)
    found: Tensor = 1 - height / torch.log(n_classes.to(height.dtype))
    return found


def lift(sums: Sums) -> Tensor:
    """Return p[c] / mean of p over observed classes ``(..., class, neuron)``; NaN for a dead neuron or empty class."""
    observed = sums.observations > 0
    p = sums.features[0] * torch.where(observed, 1 / sums.observations, 0)
    even = p.sum(dim=-2, keepdim=True) / observed.sum(dim=-2, keepdim=True)
    return torch.where(observed, p / even, torch.nan)


def published(sums: Sums, found: NDArray[np.float64], options: RuleOptions) -> Choice:
    """Return the neurons of :func:`otoscope.selectivity.entropy.choose`."""
    choice = entropy.choose(_probabilities(sums), options.top_rate, options.eligibility)
    highest = choice.entropy[choice.selected].max(initial=-np.inf)
    thresholds = {
        "bar": choice.bar,
        "entropy_cut": float(highest) if np.isfinite(highest) else float("nan"),
        "n_asked": choice.n_asked,
        "n_eligible": int(choice.eligible.sum()),
    }
    return Choice(choice.selected, choice.assigned.T, thresholds)


def _probabilities(sums: Sums) -> NDArray[np.float32]:
    """Return activation probabilities ``(neuron, class)``, NaN for a class never observed."""
    counts, n = numbers(sums.features[0]).T, numbers(sums.observations).T
    with np.errstate(invalid="ignore", divide="ignore"):
        p = counts.astype(np.float32) / n.astype(np.float32)
    return np.where(n > 0, p, np.float32(np.nan)).astype(np.float32)


SELECTOR = Selector(
    "entropy",
    features,
    effect,
    min_effect=0.02,
    published=published,
    naming=lift,
    activations=False,
)
