"""What the exhibits of L2I share: the network, its test clips, and explainers trained once each."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from otoscope.data.clips import Clips
from otoscope.errors import NotHereError
from otoscope.explain.cases import Cases
from otoscope.explain.judge import probabilities
from otoscope.explain.l2i import ListenToInterpret
from otoscope.explain.score import heard
from otoscope.explain.sounds import Sounds
from otoscope.explain.train_explainer import train_explainer
from otoscope.explain.trained import open_explainer, read_explainer
from otoscope.models.audio_model import AudioModel
from otoscope.stage_config import Seed, StageConfig

PROTOCOL = "l2i-2022"
PUBLISHED_THRESHOLDS = (0.6, 0.6, 0.5, 0.6, 0.5, 0.6, 0.6, 0.5)
"""Above which the release takes each of SONYC-UST's eight labels as named, in its test mode."""


class L2IReproduceConfig(StageConfig):
    """What a reproduction of L2I is given; unknown keys are refused.

    Attributes
    ----------
    folds, split : str or None
        The clips that everything is judged on, which neither classifier nor explainer was trained on; published:
        fold 1. With ``split``, ``folds`` is not used.
    explainers : tuple of str
        Folders of trained L2I; the one of each pooling that is there is taken, the others are trained.
    psi : str
        ``authors`` fits the published network alone.
    settings : dict
        Options of L2I's training in place of the protocol's.
    activation : {"softmax", "sigmoid"}
        One class a clip, or several labels; where it is not given, what the network was trained on.
    label_threshold : float or tuple of float
        With several labels: the network's probability above which it names one; where none is given and there are eight
        labels, the published ones.
    threshold : float or None
        Relevance above which a component is removed; None: as published, 0.3 for one class a clip, 0.1 for several.
    random : int
        Components of the published random set.
    snrs_db : tuple of float
        Of overlaps.
    pairs : int
        Of overlapping clips.
    limit : int or None
        Test clips at most, spread over them.
    seed : int
    """

    folds: str | None = "1"
    split: str | None = None
    explainers: tuple[str, ...] = ()
    psi: str = "compact"
    settings: dict[str, Any] = Field(default_factory=dict)
    activation: Literal["softmax", "sigmoid"] = "softmax"
    label_threshold: tuple[float, ...] | float | None = None
    threshold: float | None = Field(None, ge=0, lt=1)
    random: int = Field(7, ge=1)
    snrs_db: tuple[float, ...] = (-10.0, 0.0, 10.0)
    pairs: int = Field(20, ge=1)
    limit: int | None = Field(None, ge=1)
    seed: Seed = 0


@dataclass(frozen=True)
class L2IBench:
    """What an exhibit may ask for; what it asks for is made once.

    Attributes
    ----------
    model : AudioModel
    clips : Clips
        All of them.
    folder : Path
        Gets ``explainers/``.
    config : L2IReproduceConfig
    """

    model: AudioModel
    clips: Clips
    folder: Path
    config: L2IReproduceConfig

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the test clips."""
        how = self.config
        folds = None if how.split else how.folds
        chosen = self.clips.select(folds=folds, split=how.split, limit=None)
        chosen = chosen.select(limit=how.limit) if how.limit else chosen
        inside = self.clips.table["id"].is_in(chosen.table["id"].to_list()).to_numpy()
        return np.flatnonzero(inside).astype(np.int64)

    @cached_property
    def sounds(self) -> Sounds:
        """Sound of the test clips."""
        return Sounds.of(self.clips, self.model, self.rows.tolist())

    @cached_property
    def output(self) -> NDArray[np.float64]:
        """The network's output ``(clip, class)`` for the test clips."""
        return heard(self.model, self.sounds, 16)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Its probabilities."""
        return probabilities(self.output, self.config.activation)

    @property
    def named(self) -> NDArray[np.bool_]:
        """Which classes the network names, ``(clip, class)``."""
        if self.config.activation == "softmax":
            return np.asarray(np.arange(self.output.shape[1]) == self.output.argmax(1)[:, None])
        return np.asarray(self.probabilities > self.label_threshold)

    @property
    def label_threshold(self) -> NDArray[np.float64]:
        """The probability above which the network names each class, ``(class,)``."""
        given, n_classes = self.config.label_threshold, self.output.shape[1]
        if given is None:
            given = PUBLISHED_THRESHOLDS if n_classes == len(PUBLISHED_THRESHOLDS) else 0.5
        return np.broadcast_to(np.asarray(given, np.float64), (n_classes,)).copy()

    @property
    def threshold(self) -> float:
        """Relevance above which a component is removed."""
        published = 0.3 if self.config.activation == "softmax" else 0.1
        return published if self.config.threshold is None else self.config.threshold

    @cached_property
    def named_pairs(self) -> Cases:
        """Every (clip, class) that the network names."""
        clips, targets = np.nonzero(self.named)
        return Cases(clips, targets, self.probabilities)

    @cached_property
    def _given(self) -> dict[str, Path]:
        """Folders of trained explainers by pooling."""
        found: dict[str, Path] = {}
        for one in self.config.explainers:
            content = read_explainer(Path(one).expanduser())
            if content["method"] == "l2i":
                found.setdefault(content["config"]["pooling"], Path(one).expanduser())
        return found

    def place(self, pooling: str) -> Path:
        """Return the folder of the explainer with that pooling."""
        return self._given.get(pooling, self.folder / "explainers" / pooling)

    def explainer(self, pooling: str = "attention") -> ListenToInterpret:
        """Return L2I with that pooling, trained by the published protocol where none is given."""
        where = self.place(pooling)
        if pooling in self._given:
            return cast(ListenToInterpret, open_explainer(where, self.model))
        options, preset = self._options(pooling), self._preset
        return cast(
            ListenToInterpret,
            train_explainer("l2i", self.model, self.clips, where, options, preset=preset),
        )

    @property
    def _preset(self) -> str:
        return "l2i-2022" if self.config.activation == "softmax" else "l2i-2022-sonyc"

    def _options(self, pooling: str) -> Mapping[str, Any]:
        how = self.config
        own = {"pooling": pooling, "psi": how.psi, "seed": how.seed}
        own |= {"dropout": 0.3} if pooling == "max" else {}
        own |= {"test_split": how.split} if how.split else {"test_folds": how.folds}
        return {**own, **how.settings}

    def trained_by(self, pooling: str = "attention") -> str:
        """Return the command that trains that explainer."""
        if pooling in self._given:
            return f"explainer: {self._given[pooling]}"
        options = {key: value for key, value in self._options(pooling).items() if value is not None}
        settings = [f"--set {key}={shlex.quote(str(value))}" for key, value in options.items()]
        words = ["otoscope train-explainer l2i", shlex.quote(self.model.spec or "MODEL")]
        words += ["--data", shlex.quote(self.clips.spec), "--preset", self._preset, *settings]
        return " ".join([*words, "--out", str(self.place(pooling))])

    def only(self, activation: str) -> None:
        """Raise NotHereError if the clips are of the other kind."""
        if self.config.activation != activation:
            several, one = "several labels a clip", "one class a clip"
            wanted = (several, one) if activation == "sigmoid" else (one, several)
            hint = f" (--set activation={activation})" if self.model.label_kind is None else ""
            raise NotHereError(f"it is about {wanted[0]}, this network names {wanted[1]}{hint}")

    @cached_property
    def groups(self) -> list[str]:
        """Group of each test clip."""
        return [str(one) for one in self.sounds.groups]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the output neurons."""
        return self.model.classes or cast("tuple[str, ...]", tuple(map(str, range(self.output.shape[1]))))
