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
from otoscope.selectivity.mutual_information import divergence, features
from otoscope.selectivity.selector import Choice, RuleOptions, Selector, Sums, numbers


def effect(sums: Sums) -> Tensor:
    """Return 1 - H / log C, ``(..., 1, neuron)``; NaN for a dead neuron.

    It is the divergence of p / total from equal shares, over log C.
    """
    observed = sums.observations > 0
    n_classes = observed.sum(dim=-2, keepdim=True)
    apart = divergence(_lift(sums, observed, n_classes).sub_(1)).mul_(observed)
    found: Tensor = apart.sum(dim=-2, keepdim=True) / (n_classes * torch.log(n_classes.to(apart.dtype)))
    return found


def lift(sums: Sums) -> Tensor:
    """Return p[c] / mean of p over observed classes ``(..., class, neuron)``; NaN for a dead neuron or empty class."""
    observed = sums.observations > 0
    found = _lift(sums, observed, observed.sum(dim=-2, keepdim=True))
    return found if bool(observed.all()) else torch.where(observed, found, torch.nan)


def _lift(sums: Sums, observed: Tensor, n_classes: Tensor) -> Tensor:
    p = sums.features[0] * torch.where(observed, 1 / sums.observations, 0)
    return p.div_(p.sum(dim=-2, keepdim=True).div_(n_classes))


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
