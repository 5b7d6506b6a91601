"""What trainings of masks share: sound, clean and contaminated, and measures batch by batch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from otoscope.explain.decoder import Canvas
from otoscope.explain.explanation import Domain
from otoscope.explain.hidden import Heard
from otoscope.explain.masked_hearing import Bins, MaskedHearing, bins_of
from otoscope.explain.recipe import Lesson, RecipeConfig
from otoscope.explain.setting import Part, Setting

SPEECHBRAIN: Mapping[str, Any] = MappingProxyType(
    {
        "domain": "log1p",
        "entry": "auto",
        "epochs": 200,
        "batch_size": 16,
        "learning_rate": 2e-4,
        "weight_decay": 2e-6,
        "schedule": "constant",
        "warmup": 0.0,
        "clip_norm": None,
        "optimiser": "adam",
        "metric": None,
    }
)
"""How SpeechBrain's recipes train PIQ and L-MAC alike."""


class MaskConfig(RecipeConfig):
    """Options of all trainings of masks.

    Attributes
    ----------
    architecture : {"any", "published"}
        The decoder of :mod:`otoscope.explain.decoder`, or of :mod:`otoscope.explain.decoder_published`.
    width : int
        Neurons of the decoder; a published one is as wide as the deepest map.
    doublings : int or None
        See :class:`otoscope.explain.decoder.MapDecoder`.
    domain : {"linear", "log1p"}
        What the mask multiplies.
    entry : {"auto", "sound", "magnitude"}
        How masked spectrograms re-enter while training. By ``magnitude``, as published, the network never hears what
        resynthesis lets through (overlapping windows fill removed bins), and masks look better than they sound.
    """

    architecture: Literal["any", "published"] = "any"
    width: int = Field(32, ge=1)
    doublings: int | None = Field(None, ge=0)
    domain: Domain = "linear"
    entry: Literal["auto", "sound", "magnitude"] = "sound"
    metric: str | None = "valid_loss"
    better: Literal["higher", "lower"] = "lower"


Config = TypeVar("Config", bound=MaskConfig)


@dataclass(frozen=True)
class Example:
    """Some sounds, as they are while a mask is learnt.

    Attributes
    ----------
    clean : Tensor, shape (clip, 1, time)
        Without what was mixed in.
    bins : Bins
        Of the sound that the network hears.
    heard : Heard
        Its maps, deepest first, and its output.
    """

    clean: Tensor
    bins: Bins
    heard: Heard


class MaskLesson(Lesson[Config]):
    """One training of masks.

    Parameters
    ----------
    net : nn.Module
        What learns.
    setting : Setting
    config : MaskConfig
    canvas : Canvas
        For the setting's length of sound.
    """

    def __init__(self, net: nn.Module, setting: Setting, config: Config, canvas: Canvas) -> None:
        facts = {"layers": list(canvas.hidden.layers), "shapes": [list(one) for one in canvas.hidden.shapes]}
        super().__init__(net, setting, config, facts)
        self.canvas = canvas
        self.hearing = MaskedHearing(
            setting.model, setting.on, config.domain, config.entry, setting.n_samples
        )

    @abstractmethod
    def measured(self, example: Example) -> Mapping[str, Tensor]:
        """Return the measures of some sounds, one value per clip each."""

    def example(self, part: Part, some: Tensor, generator: torch.Generator) -> Example:
        """Return the chosen examples of a part, contaminated where the setting says so."""
        clean, mix = part.sound(some), self.setting.contamination
        noisy = clean if mix is None else mix(clean, part.rows[some.numpy()], generator)
        with torch.no_grad():
            return Example(
                clean, bins_of(noisy, self.setting.on), self.canvas.hidden(self.setting.model, noisy)
            )

    def measures(self, part: Part) -> Mapping[str, Tensor]:
        """Return the measures of a part; contamination is the same each time."""
        generator = torch.Generator().manual_seed(self.config.seed)
        batches = torch.arange(len(part)).split(self.config.batch_size)  # type: ignore[no-untyped-call]
        found = [self.measured(self.example(part, some, generator)) for some in batches]
        return {name: torch.cat([one[name] for one in found]) for name in found[0]}
