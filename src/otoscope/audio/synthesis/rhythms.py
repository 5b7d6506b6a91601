"""Kinds made of events: regular clicks by rate, and bursts of tone or noise at known onsets."""

from __future__ import annotations

import numpy as np

from otoscope.audio.synthesis.signals import (
    band_gain,
    decay,
    noise_frequencies,
    pulses,
    require_below_nyquist,
    seconds,
    shaped_noise,
)
from otoscope.audio.synthesis.spec import Kind, Params, Range, Waveform


def regular_times(duration_s: float, rate_hz: float, first_s: float) -> list[float]:
    """Return the times first_s, first_s + 1 / rate_hz, ... that lie at least 10 ms before the end."""
    count = int(np.floor((duration_s - 0.01 - first_s) * rate_hz)) + 1
    return [first_s + index / rate_hz for index in range(max(count, 0))]


def apart(rng: np.random.Generator, duration_s: float, count: int) -> list[float]:
    """Return ``count`` random times, one in each of ``count`` equal parts of the clip, off its ends."""
    part = 0.9 * duration_s / count
    return [float(0.05 * duration_s + part * (index + 0.7 * rng.random())) for index in range(count)]


def clicks(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    rate_hz: float,
    first_s: float,
    onset_s: list[float],
) -> Waveform:
    """Return equal band-limited impulses at ``onset_s``, which are ``1 / rate_hz`` apart."""
    n_samples = seconds(sample_rate, duration_s).size
    return pulses(onset_s, np.ones(len(onset_s)), n_samples, sample_rate)


def _click_times(rng: np.random.Generator, duration_s: float, params: Params) -> Params:
    first_s = 0.02 + rng.random() * min(0.8 / params["rate_hz"], 0.4 * duration_s)
    return {"first_s": first_s, "onset_s": regular_times(duration_s, params["rate_hz"], first_s)}


def tone_bursts(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    count: int,
    pitch_hz: float,
    attack_s: float,
    decay_s: float,
    onset_s: list[float],
) -> Waveform:
    """Return a sine of ``pitch_hz`` that starts at each of ``onset_s`` and fades by 60 dB in ``decay_s``."""
    require_below_nyquist(sample_rate, pitch_hz=pitch_hz)
    time_s = seconds(sample_rate, duration_s)
    return decay(onset_s, time_s.size, sample_rate, attack_s, decay_s) * np.sin(2 * np.pi * pitch_hz * time_s)


def noise_bursts(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    count: int,
    low_hz: float,
    high_hz: float,
    attack_s: float,
    decay_s: float,
    onset_s: list[float],
) -> Waveform:
    """Return band noise that starts at each of ``onset_s`` and fades by 60 dB in ``decay_s``."""
    require_below_nyquist(sample_rate, low_hz=low_hz, high_hz=high_hz)
    n_samples = seconds(sample_rate, duration_s).size
    noise = shaped_noise(
        rng, n_samples, band_gain(noise_frequencies(n_samples, sample_rate), low_hz, high_hz)
    )
    return decay(onset_s, n_samples, sample_rate, attack_s, decay_s) * noise


def _burst_times(rng: np.random.Generator, duration_s: float, params: Params) -> Params:
    return {"onset_s": apart(rng, duration_s, params["count"])}


_BURST = {
    "count": Range(1, 4, "integer"),
    "attack_s": Range(0.001, 0.01, "log"),
    "decay_s": Range(0.08, 0.6, "log"),
}

CLICKS = Kind("clicks", "clicks", clicks, {"rate_hz": Range(1.5, 25.0, "log")}, _click_times)
TONE_BURSTS = Kind(
    "tone_bursts",
    "tone bursts",
    tone_bursts,
    {**_BURST, "pitch_hz": Range(200.0, 5000.0, "log")},
    _burst_times,
)
NOISE_BURSTS = Kind(
    "noise_bursts",
    "noise bursts",
    noise_bursts,
    {**_BURST, "low_hz": Range(100.0, 1000.0, "log"), "high_hz": Range(2000.0, 7000.0, "log")},
    _burst_times,
)
