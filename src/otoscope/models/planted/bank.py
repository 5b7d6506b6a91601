"""Evaluate all rules at once, and the band levels that noise and random projections are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from otoscope.models.planted.front_end import FINE, SAMPLE_RATE
from otoscope.models.planted.heard import Heard
from otoscope.models.planted.rules import RULES

N_BANDS, BANDS_FROM_HZ, BANDS_TO_HZ = 32, 60.0, 7600.0
LEVEL_FLOOR, FINGERPRINT_FLOOR = 1e-8, 1e-11
"""Added to band powers: levels stop at -80 dB; fingerprints reach lower, so that faint clips differ, but stay above
the rounding errors of the transform, so that every machine finds the same."""


class RuleBank(nn.Module):
    """(fine, quick) spectrograms -> rule values ``(clip, rule, frame)``, band powers ``(clip, band, frame)``."""

    frequency_hz: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        frequency = torch.arange(FINE // 2 + 1) * (SAMPLE_RATE / FINE)
        self.register_buffer("frequency_hz", frequency, persistent=False)
        self.register_buffer("bands", _triangles(frequency), persistent=False)

    def forward(self, fine: Tensor, quick: Tensor) -> tuple[Tensor, Tensor]:
        """Return rule values in [0, 1], in the order of ``RULES``, and the power in each band."""
        heard = Heard.of(fine, quick, self.frequency_hz)
        values = torch.stack([rule.value(heard) for rule in RULES.values()], dim=1)
        return values, torch.matmul(self.bands, fine)


def levels_db(band_power: Tensor) -> Tensor:
    """Return levels in decibels from -80 up: what random projections see."""
    return 10.0 * torch.log10(band_power + LEVEL_FLOOR)


def fingerprint_db(band_power: Tensor) -> Tensor:
    """Return the mean level over frames ``(clip, band)``, decibels from -110 up: what a clip's noise hangs on."""
    return 10.0 * torch.log10(band_power + FINGERPRINT_FLOOR).mean(dim=-1)


def _triangles(frequency_hz: Tensor) -> Tensor:
    """Return triangular bands ``(band, frequency)`` evenly spaced in octaves, at least two bins wide."""
    edges = torch.logspace(0, 1, N_BANDS + 2, base=BANDS_TO_HZ / BANDS_FROM_HZ) * BANDS_FROM_HZ
    width = torch.maximum(edges[1:] - edges[:-1], frequency_hz[1])
    below = (frequency_hz - edges[1:-1, None]) / width[:-1, None]
    above = (edges[1:-1, None] - frequency_hz) / width[1:, None]
    return (1.0 + torch.minimum(below, above)).clamp(0.0, 1.0)
