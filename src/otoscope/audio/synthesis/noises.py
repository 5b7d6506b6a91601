"""Kinds without a pitch: noise in a band, broadband noise, pulsing noise, and silence."""

from __future__ import annotations

import numpy as np

from otoscope.audio.synthesis.signals import (
    TOP,
    band_gain,
    noise_frequencies,
    require_below_nyquist,
    seconds,
    shaped_noise,
    tilt_gain,
)
from otoscope.audio.synthesis.spec import Choice, Kind, Params, Range, Waveform


def band_noise(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    low_hz: float,
    high_hz: float,
    centre_hz: float,
    bandwidth_octaves: float,
) -> Waveform:
    """Return Gaussian noise, flat from ``low_hz`` to ``high_hz`` and zero elsewhere."""
    require_below_nyquist(sample_rate, low_hz=low_hz, high_hz=high_hz)
    n_samples = seconds(sample_rate, duration_s).size
    return shaped_noise(rng, n_samples, band_gain(noise_frequencies(n_samples, sample_rate), low_hz, high_hz))


def _band_edges(rng: np.random.Generator, duration_s: float, params: Params) -> Params:
    half = 2.0 ** (params["bandwidth_octaves"] / 2.0)
    return {"low_hz": params["centre_hz"] / half, "high_hz": params["centre_hz"] * half}


def broadband_noise(
    rng: np.random.Generator, sample_rate: int, duration_s: float, *, slope_db_per_octave: float
) -> Waveform:
    """Return noise over the whole spectrum: 0 dB an octave is white, -3 pink, -6 brown."""
    n_samples = seconds(sample_rate, duration_s).size
    frequency = noise_frequencies(n_samples, sample_rate)
    inside = band_gain(frequency, 20.0, TOP * sample_rate / 2)
    return shaped_noise(rng, n_samples, inside * tilt_gain(frequency, slope_db_per_octave))


def am_noise(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    low_hz: float,
    high_hz: float,
    rate_hz: float,
    depth: float,
) -> Waveform:
    """Return band noise times (1 + depth * sin(2 pi rate t)); sidebands reach ``rate_hz`` past the band."""
    require_below_nyquist(sample_rate, low_hz=low_hz, high_hz=high_hz + rate_hz)
    time_s = seconds(sample_rate, duration_s)
    gain = band_gain(noise_frequencies(time_s.size, sample_rate), low_hz, high_hz)
    envelope = 1.0 + depth * np.sin(2.0 * np.pi * rate_hz * time_s)
    return shaped_noise(rng, time_s.size, gain) * envelope


def silence(rng: np.random.Generator, sample_rate: int, duration_s: float, *, texture: str) -> Waveform:
    """Return zeros (``texture="digital"``) or faint white noise (``"room"``)."""
    n_samples = seconds(sample_rate, duration_s).size
    if texture == "digital":
        return np.zeros(n_samples, dtype=np.float32)
    return rng.standard_normal(n_samples, dtype=np.float32)


BAND_NOISE = Kind(
    "band_noise",
    "band noise",
    band_noise,
    {"centre_hz": Range(200.0, 4500.0, "log"), "bandwidth_octaves": Range(0.25, 1.2)},
    _band_edges,
)
BROADBAND_NOISE = Kind(
    "broadband_noise", "broadband noise", broadband_noise, {"slope_db_per_octave": Range(-6.0, 3.0)}
)
AM_NOISE = Kind(
    "am_noise",
    "pulsing noise",
    am_noise,
    {
        "low_hz": Range(150.0, 800.0, "log"),
        "high_hz": Range(2000.0, 7000.0, "log"),
        "rate_hz": Range(2.0, 16.0, "log"),
        "depth": Range(0.6, 1.0),
    },
)
SILENCE = Kind(
    "silence",
    "silence",
    silence,
    {"texture": Choice(("digital", "room"))},
    level_db=Range(-96.0, -72.0),
    onset_s=(),
)
