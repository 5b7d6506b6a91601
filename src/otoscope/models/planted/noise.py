"""Noise that is a function of the sound: the same clip always gets the same value, another clip an unrelated one.

Each neuron owns a random function of the clip's fingerprint x (mean level of 32 bands, decibels),

    f(x) = sqrt(2 / M) sum_m cos(u_m . x / scale + phi_m),      u_m ~ N(0, 1), phi_m ~ U(0, 2 pi)

which is a draw from a Gaussian process with covariance exp(-|x - y|^2 / (2 scale^2)) (Rahimi and Recht 2007, Random
features for large-scale kernel machines, NIPS, algorithm 1): clips more than a few ``scale`` apart get independent,
nearly standard normal values, while rounding errors change nothing. A larger scale gives similar sounds similar
noise. A second set of such terms beats at fixed slow rates and gives each clip its own course over time, whose
statistics are the same for every clip whatever it sounds like.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

N_TERMS = 24
BEATS_HZ = (0.6, 0.9, 1.3, 1.9, 2.7, 3.7)
"""Rates of the course over time."""


class ClipNoise(nn.Module):
    """Fingerprint ``(clip, band)`` -> noise constant over a clip, and noise over time, both of unit variance.

    Parameters
    ----------
    n_neurons, n_bands : int
        Number of independent functions, and of fingerprint values.
    scale_db : float
        Length scale of the random functions, decibels, > 0.
    rng : numpy Generator
        Draws the functions.
    """

    frequency: Tensor
    phase: Tensor
    beat_hz: Tensor

    def __init__(self, n_neurons: int, n_bands: int, scale_db: float, rng: np.random.Generator) -> None:
        super().__init__()
        terms = N_TERMS + len(BEATS_HZ)
        frequency = rng.standard_normal((n_neurons, terms, n_bands)) / scale_db
        phase = rng.uniform(0.0, 2.0 * math.pi, (n_neurons, terms))
        self.register_buffer("frequency", torch.tensor(frequency, dtype=torch.float32))
        self.register_buffer("phase", torch.tensor(phase, dtype=torch.float32))
        self.register_buffer("beat_hz", torch.tensor(BEATS_HZ), persistent=False)

    def forward(self, fingerprint_db: Tensor, time_s: Tensor) -> tuple[Tensor, Tensor]:
        """Return noise per clip ``(clip, neuron, 1)`` and over time ``(clip, neuron, frame)``."""
        angle = torch.einsum("bd,nmd->bnm", fingerprint_db, self.frequency) + self.phase
        constant = math.sqrt(2.0 / N_TERMS) * torch.cos(angle[..., :N_TERMS]).sum(dim=-1, keepdim=True)
        started = angle[..., N_TERMS:]
        turning = 2.0 * math.pi * self.beat_hz[:, None] * time_s  # (beat, frame)
        course = torch.matmul(torch.cos(started), torch.cos(turning)) - torch.matmul(
            torch.sin(started), torch.sin(turning)
        )
        return constant, math.sqrt(2.0 / len(BEATS_HZ)) * course
