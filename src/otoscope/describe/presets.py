"""Published ways of describing, as configurations, and how each differs from the default.

``default``
    Ours: half of the clips describe and the other half scores, split by group; raw cosines; the whole layer's
    marginal, weighted by 0.8 (published: 0.6 for ``wpmi``, 1 for ``soft_wpmi``); at most a tenth of the clips looked
    at, because the published 28 and 100 are meant for thousands; both poles; p-values.
``and-2024``
    Module A of AND. All clips describe and the same clips score; the functions' published parameters; high pole
    only; class names as concepts, with their underscores. p-values are added where they are defined.

    ``db``: captions and class names through the text tower of CLIP ViT-B/32; affinity = softmax over concepts of 100
    times the cosine; best function cubed cosine. *Peculiarities kept*: similarity is computed for one neuron at a
    time, so that the marginal is the neuron itself and ``soft_wpmi`` is 0 for every concept (the first five concepts
    win: 2 % and 10 % in its table, chance); layers other than the logits are described from their 5 most activating
    clips alone, on which ``rank_reorder`` is not defined, and without p-values; its ``rank_reorder`` takes the order
    of the clips for their ranks.

    ``tab``: CLAP (its non-fusion checkpoint; on the hub the unfused one) on sounds rounded to 16 bits; affinity = raw
    cosine; the whole layer at once. All five functions were reported; ``soft_wpmi``, by which it also chose neurons
    to ablate, is set here.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models",
ICML 2024, section 3.1 and its release.
"""

from __future__ import annotations

from typing import Any

from otoscope.describe import PRESETS
from otoscope.describe.config import DescribeConfig, TabConfig
from otoscope.describe.stage import config_type
from otoscope.errors import UnknownNameError
from otoscope.registry import lookup
from otoscope.stage_config import StageConfig

DEFAULT = "default"
"""Name of each method's own defaults."""


PARAMETERS: dict[str, dict[str, dict[str, Any]]] = {"and-2024": {"rank_reorder": {"variant": "and-2024"}}}
"""Protocol -> similarity function -> parameters that differ from those published first."""


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
    base: StageConfig = made()
    values = {**base.model_dump(), **changes}
    if "parameters" not in changes and values.get("function") in PARAMETERS.get(name, {}):
        values["parameters"] = PARAMETERS[name][values["function"]]
    return type(base).model_validate(values)


def and_2024_db() -> DescribeConfig:
    """Return description-based identification as AND publishes it."""
    return DescribeConfig(
        encoder="clip:openai/clip-vit-base-patch32",
        function="cos_cubed",
        affinity="softmax",
        temperature=100.0,
        marginal="neuron",
        evidence_clips=5,
        **_SHARED,
    )


def and_2024_tab() -> TabConfig:
    """Return text-audio based identification as AND publishes it."""
    return TabConfig(
        encoder="clap:laion/clap-htsat-unfused?int16=true",
        function="soft_wpmi",
        affinity="cosine",
        marginal="layer",
        **_SHARED,
    )


_SHARED: dict[str, Any] = {
    "concepts": "labels",
    "spelling": "written",
    "parameters": {},
    "top_share": 1.0,
    "poles": "high",
    "same_clips": True,
}
