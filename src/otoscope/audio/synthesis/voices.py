"""A voice-like kind: harmonics shaped by three resonances (formants)."""

from __future__ import annotations

from typing import Any

import numpy as np

from otoscope.audio.synthesis.signals import harmonic_sum, n_harmonics, phase, require_below_nyquist, seconds
from otoscope.audio.synthesis.spec import Choice, Kind, Params, Range, Waveform

FORMANTS_HZ: dict[str, tuple[float, float, float]] = {
    "ee": (270.0, 2290.0, 3010.0),
    "eh": (530.0, 1840.0, 2480.0),
    "ah": (730.0, 1090.0, 2440.0),
    "aw": (570.0, 840.0, 2410.0),
    "oo": (300.0, 870.0, 2240.0),
}
"""Mean formants of men's vowels: Peterson and Barney 1952, Control methods used in a study of the vowels,
J. Acoust. Soc. Am. 24, table II."""

_BANDWIDTH_HZ = (80.0, 90.0, 120.0)
_VIBRATO_HZ, _VIBRATO_SEMITONES = 5.5, 0.25


def vowel(
    rng: np.random.Generator,
    sample_rate: int,
    duration_s: float,
    *,
    pitch_hz: float,
    vowel: str,
    formant_hz: list[float],
) -> Waveform:
    """Return harmonics of ``pitch_hz`` (slight vibrato) that fall by 6 dB an octave, shaped by formants."""
    require_below_nyquist(sample_rate, pitch_hz=pitch_hz, highest_formant_hz=max(formant_hz))
    time_s = seconds(sample_rate, duration_s)
    swing = _VIBRATO_SEMITONES * np.sin(2.0 * np.pi * _VIBRATO_HZ * time_s)
    order = np.arange(1, n_harmonics(pitch_hz * 1.02, sample_rate) + 1)
    frequency = order * pitch_hz
    gain = 1.0 / order
    for centre, bandwidth in zip(formant_hz, _BANDWIDTH_HZ, strict=True):
        gain = gain * centre**2 / np.hypot(centre**2 - frequency**2, bandwidth * frequency)
    return harmonic_sum(phase(pitch_hz * 2.0 ** (swing / 12.0), sample_rate, time_s.size), gain)


def _formants(rng: np.random.Generator, duration_s: float, params: Params) -> dict[str, Any]:
    return {"formant_hz": list(FORMANTS_HZ[params["vowel"]])}


VOWEL = Kind(
    "vowel",
    "vowel",
    vowel,
    {"pitch_hz": Range(85.0, 350.0, "log"), "vowel": Choice(tuple(FORMANTS_HZ))},
    _formants,
)
