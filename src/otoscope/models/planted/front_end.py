"""Turn a waveform into the two power spectrograms that planted rules see: a fine one and a quick one.

    fine  (clip, 513, frame)   Hann windows of 64 ms: harmonics of a low voice are apart
    quick (clip, 129, frame)   Hann windows of 16 ms: a knock is short

Both are centred on the same frames, one every 10 ms, the first at 0 s. A bin holds mean-square amplitude: the sum
over bins is the frame's mean square under the window, so a full-scale sine sums to 0.5.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SAMPLE_RATE = 16000
HOP = 160
FRAMES_PER_S = SAMPLE_RATE / HOP
FINE, QUICK = 1024, 256
RULES_VERSION = 1
"""Raise it with any change of a rule, so that the hash of a planted network changes too."""


class TwoSpectrograms(nn.Module):
    """Waveform ``(clip, channel, time)`` at 16 kHz -> (fine, quick) power spectrograms."""

    fine_window: Tensor
    quick_window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fine_window", torch.hann_window(FINE), persistent=False)
        self.register_buffer("quick_window", torch.hann_window(QUICK), persistent=False)

    @property
    def description(self) -> dict[str, Any]:
        """What is computed; part of the weights hash."""
        return {
            "class": "TwoSpectrograms",
            "hop": HOP,
            "n_fft": [FINE, QUICK],
            "rules_version": RULES_VERSION,
        }

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Return (fine, quick), each ``(clip, frequency, frame)``; channels are averaged first."""
        mono = waveform.mean(dim=1).float()
        return _power(mono, self.fine_window), _power(mono, self.quick_window)


def _power(mono: Tensor, window: Tensor) -> Tensor:
    half = window.numel() // 2
    mode = "reflect" if mono.shape[-1] > half else "constant"  # a reflection needs that many samples
    padded = functional.pad(mono[:, None], (half, half), mode=mode)[:, 0]
    spectrum = torch.stft(padded, window.numel(), HOP, window=window, center=False, return_complex=True)
    scale = 2.0 / (window.numel() * window.square().sum())
    return (spectrum.real.square() + spectrum.imag.square()) * scale
