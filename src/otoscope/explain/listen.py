"""How does an explanation sound? The one place that turns a mask into sound.

With the complex spectrogram X of each channel and the mask's gain g (see :func:`otoscope.explain.explanation.gain`):

    explanation   istft(g X)                              phase of the input, or Griffin-Lim's from g |X|
    remainder     istft(g' X), g' the gain of 1 - M       ``mask-out``, what faithfulness is measured on
                  x - explanation                         ``difference``, adds up to the input in every domain

Every sound has the input's length and channels. In the linear domain with the input's phase both remainders are the
same, and explanation + remainder is the input up to rounding (1e-6). Sounds keep their level (``keep``), because how
faint an explanation is belongs to the answer; for listening side by side ``match`` brings explanation and remainder to
the RMS level of the input, and turns all three down together where one would exceed full scale.

Reference for the phase: D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform", IEEE
TASSP 32, 1984. *Where published exports differ*: some feed log1p magnitudes to the inverse transform, and cut the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from otoscope.errors import InputError
from otoscope.explain.explanation import Explanation, gain
from otoscope.explain.hearing import phase_of
from otoscope.explain.spectrogram import Spectrogram
from otoscope.stage_config import Seed, StageConfig

_SILENT = 1e-10


class Listening(StageConfig):
    """How a mask becomes sound.

    Attributes
    ----------
    domain : {"explanation", "linear", "log1p"}
        What the mask multiplies; ``explanation``: as the explainer says.
    phase : {"input", "griffin-lim"}
        The input's phase, or one that fits the masked magnitude.
    iterations : int
        Of Griffin-Lim.
    remainder : {"mask-out", "difference"}
        What is left: by the mask 1 - M, or the input minus the explanation.
    loudness : {"keep", "match"}
        Levels as they are, or matched to the input's for listening.
    seed : int
        Of the phase that Griffin-Lim begins with.
    """

    domain: Literal["explanation", "linear", "log1p"] = "explanation"
    phase: Literal["input", "griffin-lim"] = "input"
    iterations: int = Field(32, ge=1)
    remainder: Literal["mask-out", "difference"] = "mask-out"
    loudness: Literal["keep", "match"] = "keep"
    seed: Seed = 0


@dataclass(frozen=True)
class Sounds:
    """An explanation to listen to, each ``(clip, channel, time)`` at the explanation's rate.

    Attributes
    ----------
    explanation, remainder, original : Tensor
        What is kept, what is left, and the input.
    gain_db : Tensor, shape (clip, 3)
        By how much explanation, remainder and original were turned up (0: not at all), in decibels.
    sample_rate : int
        In hertz.
    """

    explanation: Tensor
    remainder: Tensor
    original: Tensor
    gain_db: Tensor
    sample_rate: int


def listen(explanation: Explanation, waveform: Tensor, config: Listening | None = None) -> Sounds:
    """Return explanation, remainder and original as sound.

    Parameters
    ----------
    explanation : Explanation
        Of these clips.
    waveform : Tensor, shape (clip, channel, time)
        The sound that was explained, at the explanation's rate.
    config : Listening, optional
        Domain, phase, remainder, loudness.

    Raises
    ------
    InputError
        If the mask has another number of clips or frames than the sound.
    """
    how = Listening.of(config)
    kept = sound_of(explanation.mask, waveform, explanation, how)
    if how.remainder == "difference":
        left = waveform - kept
    else:
        left = sound_of(1 - explanation.mask, waveform, explanation, how)
    sounds = kept, left, waveform
    factors = _matched(*sounds) if how.loudness == "match" else waveform.new_ones(3, len(waveform))
    first, rest, whole = (one * factor[:, None, None] for one, factor in zip(sounds, factors))
    return Sounds(first, rest, whole, 20 * factors.T.log10(), explanation.spectrogram.sample_rate)


def sound_of(mask: Tensor, waveform: Tensor, explanation: Explanation, how: Listening) -> Tensor:
    """Return what a mask passes, ``(clip, channel, time)``; rate and domain are the explanation's."""
    on = explanation.spectrogram
    spectrum = on.spectrum(waveform)  # (clip, channel, frequency, frame)
    check(mask, spectrum)
    domain = explanation.domain if how.domain == "explanation" else how.domain
    passed = spectrum * gain(mask[:, None].to(waveform), spectrum.abs(), domain)
    if how.phase == "griffin-lim":
        return griffin_lim(passed.abs(), on, waveform.shape[-1], how.iterations, how.seed)
    return on.sound(passed, waveform.shape[-1])


def check(mask: Tensor, spectrum: Tensor) -> None:
    """Raise if a mask ``(clip, frequency, frame)`` is not of this spectrum ``(clip, ..., frequency, frame)``."""
    wanted = (spectrum.shape[0], *spectrum.shape[-2:])
    if tuple(mask.shape) != wanted:
        raise InputError(
            f"the mask is {tuple(mask.shape)} (clip, frequency, frame) and the sound has {wanted}; explain this very "
            "sound, at the explanation's rate"
        )


def griffin_lim(magnitude: Tensor, on: Spectrogram, n_samples: int, iterations: int, seed: int) -> Tensor:
    """Return a waveform ``(..., n_samples)`` whose spectrogram has about this magnitude ``(..., frequency, frame)``."""
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * torch.pi * torch.rand(magnitude.shape, generator=generator).to(magnitude)
    phase = torch.polar(torch.ones_like(angle), angle)
    for _ in range(iterations):
        phase = phase_of(on.spectrum(on.sound(magnitude * phase, n_samples)))
    return on.sound(magnitude * phase, n_samples)


def _matched(*sounds: Tensor) -> Tensor:
    """Return the factors ``(sound, clip)`` that bring sounds to the last one's RMS, all within full scale."""
    levels = torch.stack([one.square().mean((1, 2)).sqrt() for one in sounds])  # (sound, clip)
    audible = levels > _SILENT
    factors = torch.where(
        audible, levels[-1:].where(levels[-1:] > _SILENT, 1.0) / levels.clamp_min(_SILENT), 1.0
    )
    peaks = factors * torch.stack([one.abs().amax((1, 2)) for one in sounds])
    return factors / peaks.amax(0, keepdim=True).clamp_min(1.0)
