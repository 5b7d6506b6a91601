"""What an explainer gives: a mask on a spectrogram, how it acts, and the parts it is made of.

A mask M ``(clip, frequency, frame)`` in [0, 1] acts on the magnitude X in one of two domains:

    linear   M X          explanation and remainder (1 - M) add up to the input
    log1p    expm1(M log1p(X))       as L2I, PIQ, L-MAC and AMT are published; soft masks pass less, and do not add up

Both are the same for masks of zeros and ones. In either domain the mask multiplies each bin by a :func:`gain`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain import EXPLAINERS
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.target import Target
from otoscope.models.audio_model import AudioModel
from otoscope.registry import lookup

Domain = Literal["linear", "log1p"]
DOMAINS: tuple[Domain, ...] = ("linear", "log1p")


class Parts(Protocol):
    """What an explanation is made of: components or codes. Masks are made one at a time, on demand."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each part."""

    @property
    def relevance(self) -> Tensor:
        """How much each part matters for the target, ``(clip, part)``."""

    @property
    def chosen(self) -> Tensor:
        """Whether each part is in the explanation, bool ``(clip, part)``."""

    def mask(self, index: int) -> Tensor:
        """Return the mask of one part, ``(clip, frequency, frame)``."""


@dataclass(frozen=True)
class Explanation:
    """The part of a sound that a decision rests on, says an explainer.

    Attributes
    ----------
    mask : Tensor, shape (clip, frequency, frame)
        In [0, 1].
    spectrogram : Spectrogram
        What it lies on.
    domain : {"linear", "log1p"}
        What it multiplies.
    ranking : Tensor or None, same shape
        Relevance of each bin before a threshold was set; None: the mask itself ranks.
    rule : callable or None
        Ranking to mask, so that a threshold can be set over a whole sound and not over each window or its padding;
        None: the mask is not made from the ranking.
    parts : Parts or None
        Components or codes.
    facts : dict
        JSON-able: what else is to be known (layer, threshold).
    """

    mask: Tensor
    spectrogram: Spectrogram
    domain: Domain = "linear"
    ranking: Tensor | None = None
    rule: Callable[[Tensor], Tensor] | None = None
    parts: Parts | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no mask on this spectrogram."""
        rows = self.spectrogram.settings.n_frequencies
        if self.mask.ndim != 3 or self.mask.shape[1] != rows:
            raise InputError(
                f"expected a mask (clip, {rows} frequencies, frame), got {tuple(self.mask.shape)}"
            )
        if self.domain not in DOMAINS:
            raise UnknownNameError.of("masking domain", self.domain, DOMAINS)
        if self.mask.numel() and not bool(((self.mask >= 0) & (self.mask <= 1)).all()):
            raise InputError(
                f"a mask lies in [0, 1], got {float(self.mask.min()):.4g} .. {float(self.mask.max()):.4g}"
            )

    @property
    def ranks(self) -> Tensor:
        """Relevance by which bins are put in or taken out first, ``(clip, frequency, frame)``."""
        return self.mask if self.ranking is None else self.ranking


class Explainer(Protocol):
    """A method: the waveform is one window that the network takes, see :mod:`otoscope.explain.windows`."""

    def __call__(self, model: AudioModel, waveform: Tensor, target: Target = None) -> Explanation:
        """Return the explanation of each clip.

        Parameters
        ----------
        model : AudioModel
            Given back as it was lent.
        waveform : Tensor, shape (clip, channel, time)
            At the model's rate.
        target : Target
            What is explained, see :mod:`otoscope.explain.target`.
        """


def explainer(name: str, **options: Any) -> Explainer:
    """Return the explainer of that name with its options.

    Raises
    ------
    UnknownNameError
        If there is none, or an option is unknown.

    Examples
    --------
    >>> explainer("amt", quantile=0.95).quantile
    0.95
    """
    made: Explainer = lookup(EXPLAINERS, name, room="explainers", kind="explainer")(**options)
    return made


def gain(mask: Tensor, magnitude: Tensor, domain: str) -> Tensor:
    """Return what a mask multiplies each bin's magnitude by, in [0, 1].

    Parameters
    ----------
    mask : Tensor, shape (clip, frequency, frame)
        In [0, 1].
    magnitude : Tensor, broadcastable to the mask
        Of the sound, not negative.
    domain : {"linear", "log1p"}
        In ``log1p``: expm1(m log1p(X)) / X, and its limit m where X is 0.
    """
    if domain == "linear":
        return mask
    if domain not in DOMAINS:
        raise UnknownNameError.of("masking domain", domain, DOMAINS)
    heard = magnitude > 1e-12
    some = torch.where(heard, magnitude, 1.0)
    return torch.where(heard, torch.expm1(mask * torch.log1p(some)) / some, mask).clamp(0.0, 1.0)
