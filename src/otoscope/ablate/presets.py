"""Published ways of ablating, as configurations, and how each differs from the default.

``default``
    Ours: neurons are set to their mean (zero lies off the data's manifold), each effect stands beside 199 random sets
    matched on layer, firing rate and importance, with intervals by group; name the held-out clips with ``folds`` or
    ``split``.
``and-2024``
    AND's concept-specific pruning: zero; confidence = the raw logit of the true class; clips of fold 1; a neuron
    belongs to a concept among its best 3 (its ``tab`` by soft_wpmi, its ``db`` by cos_cubed: make the tables so);
    ``open`` by substrings; the strategy ``random`` takes the first 3,000 of all neurons shuffled with seed 20.
    *Peculiarities kept where asked for*: ``placement="as-published"`` masks the first rows of each layer in place of
    the neurons drawn, as the release does whenever its order of neurons is not 0, 1, 2... (its ``random`` row and its
    curves over the share pruned; its other strategies run in order and are unharmed). *Not kept*: its ``random``
    strategy prunes the baseline, too, so that its change is 0 by construction; matched controls, intervals and
    p-values are added. On a network of fewer than 3,000 neurons set ``random_neurons`` (3,000 were 5.4 % of AST's).
``aape-2026``
    AAPE's deactivation: neurons of a selection set to zero, judged on a saved linear probe's test clips; a pair of
    classes (``concepts="jazz & classical"``) means the neurons whose classes are *exactly* these two, the reading that
    the published numbers of neurons fit (``shared="intersection"`` for the plain one). Its "random" control, the next
    neuron of each (index + 1 in the same layer), stands in the column ``neighbour_change``. *Added*: matched random
    sets, intervals by group, paired tests. Attenuate by ``intervention="gain"``, ``gain=0.5``; amplify by ``gain=2``.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models",
ICML 2024, section 4.3, Table 4, and its release; T. Kawamura, D. Niizumi, N. Ono, arXiv 2602.15307, section IV, and
EVAR's configurations for it.
"""

from __future__ import annotations

from typing import Any

from otoscope.ablate import PRESETS
from otoscope.ablate.config import AblateConfig
from otoscope.registry import lookup


def preset(name: str, **changes: Any) -> AblateConfig:
    """Return the configuration of a published protocol, with ``changes`` to it.

    Examples
    --------
    >>> preset("and-2024", strategy="tab").intervention
    'zero'
    """
    base: AblateConfig = lookup(PRESETS, name, room="presets", kind="preset")()
    return AblateConfig.model_validate({**base.model_dump(), **changes})


def default() -> AblateConfig:
    """Return the default configuration."""
    return AblateConfig()


def and_2024() -> AblateConfig:
    """Return concept-specific pruning as AND publishes it."""
    return AblateConfig(
        strategy="db",
        top_n=3,
        poles="high",
        match="substring",
        random_neurons=3000,
        random_seed=20,
        intervention="zero",
        folds="1",
    )


def aape_2026() -> AblateConfig:
    """Return deactivation of class-selective neurons as AAPE publishes it."""
    return AblateConfig(
        strategy="selection",
        intervention="zero",
        saved_probe="last",
        shared="exact",
        neighbour=True,
        curve_points=0,
        related=None,
        refit=True,
    )
