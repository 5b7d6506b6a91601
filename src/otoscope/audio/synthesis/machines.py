"""Imitations of made things: a siren, an alarm's beeps, an engine, knocking on wood."""

from __future__ import annotations

import numpy as np

from otoscope.audio.synthesis.rhythms import regular_times
from otoscope.audio.synthesis.signals import (
    band_gain,
    decay,
    harmonic_sum,
    n_harmonics,
    noise_frequencies,
    phase,
    require_below_nyquist,
    seconds,
    shaped_noise,
)
from otoscope.audio.synthesis.spec import Kind, Params, Range, Waveform


def siren(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    low_hz: float,
    high_hz: float,
    sweeps_per_s: float,
) -> Waveform:
    """Return a tone with five harmonics that wails between ``low_hz`` and ``high_hz``."""
    require_below_nyquist(sample_rate, low_hz=low_hz, high_hz=high_hz)
    time_s = seconds(sample_rate, duration_s)
    position = 0.5 - 0.5 * np.cos(2.0 * np.pi * sweeps_per_s * time_s)
    order = np.arange(1, min(5, n_harmonics(high_hz, sample_rate)) + 1)
    radians = phase(low_hz * (high_hz / low_hz) ** position, sample_rate, time_s.size)
    return harmonic_sum(radians, 1.0 / order**1.5)


def alarm(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    pitch_hz: float,
    rate_hz: float,
    duty: float,
    onset_s: list[float],
) -> Waveform:
    """Return beeps of ``pitch_hz``, ``rate_hz`` a second, each on for the share ``duty`` of its period."""
    require_below_nyquist(sample_rate, pitch_hz=pitch_hz)
    time_s = seconds(sample_rate, duration_s)
    if not onset_s:  # too short for a single beep
        return np.zeros(time_s.size)
    since = np.mod(time_s - onset_s[0], 1.0 / rate_hz)
    on_s = duty / rate_hz
    gate = np.clip(np.minimum(since, on_s - since) / 0.004, 0.0, 1.0) * (time_s >= onset_s[0])
    order = np.arange(1, min(3, n_harmonics(pitch_hz, sample_rate)) + 1)
    return gate * harmonic_sum(phase(pitch_hz, sample_rate, time_s.size), 1.0 / order**2)


def _beep_times(rng: np.random.Generator, duration_s: float, params: Params) -> Params:
    return {"onset_s": regular_times(duration_s, params["rate_hz"], 0.02 + 0.1 * duration_s * rng.random())}


def engine(
    rng: np.random.Generator, sample_rate: int, duration_s: float, *, firing_hz: float, roughness: float
) -> Waveform:
    """Return a low hum: harmonics of ``firing_hz`` and low noise, whose share of power is ``roughness``."""
    require_below_nyquist(sample_rate, firing_hz=firing_hz)
    n_samples = seconds(sample_rate, duration_s).size
    order = np.arange(1, min(24, n_harmonics(firing_hz, sample_rate)) + 1)
    hum = harmonic_sum(phase(firing_hz, sample_rate, n_samples), rng.uniform(0.5, 1.0, order.size) / order)
    noise = shaped_noise(rng, n_samples, band_gain(noise_frequencies(n_samples, sample_rate), 30.0, 900.0))
    return np.asarray(np.sqrt(1.0 - roughness) * hum / (np.std(hum) + 1e-20) + np.sqrt(roughness) * noise)


def knocking(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    rate_hz: float,
    resonance_hz: float,
    onset_s: list[float],
) -> Waveform:
    """Return short wooden thumps at ``onset_s``: a fast-decaying resonance with a click of noise."""
    require_below_nyquist(sample_rate, resonance_hz=2.7 * resonance_hz)
    time_s = seconds(sample_rate, duration_s)
    body = decay(onset_s, time_s.size, sample_rate, 0.001, 0.12)
    click = decay(onset_s, time_s.size, sample_rate, 0.0005, 0.015)
    gain = band_gain(noise_frequencies(time_s.size, sample_rate), 200.0, 4000.0)
    modes = np.sin(2 * np.pi * resonance_hz * time_s) + 0.4 * np.sin(2 * np.pi * 2.7 * resonance_hz * time_s)
    return body * modes + 0.3 * click * shaped_noise(rng, time_s.size, gain)


def _knock_times(rng: np.random.Generator, duration_s: float, params: Params) -> Params:
    regular = regular_times(duration_s - 0.05, params["rate_hz"], 0.05 + 0.15 * duration_s * rng.random())
    return {"onset_s": [float(time_s + rng.uniform(0.0, 0.02)) for time_s in regular]}


SIREN = Kind(
    "siren",
    "siren",
    siren,
    {
        "low_hz": Range(400.0, 700.0, "log"),
        "high_hz": Range(1000.0, 1800.0, "log"),
        "sweeps_per_s": Range(0.5, 4.0, "log"),
    },
)
ALARM = Kind(
    "alarm",
    "alarm beeps",
    alarm,
    {"pitch_hz": Range(900.0, 3500.0, "log"), "rate_hz": Range(1.5, 8.0, "log"), "duty": Range(0.3, 0.6)},
    _beep_times,
)
ENGINE = Kind(
    "engine",
    "engine hum",
    engine,
    {"firing_hz": Range(30.0, 120.0, "log"), "roughness": Range(0.05, 0.5)},
)
KNOCKING = Kind(
    "knocking",
    "knocking",
    knocking,
    {"rate_hz": Range(2.0, 7.0, "log"), "resonance_hz": Range(120.0, 500.0, "log")},
    _knock_times,
)
