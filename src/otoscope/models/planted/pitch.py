"""How surely does the pitch lie in a range of frequencies? A comb over the fine spectrogram.

The magnitude spectrum S is read off at h * c and between, for each candidate c (24 to the octave, 55-6500 Hz):

    salience(c) = sum over h = 1..8 of h^-1/2 * [ S(h c) - (S((h - 1/2) c) + S((h + 1/2) c)) / 2 ] / |S|

and a softmax over candidates gives each a probability. The valleys between harmonics count against a candidate,
which settles octave errors; the idea is that of Camacho and Harris 2008, A sawtooth waveform inspired pitch
estimator for speech and music, J. Acoust. Soc. Am. 124, much simplified.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache

import torch
from torch import Tensor

LOWEST_HZ, HIGHEST_HZ, PER_OCTAVE = 55.0, 6500.0, 24
N_HARMONICS, SHARPNESS = 8, 20.0
TINY = 1e-13


@cache
def candidates_hz() -> tuple[float, ...]:
    """Return the pitches that are compared."""
    n = 1 + int(PER_OCTAVE * torch.log2(torch.tensor(HIGHEST_HZ / LOWEST_HZ)))
    return tuple(LOWEST_HZ * 2.0 ** (step / PER_OCTAVE) for step in range(n))


@cache
def _comb(n_bins: int, bin_hz: float) -> Tensor:
    """Return the comb's weights ``(candidate, frequency)``."""
    pitch = torch.tensor(candidates_hz(), dtype=torch.float64)
    centre = bin_hz * torch.arange(n_bins, dtype=torch.float64)
    comb = torch.zeros(pitch.numel(), n_bins, dtype=torch.float64)
    for harmonic in range(1, N_HARMONICS + 1):
        weight = harmonic**-0.5
        for at, share in ((harmonic, 1.0), (harmonic - 0.5, -0.5), (harmonic + 0.5, -0.5)):
            target = pitch[:, None] * at
            width = (target * (2.0 ** (1.0 / PER_OCTAVE) - 1.0)).clamp_min(bin_hz)
            comb += weight * share * (1.0 - (centre - target).abs() / width).clamp_min(0.0)
    return comb.float()


def probabilities(fine: Tensor, bin_hz: float) -> Tensor:
    """Return the probability of each candidate pitch, ``(clip, candidate, frame)``."""
    magnitude = torch.sqrt(fine + TINY)
    magnitude = magnitude / torch.linalg.vector_norm(magnitude, dim=1, keepdim=True)
    comb = _comb(magnitude.shape[1], bin_hz).to(magnitude.device, magnitude.dtype)
    return torch.softmax(SHARPNESS * torch.matmul(comb, magnitude), dim=1)


def between(probability: Tensor, low_hz: float, high_hz: float) -> Tensor:
    """Return the probability ``(clip, frame)`` that the pitch lies in [low_hz, high_hz)."""
    first, last = (bisect_left(candidates_hz(), edge) for edge in (low_hz, high_hz))
    return probability[:, first:last].sum(dim=1)
