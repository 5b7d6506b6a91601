"""Fisher score: how far apart are the class and the rest, in units of their own spreads?

Definition: effect[c] = (m - m')^2 / (v + v'), mean m and variance v over the clips of c, m' and v' over the others;
counted as negative where the class stands lower. Unlike the mean difference it is not bounded for a neuron that
separates perfectly; variances below a millionth of the neuron's own count as that. Two classes 0.8 of their standard
deviation apart score 0.32.

Reference: R. Duda, P. Hart, D. Stork, "Pattern Classification", 2001, section 3.8.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from otoscope.selectivity.firing import Block
from otoscope.selectivity.selector import Selector, Sums, centred, quota
from otoscope.selectivity.units import Units

_LEAST_VARIANCE = 1e-6
"""Of a neuron's total variance: below it, float32 sums tell nothing."""


def features(block: Block, units: Units) -> NDArray[np.float32]:
    """Return standardised values and their squares, summed over units."""
    values = centred(block.values)
    return np.stack([units.sum(values), units.sum(values**2)])


def effect(sums: Sums) -> Tensor:
    """Return the signed Fisher score ``(..., class, neuron)``; NaN for a class with no clip or with all of them."""
    own, rest = sums.mean(0)
    own_square, rest_square = sums.mean(1)
    spread = own_square.addcmul_(own, own, value=-1).clamp_(min=0)
    spread += rest_square.addcmul_(rest, rest, value=-1).clamp_(min=0)
    difference = own.sub_(rest)
    return difference.abs().mul_(difference).div_(spread.clamp_(min=_LEAST_VARIANCE))


SELECTOR = Selector("fisher", features, effect, min_effect=0.32, published=quota)
