"""Which learning rate at which step? Each schedule is a function of progress alone, so nothing is stored.

With p in [0, 1) the share of all steps done and w the share of warm-up:

    constant  1
    cosine    p / w while p < w, then (1 + cos(pi (p - w) / (1 - w))) / 2
    linear    p / w while p < w, then (1 - p) / (1 - w)

Reference: I. Loshchilov and F. Hutter (2017), SGDR: stochastic gradient descent with warm restarts, ICLR
(cosine).
"""

from __future__ import annotations

import math
from collections.abc import Callable


def constant(progress: float, warmup: float) -> float:
    """Return 1: the learning rate never changes."""
    return 1.0


def cosine(progress: float, warmup: float) -> float:
    """Return the factor of the cosine schedule with linear warm-up, in [0, 1].

    Examples
    --------
    >>> [round(cosine(p, 0.2), 3) for p in (0.1, 0.2, 0.6)]
    [0.5, 1.0, 0.5]
    """
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (progress - warmup) / (1.0 - warmup)))


def linear(progress: float, warmup: float) -> float:
    """Return the factor of the linear schedule with linear warm-up, in [0, 1]."""
    if progress < warmup:
        return progress / warmup
    return (1.0 - progress) / (1.0 - warmup)


#: name -> function of (share of steps done, share of warm-up)
SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "linear": linear,
}
