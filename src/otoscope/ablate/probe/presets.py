"""Ready probes, as configurations, and how each differs from the default.

``default``
    Ours: multinomial logistic regression by scikit-learn; C is chosen by cross-entropy on validation groups, then the
    probe is trained on training and validation clips together. No group is on two sides.
``aape-2026``
    EVAR's linear evaluation, on which AAPE's ablations rest: standardised embeddings, one linear layer, Adam at a
    constant 3e-5 (M2D; 3e-4 for AST, HuBERT and others) with weight decay 1e-8, batches of 200, loss = cross-entropy
    divided by the number of classes (BCE for several labels), at most 200 epochs, early stop on validation accuracy
    with patience 20, of tied epochs the later; where there is no split ``valid`` a random tenth that holds every class;
    seeds 42, 43, 44. *Peculiarities kept*: that tenth is drawn by clip, so recordings may be on both sides; a learning
    rate this small hardly moves a probe of few clips. *Not kept*: EVAR cuts training clips at random to the task's
    length and test clips at their beginning, here clips are heard whole; seeds of the released code decide other draws.

Reference: T. Kawamura, D. Niizumi, N. Ono, arXiv 2602.15307, section III; D. Niizumi et al., EVAR, its linear
evaluation.
"""

from __future__ import annotations

from typing import Any

from otoscope.ablate.probe import PRESETS
from otoscope.ablate.probe.config import ProbeConfig
from otoscope.registry import lookup


def preset(name: str, **changes: Any) -> ProbeConfig:
    """Return the configuration of a protocol, with ``changes`` to it.

    Examples
    --------
    >>> preset("aape-2026", learning_rate=3e-4).seeds
    (42, 43, 44)
    """
    base: ProbeConfig = lookup(PRESETS, name, room="probe.presets", kind="preset of probe")()
    return ProbeConfig.model_validate({**base.model_dump(), **changes})


def default() -> ProbeConfig:
    """Return our defaults."""
    return ProbeConfig()


def aape_2026() -> ProbeConfig:
    """Return EVAR's linear evaluation for M2D."""
    return ProbeConfig(
        method="linear", valid_split="valid", valid=0.1, hold_out="random", seeds=(42, 43, 44), controls=1
    )
