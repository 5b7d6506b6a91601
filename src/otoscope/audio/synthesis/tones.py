"""Kinds that have a pitch: pure and harmonic tones, chirps, tremolo (AM) and vibrato (FM)."""

from __future__ import annotations

import numpy as np

from otoscope.audio.synthesis.signals import harmonic_sum, n_harmonics, phase, require_below_nyquist, seconds
from otoscope.audio.synthesis.spec import Kind, Range, Waveform


def pure_tone(rng: np.random.Generator, sample_rate: int, duration_s: float, *, pitch_hz: float) -> Waveform:
    """Return a sine of frequency ``pitch_hz``."""
    require_below_nyquist(sample_rate, pitch_hz=pitch_hz)
    return np.sin(2.0 * np.pi * pitch_hz * seconds(sample_rate, duration_s))


def harmonic_tone(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    pitch_hz: float,
    rolloff_db_per_octave: float,
) -> Waveform:
    """Return harmonics k = 1, 2, ... of ``pitch_hz`` whose level falls by ``rolloff_db_per_octave``."""
    require_below_nyquist(sample_rate, pitch_hz=pitch_hz)
    radians = phase(pitch_hz, sample_rate, seconds(sample_rate, duration_s).size)
    order = np.arange(1, n_harmonics(pitch_hz, sample_rate) + 1)
    return harmonic_sum(radians, 10.0 ** (-rolloff_db_per_octave * np.log2(order) / 20.0))


def _chirp(sample_rate: int, duration_s: float, start_hz: float, end_hz: float) -> Waveform:
    require_below_nyquist(sample_rate, start_hz=start_hz, end_hz=end_hz)
    time_s = seconds(sample_rate, duration_s)
    return np.sin(phase(start_hz * (end_hz / start_hz) ** (time_s / duration_s), sample_rate, time_s.size))


def rising_chirp(
    rng: np.random.Generator, sample_rate: int, duration_s: float, *, low_hz: float, high_hz: float
) -> Waveform:
    """Return a sine that glides up from ``low_hz`` to ``high_hz``, as many octaves each second."""
    return _chirp(sample_rate, duration_s, low_hz, high_hz)


def falling_chirp(
    rng: np.random.Generator, sample_rate: int, duration_s: float, *, low_hz: float, high_hz: float
) -> Waveform:
    """Return a sine that glides down from ``high_hz`` to ``low_hz``, as many octaves each second."""
    return _chirp(sample_rate, duration_s, high_hz, low_hz)


def am_tone(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    carrier_hz: float,
    rate_hz: float,
    depth: float,
) -> Waveform:
    """Return a sine at ``carrier_hz`` times (1 + depth * sin(2 pi rate t)); depth 1 reaches silence."""
    require_below_nyquist(sample_rate, carrier_hz=carrier_hz + rate_hz)
    time_s = seconds(sample_rate, duration_s)
    envelope = 1.0 + depth * np.sin(2.0 * np.pi * rate_hz * time_s)
    return envelope * np.sin(2.0 * np.pi * carrier_hz * time_s)


def fm_tone(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    carrier_hz: float,
    rate_hz: float,
    depth_semitones: float,
) -> Waveform:
    """Return a sine whose pitch swings ``depth_semitones`` up and down around ``carrier_hz``."""
    top_hz = carrier_hz * 2.0 ** (depth_semitones / 12.0)
    require_below_nyquist(sample_rate, carrier_hz=top_hz + rate_hz)  # Carson's rule
    time_s = seconds(sample_rate, duration_s)
    swing = depth_semitones * np.sin(2.0 * np.pi * rate_hz * time_s)
    return np.sin(phase(carrier_hz * 2.0 ** (swing / 12.0), sample_rate, time_s.size))


_SWEEP = {"low_hz": Range(100.0, 700.0, "log"), "high_hz": Range(1500.0, 6500.0, "log")}

PURE_TONE = Kind("pure_tone", "pure tone", pure_tone, {"pitch_hz": Range(80.0, 6500.0, "log")})
HARMONIC_TONE = Kind(
    "harmonic_tone",
    "harmonic tone",
    harmonic_tone,
    {"pitch_hz": Range(60.0, 1500.0, "log"), "rolloff_db_per_octave": Range(3.0, 15.0)},
)
RISING_CHIRP = Kind("rising_chirp", "rising chirp", rising_chirp, _SWEEP)
FALLING_CHIRP = Kind("falling_chirp", "falling chirp", falling_chirp, _SWEEP)
AM_TONE = Kind(
    "am_tone",
    "tremolo tone",
    am_tone,
    {
        "carrier_hz": Range(200.0, 4000.0, "log"),
        "rate_hz": Range(2.0, 20.0, "log"),
        "depth": Range(0.5, 1.0),
    },
)
FM_TONE = Kind(
    "fm_tone",
    "vibrato tone",
    fm_tone,
    {
        "carrier_hz": Range(200.0, 3500.0, "log"),
        "rate_hz": Range(2.0, 12.0, "log"),
        "depth_semitones": Range(1.0, 6.0),
    },
)
