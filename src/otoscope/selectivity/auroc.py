"""AUROC per class: how surely does a clip of the class outrank another clip on this neuron?

Definition: with w the membership of the clips in c (0 or 1) and r their mid-ranks among all n clips,

    AUROC[c] = (sum w r - W / 2 - W^2 / 2) / (W (n - W)),   W = sum w,

which for 0 and 1 is the share of pairs (clip of c, other clip) won, a tie counting one half; with split weights each
pair counts w (1 - w'). In [0, 1], 0.5 by chance. Only ranks matter, so skewed and sparse neurons are treated alike.

The effect that is compared with the least one is AUROC itself. Reference: see :mod:`otoscope.metrics.ranking`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from otoscope.selectivity.firing import Block
from otoscope.selectivity.selector import Choice, RuleOptions, Selector, Sums, one, quota
from otoscope.selectivity.units import Units


def features(block: Block, units: Units) -> NDArray[np.float32]:
    """Return mid-ranks minus their mean, summed over units: centred, so that float32 keeps every half."""
    ranks = rankdata(block.values, axis=0) - (len(block.values) + 1) / 2
    return one(units.sum(ranks.astype(np.float32)))


def effect(sums: Sums) -> Tensor:
    """Return the AUROC ``(..., class, neuron)``; NaN for a class with no clip or with all of them."""
    w, n = sums.clips, sums.n_clips
    return 0.5 + sums.features[0] / (w * (n - w))


def published(sums: Sums, found: NDArray[np.float64], options: RuleOptions) -> Choice:
    """Return the quota of neurons of highest AUROC, counted from 0.5."""
    choice = quota(sums, found - 0.5, options)
    cut = choice.thresholds["effect_cut"] + 0.5
    return Choice(choice.selected, choice.assigned, {**choice.thresholds, "effect_cut": cut})


SELECTOR = Selector("auroc", features, effect, min_effect=0.75, published=published)
