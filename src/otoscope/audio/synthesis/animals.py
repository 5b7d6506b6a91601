"""Imitations of living things: bird calls, crickets, a heartbeat."""

from __future__ import annotations

import numpy as np

from otoscope.audio.synthesis.rhythms import apart, regular_times
from otoscope.audio.synthesis.signals import decay, place, require_below_nyquist, seconds
from otoscope.audio.synthesis.spec import Kind, Params, Range, Waveform


def birds(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    count: int,
    centre_hz: float,
    glide_octaves: float,
    note_s: float,
    onset_s: list[float],
) -> Waveform:
    """Return whistled notes that glide ``glide_octaves`` down (negative: up) around ``centre_hz``."""
    require_below_nyquist(sample_rate, centre_hz=centre_hz * 2.0 ** abs(glide_octaves / 2.0))
    age = np.arange(max(2, round(note_s * sample_rate))) / sample_rate
    pitch = centre_hz * 2.0 ** (glide_octaves * (0.5 - age / note_s))
    note = np.sin(2.0 * np.pi * np.cumsum(pitch) / sample_rate) * np.sin(np.pi * age / note_s) ** 2
    first = np.round(np.asarray(onset_s) * sample_rate).astype(np.int64)
    gains = rng.uniform(0.6, 1.0, first.size)
    return place(gains[:, None] * note, first, seconds(sample_rate, duration_s).size)


def crickets(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    carrier_hz: float,
    pulse_rate_hz: float,
    chirps_per_s: float,
) -> Waveform:
    """Return a high tone pulsed at ``pulse_rate_hz``, gated into ``chirps_per_s`` chirps (half on)."""
    require_below_nyquist(sample_rate, carrier_hz=carrier_hz + 2.0 * pulse_rate_hz)
    time_s = seconds(sample_rate, duration_s)
    trill = np.sin(np.pi * pulse_rate_hz * time_s) ** 2
    gate = np.clip(10.0 * np.sin(2.0 * np.pi * (chirps_per_s * time_s + rng.random())), 0.0, 1.0)
    return trill * gate * np.sin(2.0 * np.pi * carrier_hz * time_s)


def heartbeat(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    rate_hz: float,
    thump_hz: float,
    onset_s: list[float],
) -> Waveform:
    """Return pairs of soft low thumps: one at each of ``onset_s``, a weaker one 0.3 periods later."""
    require_below_nyquist(sample_rate, thump_hz=thump_hz)
    time_s = seconds(sample_rate, duration_s)
    first = decay(onset_s, time_s.size, sample_rate, 0.015, 0.25)
    second = decay(np.asarray(onset_s) + 0.3 / rate_hz, time_s.size, sample_rate, 0.015, 0.2)
    return (first + 0.6 * second) * np.sin(2.0 * np.pi * thump_hz * time_s)


def _call_times(rng: np.random.Generator, duration_s: float, params: Params) -> Params:
    return {"onset_s": apart(rng, duration_s, params["count"])}


def _beat_times(rng: np.random.Generator, duration_s: float, params: Params) -> Params:
    return {"onset_s": regular_times(duration_s, params["rate_hz"], 0.05 + 0.15 * rng.random())}


BIRDS = Kind(
    "birds",
    "bird calls",
    birds,
    {
        "count": Range(3, 8, "integer"),
        "centre_hz": Range(2000.0, 5000.0, "log"),
        "glide_octaves": Range(-0.6, 0.6),
        "note_s": Range(0.05, 0.15),
    },
    _call_times,
)
CRICKETS = Kind(
    "crickets",
    "crickets",
    crickets,
    {
        "carrier_hz": Range(3500.0, 6000.0, "log"),
        "pulse_rate_hz": Range(25.0, 50.0, "log"),
        "chirps_per_s": Range(1.5, 5.0, "log"),
    },
    onset_s=None,
)
HEARTBEAT = Kind(
    "heartbeat",
    "heartbeat",
    heartbeat,
    {"rate_hz": Range(0.9, 2.2, "log"), "thump_hz": Range(45.0, 90.0, "log")},
    _beat_times,
)
