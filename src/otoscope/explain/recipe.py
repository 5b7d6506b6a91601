"""What a method brings that learns to explain: options, a net, a loss, and how the trained net explains.

A recipe is one object in :data:`otoscope.explain.TRAINABLE`. :func:`otoscope.explain.train_explainer.train_explainer`
prepares the sound (:class:`otoscope.explain.setting.Setting`), asks the recipe for a :class:`Lesson`, lets it train
through the one training loop (:mod:`otoscope.fit.loop`) and writes the folder that
:func:`otoscope.explain.trained.open_explainer` opens.

The classifier is no submodule of what learns: it stays in evaluation mode, so that its normalisation constants do not
drift, and its weights take no part in checkpoints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, TypeVar

import polars as pl
import torch
from pydantic import Field
from torch import Tensor, nn

from otoscope.explain.explanation import Explainer
from otoscope.explain.setting import Part, Setting
from otoscope.explain.spectrogram import Spectrogram
from otoscope.fit.loop import FitConfig, fit
from otoscope.models.audio_model import AudioModel
from otoscope.stage_config import Seed, StageConfig


class RecipeConfig(StageConfig):
    """What every training of an explainer can be told; recipes add their own options and change defaults.

    Attributes
    ----------
    test_folds, test_split : str or None
        The part that is left out of training and heard once at the end: ``"5"``; ``"test"``. None: no test.
    valid : float
        Share of the other groups that chooses the best epoch, in (0, 1).
    valid_folds : str or None
        Folds that choose it instead, as published recipes do; they must not be test folds.
    label_set : str or None
        Labels by which the validation part is balanced; None: the primary set, or none.
    epochs, learning_rate, weight_decay, schedule, warmup, clip_norm, patience, metric, better, ties, optimiser,
    seed
        See :class:`otoscope.fit.config.FitConfig`; ``metric`` is a measure of the lesson with ``valid_`` before it.
    batch_size : int
        Examples a step.
    workers : int
        Processes that decode.
    """

    test_folds: str | None = None
    test_split: str | None = None
    valid: float = Field(0.125, gt=0, lt=1)
    valid_folds: str | None = None
    label_set: str | None = None
    epochs: int = Field(30, ge=1)
    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(0.05, ge=0, lt=1)
    clip_norm: float | None = Field(5.0, gt=0)
    patience: int | None = Field(None, ge=1)
    metric: str | None = "valid_fidelity"
    better: Literal["higher", "lower"] = "higher"
    ties: Literal["earlier", "later"] = "earlier"
    optimiser: Literal["adamw", "adam"] = "adamw"
    seed: Seed = 0
    workers: int = Field(0, ge=0)

    def identity(self) -> dict[str, Any]:
        """Return what a training is known by, JSON-able; ``valid_folds``, which came later, only where it is used."""
        unused = {"workers"} if self.valid_folds is not None else {"workers", "valid_folds"}
        return self.model_dump(mode="json", exclude=unused)

    def fitting(self) -> FitConfig:
        """Return the options of the training loop."""
        return FitConfig(**{name: getattr(self, name) for name in FitConfig.model_fields})


Config = TypeVar("Config", bound=RecipeConfig)


class Learning(ABC, Generic[Config]):
    """One training, however it is done.

    Parameters
    ----------
    learner : nn.Module
        What learns; its state is what is saved.
    setting : Setting
        Classifier and sound.
    config : RecipeConfig
        The options.
    facts : mapping
        JSON-able: what :meth:`Recipe.build` needs beside the config (layers, shapes of maps, number of components).
    """

    def __init__(
        self,
        learner: nn.Module,
        setting: Setting,
        config: Config,
        facts: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.learner, self.setting, self.config = learner, setting, config
        self.facts: Mapping[str, Any] = dict(facts)

    @abstractmethod
    def train(self, out: Path, identity: Mapping[str, Any]) -> Mapping[str, Any]:
        """Train to the end, or on from what ``out`` holds; return the account, JSON-able."""

    @abstractmethod
    def measures(self, part: Part) -> Mapping[str, Tensor]:
        """Return measures of the present state, one value per example ``(example,)``; evaluation mode, no gradients.

        The first of them is what the training is about (``fidelity``).
        """

    def validate(self) -> Mapping[str, float]:
        """Return the means of the measures on the validation part, ``valid_`` before each name."""
        found = self.measures(self.setting.valid)
        return {f"valid_{name}": float(values.double().mean()) for name, values in found.items()}

    def tables(self) -> Mapping[str, pl.DataFrame]:
        """Return tables to write beside what was learnt, by file name without ending."""
        return {}


class Lesson(Learning[Config]):
    """A training by gradient steps through the one loop; parameters as :class:`Learning`.

    Attributes
    ----------
    epoch : int
        The running one, from 0.
    """

    epoch: int = 0

    @abstractmethod
    def loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of a batch, given as int64 indices ``(example,)`` of ``setting.train``."""

    def batches(self, epoch: int, generator: torch.Generator) -> list[Tensor]:
        """Return the examples of each batch of an epoch, in random order."""
        self.epoch = epoch
        order = torch.randperm(len(self.setting.train), generator=generator)
        return list(order.split(self.config.batch_size))  # type: ignore[no-untyped-call]

    def train(self, out: Path, identity: Mapping[str, Any]) -> Mapping[str, Any]:
        """Train to the end, or on from the last finished epoch in ``out``; return the account, JSON-able."""
        history = fit(
            self.learner,
            self.batches,
            self.loss,
            self.validate,
            self.config.fitting(),
            out,
            identity=identity,
            description="training the explainer",
        )
        return {"best_epoch": history.best_epoch, "best": history.best, "history": list(history.epochs)}


class Trainable(ABC):
    """Something that is learnt from sound for explaining, and written to a folder.

    Attributes
    ----------
    name : str
        In :data:`otoscope.explain.TRAINABLE`.
    config : type of RecipeConfig
        Its options and their (corrected) defaults.
    presets : mapping of str to mapping
        Published protocols: options that stand in for the defaults.
    """

    name: ClassVar[str]
    config: ClassVar[type[RecipeConfig]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})

    @abstractmethod
    def prepare(self, setting: Setting, config: Any) -> Learning[Any]:
        """Return the training; ``config`` is one of :attr:`config`."""

    @abstractmethod
    def save(self, lesson: Learning[Any], folder: Path, content: Mapping[str, Any]) -> None:
        """Write what was learnt to a folder; ``content`` is its account: config, net, classifier, training."""

    def inputs(self, config: Any, on: Spectrogram) -> Mapping[str, Any]:
        """Return what else must be equal for a continuation, JSON-able: hashes of files that the config names."""
        return {}


class Recipe(Trainable):
    """A method whose trained net explains; attributes as :class:`Trainable`."""

    @abstractmethod
    def build(self, model: AudioModel, facts: Mapping[str, Any]) -> nn.Module:
        """Return the untrained net, to load weights into.

        Parameters
        ----------
        model : AudioModel
            The classifier.
        facts : mapping
            The content of ``explainer.json``: ``config``, ``net`` (the lesson's facts), ``spectrogram``, ``n_samples``.
        """

    @abstractmethod
    def explainer(self, net: nn.Module, model: AudioModel, facts: Mapping[str, Any]) -> Explainer:
        """Return what explains with a trained net; arguments as in :meth:`build`."""

    def variant(self, facts: Mapping[str, Any]) -> str:
        """Return the name of a trained net in tables; the method's, unless its options make it another method."""
        return self.name

    def save(self, lesson: Learning[Any], folder: Path, content: Mapping[str, Any]) -> None:
        """Write manifest and weights, see :mod:`otoscope.explain.trained`."""
        from otoscope.explain import trained

        trained.save(lesson.learner, folder, content)
