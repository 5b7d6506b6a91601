"""Ready selections, as configurations, and how each differs from the default.

``default``
    Ours: AUROC of the share of positive positions, class against all other clips; q <= 0.05 over all neurons and an
    AUROC of at least 0.75, p from labels permuted by group and corrected for the choice among classes.
``lape-2024``
    Entropy of activation probabilities; eligible if a probability exceeds the 95th percentile of all; the 1 % of
    lowest entropy, each for the classes above the same percentile. No null: the quota is spent whatever the labels
    mean. What chance would have given stands beside it.
``aape-2026``
    The same on sounds, 1 % (``top_rate=0.02`` for ESC-50 and GISE-51). Its text speaks of dropping the least active 5 %
    instead (``eligibility="drop-lowest"``), with which its counts per class cannot be reached. Meant for the hidden
    layer of each block's MLP after its activation; which layers there are, the recording decides. All clips take part,
    padding as it was recorded.

Reference: T. Tang et al., ACL 2024; T. Kawamura, D. Niizumi, N. Ono, arXiv 2602.15307.
"""

from __future__ import annotations

from typing import Any

from otoscope.registry import lookup
from otoscope.selectivity import PRESETS
from otoscope.selectivity.config import SelectConfig


def preset(name: str, **changes: Any) -> SelectConfig:
    """Return the configuration of a protocol, with ``changes`` to it.

    Raises
    ------
    UnknownNameError
        If there is no such protocol.

    Examples
    --------
    >>> preset("aape-2026", top_rate=0.02).rule
    'published'
    """
    base: SelectConfig = lookup(PRESETS, name, room="selectivity.presets", kind="preset of select")()
    return SelectConfig.model_validate({**base.model_dump(), **changes})


def default() -> SelectConfig:
    """Return our defaults."""
    return SelectConfig()


def lape_2024() -> SelectConfig:
    """Return LAPE as published."""
    return SelectConfig(
        method="entropy", rule="published", top_rate=0.01, eligibility="lape", n_permutations=0
    )


def aape_2026() -> SelectConfig:
    """Return AAPE as published, by the reading that its numbers fit."""
    return lape_2024()
