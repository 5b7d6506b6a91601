"""Mean difference: how much higher does a neuron stand in a class than in all other clips?

Definition: effect[c] = (mean over clips of c - mean over the other clips) / standard deviation over all clips, of the
share of positive positions or of the pooled activation (``value``). 0 is no difference; 0.8 is conventionally large.

Reference: J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, chapter 2; we divide by the spread
over all clips, which no permutation changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from otoscope.selectivity.firing import Block
from otoscope.selectivity.selector import Selector, Sums, centred, one, quota
from otoscope.selectivity.units import Units


def features(block: Block, units: Units) -> NDArray[np.float32]:
    """Return the values of each neuron in units of its spread, summed over units."""
    return one(units.sum(centred(block.values)))


def effect(sums: Sums) -> Tensor:
    """Return the standardised difference ``(..., class, neuron)``."""
    own, rest = sums.means()
    return own - rest


SELECTOR = Selector("mean-difference", features, effect, min_effect=0.8, published=quota)
