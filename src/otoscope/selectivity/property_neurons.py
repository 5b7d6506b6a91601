"""Property neurons: which neurons are among the layer's most active ones in nearly all cases of a class, and no other?

Definition. A *case* is a unit of the task: a recording source or speaker with one label, else a clip. In a case, a
neuron is *activated* if its share of positive positions is among the highest 1 % of its layer (at least one neuron;
ties at the edge all count). ``match[c]`` is the share of the clips of c that lie in cases where it is activated.

- Effect: match[c] minus the highest match of another class, in [-1, 1].
- Published rule: match[c] >= 0.8 and below 0.8 in every other class.

Where we differ. In the paper a case is a phone, one label further down; a frame activates the 1 % of neurons of highest
*value*, and a neuron counts for a phone if it does so in more than 1 % of the phone's frames. The recorder keeps how
often a neuron is above zero and not its rank within frames, so here neurons are ranked by that share.

Reference: T.-Q. Lin, G.-T. Lin, H. Lee, H. Tang, "Property Neurons in Self-Supervised Speech Transformers",
arXiv 2409.05910, section 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from otoscope.selectivity import contrastive
from otoscope.selectivity.firing import Block
from otoscope.selectivity.selector import Choice, RuleOptions, Selector, Sums, numbers, one
from otoscope.selectivity.units import Units

LAYER_SHARE = 0.01


def features(block: Block, units: Units) -> NDArray[np.float32]:
    """Return, by unit, the number of its clips where the neuron is activated: all or none of them."""
    fired, observed = units.sum(block.counts), units.sum(block.observations)
    share = fired / np.maximum(observed, 1)[:, None]
    n_top = max(1, round(LAYER_SHARE * share.shape[1]))
    edge = -np.partition(-share, n_top - 1, axis=1)[:, n_top - 1 : n_top]
    activated = (share >= edge) & (share > 0)
    return one((activated * units.clips[:, None]).astype(np.float32))


def effect(sums: Sums) -> Tensor:
    """Return match minus the highest other match ``(..., class, neuron)``."""
    return contrastive.effect(sums)


def published(sums: Sums, found: NDArray[np.float64], options: RuleOptions) -> Choice:
    """Return the neurons that match one class and no other."""
    match = np.nan_to_num(numbers(sums.means()[0]))
    matched = match >= options.match
    assigned = matched & (matched.sum(axis=0) == 1)
    return Choice(assigned.any(axis=0), assigned, {"match": options.match, "layer_share": LAYER_SHARE})


SELECTOR = Selector(
    "property", features, effect, min_effect=0.3, published=published, whole_layer=True, activations=False
)
