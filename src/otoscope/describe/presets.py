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

from pydantic import BaseModel

from otoscope.describe import PRESETS
from otoscope.describe.config import DescribeConfig
from otoscope.describe.stage import config_type
from otoscope.errors import UnknownNameError
from otoscope.registry import lookup

DEFAULT = "default"
"""Name of each method's own defaults."""


def preset(name: str, method: str = "db", **changes: Any) -> Any:
    """Return the configuration of a protocol for a describing method, with ``changes`` to it.

    Parameters
    ----------
    name : str
        ``default``, or a published protocol of :data:`otoscope.describe.PRESETS`.
    method : str
        One of :data:`otoscope.describe.METHODS`.
    **changes
        Fields of the configuration.

    Raises
    ------
    UnknownNameError
        If there is no such protocol, or it has nothing for the method.

    Examples
    --------
    >>> preset("and-2024", function="wpmi").affinity
    'softmax'
    """
    if name == DEFAULT:
        return config_type(method)(**changes)
    if name not in PRESETS:
        raise UnknownNameError.of("preset", name, (DEFAULT, *PRESETS))
    made = lookup(PRESETS[name], method, room=f"presets.{name}", kind=f"method of the preset {name}")
    base: BaseModel = made()
    return type(base).model_validate({**base.model_dump(), **changes})


def and_2024_db() -> DescribeConfig:
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
