"""Which components of the sound are missed when taken away? NMF-component occlusion, and the sound of each component.

The sound's spectrogram is V ~ W H over a dictionary W (:mod:`otoscope.explain.dictionary`). Component k has the mask
M_k = W_k H_k / (W H + eps) in the dictionary's domain. Taking it away leaves 1 - M_k, and

    relevance_k = n(V) - n((1 - M_k) V),     n: the explained number (a logit),

needs no training: one pass a component. Kept are components with relevance above ``threshold`` times the largest one
(none where none is positive), at most ``top``; their combined mask is one array.

*Sounds of components* are masks in the linear domain on the magnitude, so they add up: component sounds plus ``rest``,
what the dictionary does not explain, are the input (to rounding), for any dictionary and any domain.

Reference for masks and selection: J. Parekh et al. (2022), Listen to Interpret, NeurIPS; there relevance is learnt,
here it is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from otoscope.errors import InputError
from otoscope.explain.dictionary import Dictionary
from otoscope.explain.explanation import Explanation, gain
from otoscope.explain.hearing import Reentry, outputs, phase_of
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.target import Goal, Target, chosen, scalar
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent


@dataclass(frozen=True)
class Components:
    """The components of these clips, as parts of an explanation; masks are made one at a time.

    Attributes
    ----------
    dictionary : Dictionary
    activations : Tensor, shape (clip, component, frame)
    relevance : Tensor, shape (clip, component)
    chosen : Tensor of bool, shape (clip, component)
    """

    dictionary: Dictionary
    activations: Tensor
    relevance: Tensor
    chosen: Tensor

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each component."""
        return self.dictionary.names

    def mask(self, index: int) -> Tensor:
        """Return the mask of one component, ``(clip, frequency, frame)``."""
        return self.dictionary.component_mask(self.activations, index).clamp(0, 1)


class ComponentOcclusion:
    """NMF-component occlusion.

    Parameters
    ----------
    dictionary : Dictionary or path
        On the network's own spectrogram.
    threshold : float
        Share of the largest relevance above which a component is kept.
    top : int or None
        Components kept at most.
    batch_size : int
        Sounds a forward pass.
    iterations : int
        Updates of the activations.
    """

    def __init__(
        self,
        dictionary: Dictionary | Path | str,
        *,
        threshold: float = 0.2,
        top: int | None = None,
        batch_size: int = 32,
        iterations: int = 100,
    ) -> None:
        if not 0 <= threshold < 1 or (top is not None and top < 1) or batch_size < 1 or iterations < 1:
            raise InputError(
                f"threshold lies in [0, 1), top, batch_size and iterations are 1 or more; got {threshold}, {top}, "
                f"{batch_size}, {iterations}"
            )
        self.dictionary = dictionary if isinstance(dictionary, Dictionary) else Dictionary.load(dictionary)
        self.threshold, self.top = threshold, top
        self.batch_size, self.iterations = batch_size, iterations

    def __call__(self, model: AudioModel, waveform: Tensor, target: Target = None) -> Explanation:
        """Return the explanation of each clip; arguments as in :class:`otoscope.explain.explanation.Explainer`."""
        on = Spectrogram.of(model)
        on.require(self.dictionary.spectrogram, "the dictionary")
        with lent(model), torch.no_grad():
            goal = chosen(model, outputs(model, waveform), target)
            spectrum = on.spectrum(waveform.mean(1))
            activations = self.dictionary.activations(spectrum.abs(), iterations=self.iterations)
            reentry = Reentry(model, on, "auto", waveform.shape[-1])
            relevance = self._relevance(reentry, spectrum, activations, goal)
        kept = selected(relevance, self.threshold, self.top)
        mask = self.dictionary.mask(activations, kept).clamp(0, 1)
        parts = Components(self.dictionary, activations, relevance, kept)
        return Explanation(mask, on, self.dictionary.domain, parts=parts)

    def _relevance(self, reentry: Reentry, spectrum: Tensor, activations: Tensor, goal: Goal) -> Tensor:
        """Return by how much the explained number falls without each component, ``(clip, component)``."""
        falls = [
            self._falls(reentry, one, active, _at(goal, clip))
            for clip, (one, active) in enumerate(zip(spectrum, activations))
        ]
        return torch.stack(falls)

    def _falls(self, reentry: Reentry, spectrum: Tensor, activations: Tensor, goal: Goal) -> Tensor:
        magnitude, phase = spectrum.abs()[None], phase_of(spectrum)[None]
        numbers = [scalar(reentry.output(magnitude, phase), _many(goal, 1))]
        for start in range(0, len(activations), self.batch_size):
            some = range(start, min(start + self.batch_size, len(activations)))
            masks = 1 - torch.cat([self.dictionary.component_mask(activations[None], k) for k in some])
            left = magnitude * gain(masks.clamp(0, 1), magnitude, self.dictionary.domain)
            heard = reentry.output(left, phase.expand(len(some), -1, -1))
            numbers.append(scalar(heard, _many(goal, len(some))))
        whole, *without = numbers
        return whole - torch.cat(without)


def selected(relevance: Tensor, threshold: float, top: int | None) -> Tensor:
    """Return which components are kept, bool ``(clip, component)``.

    Strictly above ``threshold`` times the clip's largest relevance; none where the largest is not positive.
    """
    largest = relevance.amax(1, keepdim=True)
    kept = (relevance > threshold * largest) & (largest > 0)
    if top is not None and top < relevance.shape[1]:
        kept &= relevance >= relevance.topk(top, 1).values[:, -1:]
    return kept


def component_sounds(
    dictionary: Dictionary, waveform: Tensor, activations: Tensor | None = None
) -> Iterator[tuple[str, Tensor]]:
    """Yield name and sound ``(clip, channel, time)`` of each component, and last ``rest``; they add up to the input.

    Parameters
    ----------
    dictionary : Dictionary
    waveform : Tensor, shape (clip, channel, time)
        At the dictionary's rate.
    activations : Tensor, shape (clip, component, frame), optional
        None: the dictionary finds them.
    """
    on, n_samples = dictionary.spectrogram, waveform.shape[-1]
    spectrum = on.spectrum(waveform)  # (clip, channel, frequency, frame)
    if activations is None:
        activations = dictionary.activations(spectrum.mean(1).abs())
    left = waveform.clone()
    for index, name in enumerate(dictionary.names):
        part = on.sound(spectrum * dictionary.component_mask(activations, index)[:, None], n_samples)
        left -= part
        yield name, part
    yield "rest", left


def _at(goal: Goal, clip: int) -> Goal:
    return goal[clip : clip + 1] if isinstance(goal, Tensor) else goal


def _many(goal: Goal, n: int) -> Goal:
    """Return the clip's target for ``n`` sounds."""
    return goal.expand(n) if isinstance(goal, Tensor) else goal
