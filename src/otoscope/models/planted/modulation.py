"""Rules of amplitude modulation: does the loudness beat slowly and evenly, or flutter fast?

Depth at rate r (fast): with windows w_r of a few periods, m_r = 2 |sum w_r a exp(i 2 pi r t)| / sum w_r a, which is
the depth of a sinusoidal modulation. Beating (slow): the amplitude less its mean over 1.2 s is compared with itself
one period earlier; a single event has no earlier self, a regular series has.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from otoscope.models.planted.front_end import FRAMES_PER_S
from otoscope.models.planted.heard import Heard, nearby_max, shifted, smooth

FAST_HZ = (8.0, 10.0, 12.5, 16.0, 20.0)
BELOW_FAST_HZ = (2.0, 3.0, 4.0, 5.5)
BEATS_HZ = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)
_BEAT_WINDOW_S = 1.2


def _hann(length_s: float, like: Tensor) -> Tensor:
    half = max(1, round(length_s * FRAMES_PER_S / 2))
    return torch.hann_window(2 * half + 1, periodic=False, device=like.device, dtype=like.dtype)


def depth_at(amplitude: Tensor, rate_hz: float, periods: float) -> Tensor:
    """Return the modulation depth ``(clip, frame)`` at one rate, in [0, 1]."""
    window = _hann(periods / rate_hz, amplitude)
    at_s = (torch.arange(window.numel(), device=window.device) - window.numel() // 2) / FRAMES_PER_S
    angle = 2.0 * math.pi * rate_hz * at_s
    cosine, sine = window * torch.cos(angle), window * torch.sin(angle)
    flat = window / window.sum()
    cosine, sine = cosine - flat * cosine.sum(), sine - flat * sine.sum()
    strength = torch.sqrt(smooth(amplitude, cosine).square() + smooth(amplitude, sine).square() + 1e-12)
    return (2.0 * strength / (smooth(amplitude, window) + 1e-4)).clamp(max=1.0)


def _deepest(amplitude: Tensor, rates_hz: tuple[float, ...], periods: float) -> Tensor:
    return torch.stack([depth_at(amplitude, rate, periods) for rate in rates_hz]).amax(dim=0)


def fast_modulation(heard: Heard) -> Tensor:
    """Return the modulation depth at 8-20 Hz, less that at 2-5.5 Hz (whose overtones would count too)."""
    fast = _deepest(heard.amplitude, FAST_HZ, 4.0)
    slow = _deepest(heard.amplitude, BELOW_FAST_HZ, 2.0)
    return nearby_max(heard.audible, 25) * functional.relu(fast - slow)


def slow_modulation(heard: Heard) -> Tensor:
    """Return how much the loudness resembles itself 1/6 to 2/3 s earlier, less the fast modulation."""
    window = _hann(_BEAT_WINDOW_S, heard.amplitude)
    flat = window / window.sum()
    rest = heard.amplitude - smooth(heard.amplitude, flat)
    power = smooth(heard.amplitude.square(), flat) + 1e-8
    lags = [round(FRAMES_PER_S / rate) for rate in BEATS_HZ]
    alike = torch.stack([smooth(rest * shifted(rest, -lag), flat) / power for lag in lags]).amax(dim=0)
    beating = (2.0 * functional.relu(alike)).clamp(max=1.0)
    return nearby_max(heard.audible, 25) * functional.relu(beating - fast_modulation(heard))
