"""Hold what all rules share: the two spectrograms, level, amplitude, and whether there is anything to hear."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from otoscope.models.planted.front_end import FINE, SAMPLE_RATE
from otoscope.models.planted.pitch import TINY, probabilities

AUDIBLE_DB, AUDIBLE_WIDTH_DB = -60.0, 2.0


@dataclass(frozen=True)
class Heard:
    """Spectrograms and what follows from them directly.

    Attributes
    ----------
    fine : (clip, frequency, frame) Tensor
        Power in windows of 64 ms.
    frequency_hz : (frequency,) Tensor
        Centre of each bin of ``fine``.
    power, level_db : (clip, frame) Tensor
        Sum over ``fine``, and the same in decibels of full scale (mean square).
    amplitude : (clip, frame) Tensor
        Root of the sum over the quick spectrogram, windows of 16 ms.
    audible : (clip, frame) Tensor
        0 in silence, 1 where the level is well above -60 dB.
    """

    fine: Tensor
    frequency_hz: Tensor
    power: Tensor
    level_db: Tensor
    amplitude: Tensor
    audible: Tensor

    @classmethod
    def of(cls, fine: Tensor, quick: Tensor, frequency_hz: Tensor) -> Heard:
        """Return what is heard in two spectrograms ``(clip, frequency, frame)``."""
        power = fine.sum(dim=1) + TINY
        level_db = 10.0 * torch.log10(power)
        amplitude = torch.sqrt(quick.sum(dim=1) + TINY)
        audible = torch.sigmoid((level_db - AUDIBLE_DB) / AUDIBLE_WIDTH_DB)
        return cls(fine, frequency_hz, power, level_db, amplitude, audible)

    @cached_property
    def flatness_db(self) -> Tensor:
        """How flat the spectrum is locally, ``(clip, frame)``: near -2.5 dB for noise, below -10 for tones.

        Bins are taken in half-overlapping windows of 16 (250 Hz); each window's geometric over arithmetic
        mean of P in decibels counts by the window's power.
        """
        mean = functional.avg_pool2d(self.fine[:, None], (16, 1), (8, 1))[:, 0]
        log_mean = functional.avg_pool2d(torch.log10(self.fine + TINY)[:, None], (16, 1), (8, 1))[:, 0]
        flatness = 10.0 * (log_mean - torch.log10(mean + TINY))  # (clip, window, frame)
        return (flatness * mean).sum(dim=1) / (mean.sum(dim=1) + TINY)

    @cached_property
    def pitch_probability(self) -> Tensor:
        """Probability of each candidate pitch, ``(clip, candidate, frame)``; see :mod:`.pitch`."""
        return probabilities(self.fine, SAMPLE_RATE / FINE)


def smooth(trace: Tensor, kernel: Tensor) -> Tensor:
    """Return the cross-correlation of ``trace`` (clip, frame) with an odd ``kernel``, of the same length."""
    padding = kernel.numel() // 2
    return functional.conv1d(trace[:, None], kernel[None, None], padding=padding)[:, 0]


def nearby_max(trace: Tensor, n_frames: int) -> Tensor:
    """Return the largest value within ``n_frames`` before and after, for each frame of ``(clip, frame)``."""
    return functional.max_pool1d(trace[:, None], 2 * n_frames + 1, stride=1, padding=n_frames)[:, 0]


def shifted(trace: Tensor, n_frames: int) -> Tensor:
    """Return the trace ``n_frames`` later (negative: earlier), its end values repeated."""
    n = trace.shape[-1]
    at = torch.arange(n, device=trace.device) + n_frames
    return trace[..., at.clamp(0, n - 1)]
