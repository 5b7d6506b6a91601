"""What the explain stage is told, and the targets of one clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain import CONTROLS, REMOVALS
from otoscope.explain.cases import ABOVE, PREDICTED, cases, thresholds_of
from otoscope.explain.listen import Listening
from otoscope.explain.target import named
from otoscope.models.audio_model import AudioModel
from otoscope.registry import known
from otoscope.stage_config import Seed, StageConfig

DRAWN = ("random-size", "random-energy", "random-smooth", "random-matched", "rolled")
"""Controls that are drawn at random, and so have an interval for one clip."""


class ExplainConfig(StageConfig):
    """What is explained, how it sounds, and what stands beside it.

    Attributes
    ----------
    methods : tuple of str
        Rows of :data:`otoscope.explain.EXPLAINERS`, or trained methods whose folder is given; empty: the folders'.
    options : dict
        Options of the methods, by ``method.option``.
    target : str
        ``predicted``, ``label``, ``all-above:0.5`` (or a threshold for each class), a class, its index, or
        ``py:module:function`` of the output.
    activation : {"auto", "softmax", "sigmoid"}
        From outputs to probabilities; ``auto``: what the network was trained to be (:mod:`otoscope.explain.squashing`);
        where it does not say, sigmoid for the target ``all-above``, else softmax.
    domain, phase, iterations, remainder, loudness
        How masks become sound, see :class:`otoscope.explain.listen.Listening`.
    controls : tuple of str
        Rows of :data:`otoscope.explain.CONTROLS` that need no other clip.
    draws : int
        Draws of each random control; their middle 95 % are its interval.
    removal : {"zero", "noise-floor"}
        What stands where the mask removes.
    parts : int
        Sounds of so many components or codes are written, the most relevant first.
    batch_size : int
        Sounds a forward pass.
    seed : int
        Of controls, fillings and Griffin-Lim.
    """

    methods: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)
    target: str = PREDICTED
    activation: Literal["auto", "softmax", "sigmoid"] = "auto"
    domain: Literal["explanation", "linear", "log1p"] = "explanation"
    phase: Literal["input", "griffin-lim"] = "input"
    iterations: int = Field(32, ge=1)
    remainder: Literal["mask-out", "difference"] = "mask-out"
    loudness: Literal["keep", "match"] = "keep"
    controls: tuple[str, ...] = ("random-matched", "rolled", "loudest", "all-pass")
    draws: int = Field(10, ge=1)
    removal: Literal["zero", "noise-floor"] = "zero"
    parts: int = Field(0, ge=0)
    batch_size: int = Field(16, ge=1)
    seed: Seed = 0

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        alone = [one for one in known(CONTROLS, "controls") if not one.startswith("other-")]
        for name in self.controls:
            if name not in alone:
                raise UnknownNameError.of("control of a single clip", name, alone)
        if self.removal not in known(REMOVALS, "removals"):
            raise UnknownNameError.of("removal", self.removal, REMOVALS)
        return self

    @property
    def listening(self) -> Listening:
        """How masks become sound."""
        names = ("domain", "phase", "iterations", "remainder", "loudness", "seed")
        return Listening(**{name: getattr(self, name) for name in names})

    @property
    def squashing(self) -> str:
        """The activation, decided where the network does not say."""
        if self.activation != "auto":
            return self.activation
        return "sigmoid" if self.target.startswith(ABOVE) else "softmax"

    def identity(self) -> dict[str, Any]:
        """Return what decides one explanation besides its method and target, JSON-able; not which parts are heard."""
        left_out = {"methods", "options", "target", "batch_size", "parts"}
        return {**self.model_dump(mode="json", exclude=left_out), "activation": self.squashing}


@dataclass(frozen=True)
class Aim:
    """One target of one clip.

    Attributes
    ----------
    name : str
        The class, or the function as it was given.
    index : int or None
        Of the class; None for a function.
    function : callable or None
        Output ``(clip, class)`` to ``(clip,)``.
    """

    name: str
    index: int | None = None
    function: Callable[[Tensor], Tensor] | None = None

    @property
    def target(self) -> Any:
        """What an explainer takes."""
        return self.index if self.function is None else self.function


def aims(model: AudioModel, p: NDArray[np.float64], target: str, labels: Sequence[str]) -> list[Aim]:
    """Return the targets of one clip, ``p`` its probabilities ``(class,)``; none where no class is above the level.

    Raises
    ------
    InputError
        If the target is the clip's label and the network has no such class.
    """
    if target.startswith("py:"):
        function = named(model, target)
        if function is None or isinstance(function, Tensor):
            raise InputError(f"{target} is no function of the output")
        return [Aim(target, function=function)]
    if target.startswith(ABOVE) and not (p > thresholds_of(target, len(p))).any():
        return []
    if target == "label" and not set(labels) & set(model.classes):
        raise InputError(f"target 'label': the clip's {list(labels)} are no classes of the network")
    found = cases(model, p[None], target, [labels])
    return [Aim(class_name(model, int(one)), int(one)) for one in found.targets]


def class_name(model: AudioModel, index: int) -> str:
    """Return the name of a class, its number where the network names none."""
    return model.classes[index] if model.classes else str(index)
