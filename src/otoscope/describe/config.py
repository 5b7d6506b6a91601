"""What a description depends on: every choice that changes a word or a number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from otoscope.describe import SIMILARITIES
from otoscope.describe.bind import Build
from otoscope.errors import UnknownNameError
from otoscope.metrics.multiple_testing import NULLS
from otoscope.registry import lookup
from otoscope.stage_config import Seed, StageConfig

OURS: dict[str, dict[str, Any]] = {
    "wpmi": {"lam": 0.8},
    "soft_wpmi": {"lam": 0.8},
    "rank_reorder": {"top_fraction": 0.5},
}
"""Parameters where we differ from the published ones, chosen on planted networks (synthetic sounds and ESC-10) and on
last layers. lam = 0.6 lets frequent words win and lam = 1 rare ones, which then seldom pass the permutation test.
``rank_reorder`` reads only the order within the clips it looks at: the published 5 % are 10 of 200 clips, whose order
says little of what they share, and recover nothing that is planted (2 of 32, chance 3); one half recovers 12 and 13."""


class ClosedConfig(StageConfig):
    """Options that all ways of naming a concept of a list share; unknown keys are refused.

    Attributes
    ----------
    concepts : str
        Concept set, see :mod:`otoscope.language.concepts`.
    spelling : {"spoken", "written"}
        What of a concept's name is encoded: ``sea waves``, or ``sea_waves`` as its list writes it.
    layers : tuple of str
        Recorded layers to describe; empty = all.
    function : str
        A similarity function of :data:`otoscope.describe.SIMILARITIES`.
    parameters : dict or None
        Its parameters, where they differ from its published ones; None = :data:`OURS`.
    top_share : float
        Where ``parameters`` name no ``top_k``: the published number of clips, but at most this share of the describing
        ones. ``soft_wpmi`` looks at 100 of 1,000 and more, and at 20 of 200, where 100 would be half of them.
    affinity : {"cosine", "softmax"}
        Of a clip and a concept: the cosine of their vectors, or its softmax over concepts at ``temperature``.
    temperature : float
        Factor before the softmax.
    marginal : {"layer", "neuron"}
        Whose marginal ``wpmi`` and ``soft_wpmi`` subtract: the whole layer's, or (as AND's release does) that of the
        neuron alone.
    evidence_clips : int or None
        Layers other than ``logits`` are described from so many most activating clips of each neuron alone, and not
        tested (as in AND's release, which stores 5); None = from all describing clips.
    poles : {"both", "high"}
        Describe the low pole of signed neurons, too, or not.
    n_best : int
        Concepts kept per neuron.
    split : float
        Share of the clips that describe; the others score. Whole groups.
    same_clips : bool
        Describe and score on the same clips: the scores then are not held out, and flagged.
    strata : str or None
        A column of the clips, constant within groups, within which permutations stay.
    permutations : int
        0 = no p-values.
    null : {"pooled", "tail", "counted"}
        How p follows from the permutations, see :mod:`otoscope.metrics.multiple_testing`.
    alpha : float
        Level at which a neuron must be able to become significant to count as testable.
    activity_quantile : float
        A neuron is active above this quantile of its activations on the describing clips.
    replicates : int
        Of the bootstrap.
    seed : int
        Of the split, the ties, the permutations, the controls and the bootstrap.
    block : int
        Neurons taken at a time. Not part of the identity.
    device : str
        Where encoders run. Not part of the identity.
    workers : int or None
        Processes that decode sound for an encoder that hears, None = as many as suit the machine. Not part of the
        identity.
    """

    concepts: str = "acoustic+sounds"
    spelling: Literal["spoken", "written"] = "spoken"
    layers: tuple[str, ...] = ()
    function: str = "wpmi"
    parameters: dict[str, Any] | None = None
    top_share: float = Field(0.1, gt=0, le=1)
    affinity: Literal["cosine", "softmax"] = "cosine"
    temperature: float = Field(100.0, gt=0)
    marginal: Literal["layer", "neuron"] = "layer"
    evidence_clips: int | None = Field(None, ge=1)
    poles: Literal["both", "high"] = "both"
    n_best: int = Field(5, ge=1)
    split: float = Field(0.5, gt=0, lt=1)
    same_clips: bool = False
    strata: str | None = None
    permutations: int = Field(200, ge=0)
    null: str = "pooled"
    alpha: float = Field(0.05, gt=0, lt=1)
    activity_quantile: float = Field(0.9, gt=0, lt=1)
    replicates: int = Field(1000, ge=2)
    seed: Seed = 0
    block: int = Field(2048, ge=1)
    device: str = "cpu"
    workers: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        self.build(1)
        if self.null not in NULLS:
            raise UnknownNameError.of("null", self.null, NULLS)
        if self.evidence_clips is not None and self.marginal != "neuron":
            raise ValueError(
                "evidence_clips describe each neuron on clips of its own: set marginal to 'neuron'"
            )
        return self

    def build(self, n_clips: int) -> Build:
        """Return the similarity function with its parameters for ``n_clips``, waiting for affinities."""
        function, known = self._function()
        given = self._given()
        for name in given:
            if name not in known:
                raise UnknownNameError.of(f"parameter of {self.function}", name, known)
        top_k = self.top_k(n_clips)
        return function(**given if top_k is None else {**given, "top_k": top_k})

    def top_k(self, n_clips: int) -> int | None:
        """Return how many of ``n_clips`` the function is asked to look at; None where it looks at a share or all."""
        known = self._function()[1]
        if "top_k" not in known:
            return None
        if "top_k" in self._given():
            return int(self._given()["top_k"])
        published = int(known["top_k"].default)
        return published if self.top_share == 1 else min(published, max(1, round(self.top_share * n_clips)))

    def _given(self) -> dict[str, Any]:
        return OURS.get(self.function, {}) if self.parameters is None else self.parameters

    def _function(self) -> tuple[Callable[..., Build], Mapping[str, inspect.Parameter]]:
        function = lookup(SIMILARITIES, self.function, room="describe", kind="similarity function")
        return function, inspect.signature(function).parameters

    def identity(self) -> dict[str, object]:
        """Return the choices that change a number, JSON-able."""
        return {
            **self.model_dump(mode="json", exclude={"block", "device", "workers"}),
            "parameters": self._given(),
        }


class DescribeConfig(ClosedConfig):
    """Options of describing by captions (``db``).

    Attributes
    ----------
    captions : str
        Name of the run's table of captions, or the beginning of one that fits a single table.
    encoder : str
        Text encoder, see :mod:`otoscope.language`.
    score_captions : str or None
        Another table of captions, of another family, that scores the descriptions; None = the same (flagged).
    score_encoder : str or None
        Instead: an encoder of texts and sounds, such as ``clap:NAME_OR_PATH``, that scores by the clips themselves.
    """

    captions: str = "acoustic"
    encoder: str = "lexical"
    score_captions: str | None = None
    score_encoder: str | None = None

    @model_validator(mode="after")
    def _one_scorer(self) -> Self:
        if self.score_captions is not None and self.score_encoder is not None:
            raise ValueError("either score_captions or score_encoder scores, not both: leave one out")
        return self


class TabConfig(ClosedConfig):
    """Options of describing by the sound itself (``tab``).

    Attributes
    ----------
    encoder : str
        Encoder of texts and sounds, see :func:`otoscope.language.text_sound_encoder`.
    score_captions : str or None
        A table of captions that scores the descriptions; None = the describing encoder does (flagged).
    caption_encoder : str
        The text encoder that reads them.
    """

    encoder: str = "clap:laion/clap-htsat-unfused"
    score_captions: str | None = None
    caption_encoder: str = "lexical"
