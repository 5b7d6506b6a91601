"""What the exhibits of a reproduction share: the network, one recording of it, and tables made once."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from otoscope.caption.stage import CaptionConfig, caption
from otoscope.data.clips import Clips
from otoscope.describe.presets import preset
from otoscope.describe.stage import describe
from otoscope.errors import ModelError, NotHereError
from otoscope.language import TextEncoder, remember, text_encoder
from otoscope.models.audio_model import LOGITS, AudioModel
from otoscope.models.layer_presets import layer_preset
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.stage_config import Seed, StageConfig
from otoscope.store.hashing import canonical_json
from otoscope.store.run import Run

PROTOCOL = "and-2024"


class ReproduceConfig(StageConfig):
    """What a reproduction is given; unknown keys are refused.

    Attributes
    ----------
    captions : str
        Captioner of the clips. The published captions are SALMONN's and were not released:
        ``file:PATH`` where you have some.
    text_encoder : str or None
        Of captions and concepts; None: as published, ``clip:openai/clip-vit-base-patch32``.
    sentence_encoder : str
        Of cosines between names, of summaries and of clusters; published: all-MiniLM-L12-v2, here
        ``st:sentence-transformers/all-MiniLM-L12-v2``.
    sound_encoder : str or None
        Of TAB, such as ``clap:laion/clap-htsat-unfused``; None: TAB is not made.
    chat : str or None
        Chat model of summaries, ICL and the adjective filter; None: summaries by contrast, ICL is not made.
    ratings : tuple of str
        Files saved by raters on the page that ``otoscope rate`` writes.
    folds : str or None
        The clips that ablation is judged on; published: fold 1. None: all.
    concept : str or None
        The ablated concept of Figure 10; published: water drops. None: the class that most neurons name.
    random_neurons : float
        Ablated by the random strategy: published 3,000 of AST's 55,296, 5.4 %.
    n_random : int
        Matched random sets beside each ablation (not published).
    shares : tuple of float
        Shares of the hidden neurons that Figure 4 ablates.
    shuffles : tuple of int
        Seeds of its order among equals.
    layers : tuple of str
        What is recorded; empty: the protocol's layers, or ``*`` of a network that it does not know.
    seed : int
    """

    captions: str = "acoustic"
    text_encoder: str | None = None
    sentence_encoder: str = "lexical"
    sound_encoder: str | None = None
    chat: str | None = None
    ratings: tuple[str, ...] = ()
    folds: str | None = "1"
    concept: str | None = None
    random_neurons: float = Field(0.054, gt=0)
    n_random: int = Field(199, ge=0)
    shares: tuple[float, ...] = (0.02, 0.04, 0.06, 0.08, 0.10, 0.12)
    shuffles: tuple[Seed, ...] = (20, 202, 2024)
    layers: tuple[str, ...] = ()
    seed: Seed = 0


@dataclass
class Bench:
    """The recording and its tables; each is made when it is first asked for and then kept.

    Attributes
    ----------
    model : AudioModel
    clips : Clips
    run : Run
    config : ReproduceConfig
    captions : str
        Name of the table of captions.
    commands : dict of str to str
        Name of a table -> the command that makes it.
    made : dict of str to (str, polars.DataFrame)
        The options of a description -> its name and table.
    """

    model: AudioModel
    clips: Clips
    run: Run
    config: ReproduceConfig
    captions: str
    commands: dict[str, str] = field(default_factory=dict)
    made: dict[str, tuple[str, pl.DataFrame]] = field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """The network's classes."""
        return list(self.model.classes)

    @property
    def hidden(self) -> tuple[str, ...]:
        """The recorded layers but the output."""
        return tuple(one.name for one in self.run.layers if one.name not in (LOGITS, "predictor"))

    def described(self, method: str, **changes: Any) -> tuple[str, pl.DataFrame]:
        """Return the name and the table of descriptions by a method, as published but for ``changes``.

        Raises
        ------
        NotHereError
            If the method needs something that was not given.
        """
        config = preset(PROTOCOL, method, **{**self._given(method), **changes})
        key = canonical_json([method, config.model_dump(mode="json")])
        if key not in self.made:
            name = describe(self.run, config, method=method, clips=self.clips)
            self.made[key] = name, self.run.table("descriptions", name)[1]
            self.commands[name] = self._command(method, changes)
        return self.made[key]

    def _command(self, method: str, changes: Mapping[str, Any]) -> str:
        words = [f"--set {key}={_text(value)}" for key, value in {**self._given(method), **changes}.items()]
        call = ["otoscope describe", shlex.quote(str(self.run.root))]
        return " ".join([*call, f"--method {method} --preset {PROTOCOL}", *words])

    def summaries(self) -> tuple[str, pl.DataFrame]:
        """Return the calibrated summaries of all recorded layers."""
        return self.described("summary")

    def open_concepts(self) -> tuple[str, pl.DataFrame]:
        """Return the open concepts of all recorded layers."""
        return self.described("open", summary=self.summaries()[0])

    def named(self, *names: str) -> Iterator[str]:
        """Yield the commands that make the tables."""
        return (self.commands[one] for one in names if one in self.commands)

    @cached_property
    def sentences(self) -> TextEncoder:
        """The sentence encoder, loaded once."""
        return remember(text_encoder(self.config.sentence_encoder))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors of texts by the sentence encoder."""
        return self.sentences.encode(list(texts))

    def _given(self, method: str) -> dict[str, Any]:
        config = self.config
        if method == "db":
            found: dict[str, Any] = {"captions": self.captions}
            return found | ({"encoder": config.text_encoder} if config.text_encoder else {})
        if method == "tab":
            if config.sound_encoder is None:
                raise NotHereError(
                    "TAB needs a text-audio model: name one by --sound-encoder clap:NAME_OR_PATH"
                )
            return {"encoder": config.sound_encoder}
        if method == "icl" and config.chat is None:
            raise NotHereError("ICL needs a chat model: name one by --chat")
        given = {"chat": config.chat, "seed": config.seed}
        if method == "summary":
            given |= {"captions": self.captions, "encoder": config.sentence_encoder}
        return given


def prepare(model: AudioModel, clips: Clips, out: Path, config: ReproduceConfig) -> Bench:
    """Return the bench: the protocol's layers recorded as published, the clips captioned."""
    layers, pooling = _listened(model, config)
    recording = RecordConfig(layers=layers, pooling=pooling, seed=config.seed)
    run = record(model, clips, out / "run", recording)
    return Bench(model, clips, run, config, caption(run, clips, CaptionConfig(captioner=config.captions)))


def _listened(model: AudioModel, config: ReproduceConfig) -> tuple[tuple[str, ...], Any]:
    """Return layers and pooling: as published for the protocol's networks, declared layers and means for others."""
    if config.layers:
        return tuple(dict.fromkeys((*config.layers, LOGITS))), "mean"
    try:
        known = layer_preset(PROTOCOL, model)
    except ModelError:
        return ("*", LOGITS), "mean"
    return tuple(dict.fromkeys((*known.layers, LOGITS))), known.pooling


def _text(value: Any) -> str:
    return ",".join(str(one) for one in value) if isinstance(value, tuple) else str(value)
