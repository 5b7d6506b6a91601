"""Shared ground of attribution methods: the network as a function of a sound's spectrogram, its phase held.

The features are S = log1p(X) or X itself, X the magnitude ``(clip, frequency, frame)`` of the mean over channels. They
re-enter by magnitude where the front end takes it, else by sound. captum is loaded on use.
"""

from __future__ import annotations

import importlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from otoscope.errors import MissingExtraError, ModelError
from otoscope.explain.explanation import Explanation
from otoscope.explain.hearing import Reentry, outputs, phase_of
from otoscope.explain.maps import mask_of
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.target import Target, chosen, scalar
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent
from otoscope.stage_config import StageConfig


@dataclass(frozen=True)
class Features:
    """A network on the spectrogram of these clips.

    Attributes
    ----------
    reentry : Reentry
        The way back into the network.
    values : Tensor, shape (clip, frequency, frame)
        Features of the clips.
    phase : Tensor, complex, same shape
        Of modulus 1.
    index : Tensor or None, shape (clip,)
        Explained classes.
    function : callable or None
        Explained number of the output, where it is no class.
    log : bool
        Whether the features are log1p of the magnitude.
    """

    reentry: Reentry
    values: Tensor
    phase: Tensor
    index: Tensor | None
    function: Callable[[Tensor], Tensor] | None
    log: bool

    @classmethod
    def of(cls, model: AudioModel, waveform: Tensor, target: Target, log: bool, entry: str) -> Self:
        """Return the features of clips ``(clip, channel, time)``; the model is in evaluation mode."""
        on = Spectrogram.of(model)
        with torch.no_grad():
            resolved = chosen(model, outputs(model, waveform), target)
            spectrum = on.spectrum(waveform.mean(1))
            magnitude = spectrum.abs()
        reentry = Reentry(model, on, entry, waveform.shape[-1])
        index = resolved if isinstance(resolved, Tensor) else None
        function = None if isinstance(resolved, Tensor) else resolved
        values = magnitude.log1p() if log else magnitude
        return cls(reentry, values, phase_of(spectrum), index, function, log)

    def arguments(self) -> tuple[Tensor, ...]:
        """Return what :meth:`number` takes beside features; captum repeats each along the clips."""
        phase = self.phase[:, :1, :1] if self.reentry.by_magnitude else self.phase
        return (phase,) if self.index is None else (phase, self.index)

    def number(self, values: Tensor, phase: Tensor, index: Tensor | None = None) -> Tensor:
        """Return the explained number ``(clip,)`` of features ``(clip, frequency, frame)``."""
        magnitude = values.clamp_min(0).expm1() if self.log else values.clamp_min(0)
        output = self.reentry.output(magnitude, phase)
        return scalar(output, index if self.function is None and index is not None else self._function())

    def _function(self) -> Callable[[Tensor], Tensor]:
        if self.function is None:
            raise ModelError("neither a class nor a function of the output is explained")
        return self.function


class Attribution(StageConfig, ABC):
    """What attribution methods share.

    Attributes
    ----------
    features : {"log1p", "linear"}
        What is attributed to.
    entry : {"auto", "sound", "magnitude"}
        How edited features re-enter the network.
    sign : {"positive", "absolute"}
        Which attributions count as relevance.
    threshold : {"quantile", "as-published", "soft"}
    quantile : float
        See :mod:`otoscope.explain.maps`.
    """

    features: Literal["log1p", "linear"] = "log1p"
    entry: Literal["auto", "sound", "magnitude"] = "auto"
    sign: Literal["positive", "absolute"] = "positive"
    threshold: Literal["quantile", "as-published", "soft"] = "quantile"
    quantile: float = Field(0.9, ge=0, lt=1)

    @abstractmethod
    def attributions(self, features: Features) -> Tensor:
        """Return the signed attribution of each bin, ``(clip, frequency, frame)``."""

    def __call__(self, model: AudioModel, waveform: Tensor, target: Target = None) -> Explanation:
        """Return the explanation of each clip; arguments as in :class:`otoscope.explain.explanation.Explainer`."""
        with lent(model), _quiet():
            features = Features.of(model, waveform, target, self.features == "log1p", self.entry)
            found = self.attributions(features).detach()
        ranking = (found.abs() if self.sign == "absolute" else found).to(waveform.dtype)
        rule = partial(_mask_of_positive, threshold=self.threshold, quantile=self.quantile)
        return Explanation(rule(ranking), features.reentry.spectrogram, ranking=ranking, rule=rule)


def _mask_of_positive(ranking: Tensor, threshold: str, quantile: float) -> Tensor:
    return mask_of(ranking.clamp_min(0), threshold, quantile)


def captum() -> Any:
    """Return the module ``captum.attr``.

    Raises
    ------
    MissingExtraError
        If captum is not installed.
    """
    try:
        return importlib.import_module("captum.attr")
    except ImportError as error:
        raise MissingExtraError.of("attribution", "captum") from error


def differentiable(features: Features) -> None:
    """Raise if no gradient reaches the features."""
    if not features.reentry.by_magnitude and not features.reentry.model.differentiable:
        raise ModelError(
            f"{features.reentry.model.spec or 'this network'} is not differentiable with respect to sound; use "
            "occlusion or amt"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide captum's warnings about inputs that it prepares itself; attach gradients whatever the caller's mode."""
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.filterwarnings("ignore", "Input Tensor 0", UserWarning)
        warnings.filterwarnings("ignore", "Setting forward, backward hooks", UserWarning)
        yield
