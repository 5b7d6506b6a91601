"""Published ways of describing, as configurations, and how each differs from the default.

``default``
    Ours: half of the clips describe and the other half scores, split by group; raw cosines; the whole layer's
    marginal, weighted by 0.8 (published: 0.6 for ``wpmi``, 1 for ``soft_wpmi``); at most a tenth of the clips looked
    at, because the published 28 and 100 are meant for thousands; both poles; p-values.
``and-2024``
    Description-based identification of AND (module A, "DB"): captions and class names through one text encoder;
    affinity = softmax over concepts of 100 times the cosine; similarity computed for one neuron at a time; all clips
    describe and the same clips score; high pole only. Its best function was cubed cosine. *Peculiarities kept*: with
    one neuron at a time the marginal is the neuron itself, so ``soft_wpmi`` is 0 for every concept and the first five
    concepts win (as in its published table: 2 % and 10 %, chance). *Not kept*: for hidden layers its release sees
    only the five clips stored as evidence, where ours sees all; p-values are added. Its encoder was CLIP ViT-B/32:
    name one with ``encoder``.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models",
ICML 2024, section 3.1 and its release.
"""

from __future__ import annotations

from typing import Any

from otoscope.describe import PRESETS
from otoscope.describe.config import DescribeConfig
from otoscope.registry import lookup


def preset(name: str, **changes: Any) -> DescribeConfig:
    """Return the configuration of a published protocol, with ``changes`` to it.

    Examples
    --------
    >>> preset("and-2024", function="wpmi").affinity
    'softmax'
    """
    base: DescribeConfig = lookup(PRESETS, name, room="presets", kind="preset")()
    return DescribeConfig.model_validate({**base.model_dump(), **changes})


def default() -> DescribeConfig:
    """Return the default configuration."""
    return DescribeConfig()


def and_2024() -> DescribeConfig:
    """Return description-based identification as AND publishes it."""
    return DescribeConfig(
        concepts="labels",
        function="cos_cubed",
        parameters={},
        top_share=1.0,
        affinity="softmax",
        temperature=100.0,
        marginal="neuron",
        poles="high",
        same_clips=True,
    )
