"""Explain a sound of any length: window by window, the masks joined where windows overlap.

The network's windows (:mod:`otoscope.audio.windows`) are explained one after the other for the same target, the one of
the whole sound. Where windows overlap, the mask at a frame is the mean of theirs, each weighted by how far the frame is
from that window's ends (a triangle), so no border is heard. A window's frames that fall between the sound's frames are
taken linearly. A shorter sound is padded as the network pads it, and the padding's frames are dropped. A method that
sets a threshold on its map sets it once, over the joined map of the whole sound without padding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from otoscope.audio.windows import Window, plan
from otoscope.errors import InputError
from otoscope.explain.explanation import Explainer, Explanation, Parts
from otoscope.explain.hearing import fitted, outputs
from otoscope.explain.target import Target, chosen
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent


def explain(explainer: Explainer, model: AudioModel, waveform: Tensor, target: Target = None) -> Explanation:
    """Return the explanation of sounds of any length.

    Parameters
    ----------
    explainer : Explainer
        The method.
    model : AudioModel
        The network, given back as it was lent.
    waveform : Tensor, shape (clip, channel, time)
        At the model's rate.
    target : Target
        None: the class that the network names for the whole sound.

    Returns
    -------
    Explanation
        Over all frames of the sound. Parts are those of a sound that is one window; a longer one has none.
    """
    if waveform.ndim != 3 or 0 in waveform.shape:
        raise InputError(
            f"expected waveforms (clip, channel, time) with samples, got {tuple(waveform.shape)}"
        )
    windows = plan(waveform.shape[-1], model.sample_rate, model.clip_length)
    if len(windows) == 1 and windows[0].n_samples == waveform.shape[-1]:
        return explainer(model, waveform, target)  # which hears this very sound and names its class itself
    with lent(model), torch.no_grad():
        goal = chosen(model, outputs(model, waveform), target)
    short = model.clip_length.short
    found = [explainer(model, fitted(waveform, one, short), goal) for one in windows]
    return _joined(found, windows, waveform.shape[-1])


@dataclass(frozen=True)
class CutParts:
    """The parts of a padded sound, without the padding's frames."""

    whole: Parts
    n_frames: int

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each part."""
        return self.whole.names

    @property
    def relevance(self) -> Tensor:
        """How much each part matters, ``(clip, part)``."""
        return self.whole.relevance

    @property
    def chosen(self) -> Tensor:
        """Whether each part is in the explanation, ``(clip, part)``."""
        return self.whole.chosen

    def mask(self, index: int) -> Tensor:
        """Return the mask of one part, ``(clip, frequency, frame)``."""
        return self.whole.mask(index)[..., : self.n_frames]


def _joined(found: list[Explanation], windows: list[Window], n_samples: int) -> Explanation:
    """Return one explanation of the whole sound."""
    ranking = joined([one.ranks for one in found], found[0], windows, n_samples)
    rule = found[0].rule
    if rule is not None:
        mask = rule(ranking)
    else:
        mask = joined([one.mask for one in found], found[0], windows, n_samples).clamp(0, 1)
    parts = CutParts(found[0].parts, mask.shape[2]) if len(found) == 1 and found[0].parts else None
    return replace(found[0], mask=mask, ranking=ranking, parts=parts)


def joined(masks: list[Tensor], like: Explanation, windows: list[Window], n_samples: int) -> Tensor:
    """Return maps of windows, each ``(clip, frequency, frame)``, as one of the whole sound, 0 where nobody heard."""
    on = like.spectrogram
    times = on.times_s(on.n_frames(n_samples))
    total = masks[0].new_zeros(*masks[0].shape[:2], len(times))
    weights = masks[0].new_zeros(len(times))
    for mask, window in zip(masks, windows):
        start, length = (one / on.sample_rate for one in (window.start_sample, window.n_samples))
        weight = (1 - (2 * (times - start) / length - 1).abs()).clamp_min(0) + 1e-6
        weight = weight * ((times >= start - 1e-9) & (times <= start + length + 1e-9))
        own = on.times_s(mask.shape[2]) + start
        total += _at(mask, own, times) * weight.to(mask)
        weights += weight.to(mask)
    return total / weights.clamp_min(1e-9)


def _at(values: Tensor, own: Tensor, times: Tensor) -> Tensor:
    """Return values ``(clip, frequency, frame)`` at other times, linearly between frames, the nearest one outside."""
    stride = float(own[1] - own[0]) if len(own) > 1 else 1.0
    place = ((times - own[0]) / stride).clamp(0, len(own) - 1)
    low = place.floor().long().clamp_max(max(len(own) - 2, 0))
    share = (place - low).to(values)
    high = (low + 1).clamp_max(len(own) - 1)
    return values[..., low] * (1 - share) + values[..., high] * share
