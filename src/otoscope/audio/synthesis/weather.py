"""Imitations of weather and fire: many random drops, gusts, crackles over shaped noise."""

from __future__ import annotations

import numpy as np

from otoscope.audio.synthesis.signals import (
    TOP,
    band_gain,
    noise_frequencies,
    place,
    pulses,
    require_below_nyquist,
    seconds,
    shaped_noise,
    slow_curve,
    tilt_gain,
)
from otoscope.audio.synthesis.spec import Kind, Range, Waveform


def _random_events(rng: np.random.Generator, duration_s: float, rate_hz: float) -> tuple[Waveform, Waveform]:
    """Return times in seconds and signed gains ``(event,)`` of a Poisson process with exponential sizes."""
    count = max(1, int(rng.poisson(rate_hz * duration_s)))
    return rng.random(count) * duration_s, rng.exponential(1.0, count) * rng.choice([-1.0, 1.0], count)


def rain(
    rng: np.random.Generator, sample_rate: int, duration_s: float, *, drops_per_s: float, hiss_db: float
) -> Waveform:
    """Return random drops over a steady hiss that lies at ``hiss_db`` relative to them (by power)."""
    n_samples = seconds(sample_rate, duration_s).size
    drops = pulses(*_random_events(rng, duration_s, drops_per_s), n_samples, sample_rate)
    frequency = noise_frequencies(n_samples, sample_rate)
    gain = band_gain(frequency, 300.0, TOP * sample_rate / 2) * tilt_gain(frequency, -1.5)
    return np.asarray(
        drops / (np.std(drops) + 1e-20) + 10.0 ** (hiss_db / 20.0) * shaped_noise(rng, n_samples, gain)
    )


def wind(
    rng: np.random.Generator, sample_rate: int, duration_s: float, *, cutoff_hz: float, gusts_hz: float
) -> Waveform:
    """Return noise that falls by 12 dB an octave above ``cutoff_hz`` and swells at about ``gusts_hz``."""
    require_below_nyquist(sample_rate, cutoff_hz=cutoff_hz)
    n_samples = seconds(sample_rate, duration_s).size
    frequency = noise_frequencies(n_samples, sample_rate)
    gain = band_gain(frequency, 30.0, TOP * sample_rate / 2) / (1.0 + (frequency / cutoff_hz) ** 2)
    return shaped_noise(rng, n_samples, gain) * (0.25 + slow_curve(rng, n_samples, sample_rate, gusts_hz))


def fire(
    rng: np.random.Generator, sample_rate: int, duration_s: float, *, crackles_per_s: float, rumble_db: float
) -> Waveform:
    """Return sharp random crackles over a low rumble that lies at ``rumble_db`` relative to them."""
    n_samples = seconds(sample_rate, duration_s).size
    frequency = noise_frequencies(n_samples, sample_rate)
    times_s, gains = _random_events(rng, duration_s, crackles_per_s)
    ring = rng.standard_normal(round(0.004 * sample_rate)) * np.geomspace(
        1.0, 0.01, round(0.004 * sample_rate)
    )
    crackles = place(gains[:, None] * ring, np.round(times_s * sample_rate).astype(np.int64), n_samples)
    rumble = shaped_noise(rng, n_samples, band_gain(frequency, 30.0, 400.0) * tilt_gain(frequency, -3.0))
    return np.asarray(crackles / (np.std(crackles) + 1e-20) + 10.0 ** (rumble_db / 20.0) * rumble)


RAIN = Kind(
    "rain",
    "rain",
    rain,
    {"drops_per_s": Range(60.0, 600.0, "log"), "hiss_db": Range(-9.0, 3.0)},
    onset_s=None,
)
WIND = Kind(
    "wind",
    "wind",
    wind,
    {"cutoff_hz": Range(150.0, 600.0, "log"), "gusts_hz": Range(0.5, 2.0, "log")},
    onset_s=None,
)
FIRE = Kind(
    "fire",
    "crackling fire",
    fire,
    {"crackles_per_s": Range(5.0, 40.0, "log"), "rumble_db": Range(-18.0, -6.0)},
    onset_s=None,
)
