"""Instruments that play notes: sounds of one pitch whose timbre says nothing about the octave.

They are no kinds of the catalogue (:mod:`otoscope.audio.synthesis.table`): a collection of notes needs every pitch
played by one instrument (:mod:`otoscope.data.notes`), where the catalogue needs every kind of sound.

    organ   sustained; harmonics 1, 2, 3, 4, 6, 8 by drawbars drawn for each take; vibrato of 6 Hz by a few cents
    pluck   struck once; all harmonics by 1/k, the k-th decays k times as fast; slightly inharmonic

Both are made up of partials below the Nyquist frequency, so a high note has fewer of them, as on any instrument.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from otoscope.audio.synthesis.signals import TOP, phase, require_below_nyquist, seconds
from otoscope.audio.synthesis.spec import Waveform
from otoscope.registry import lookup

Play = Callable[[np.random.Generator, int, float, float], Waveform]

_DRAWBARS = (1, 2, 3, 4, 6, 8)
_STRINGS = 24
"""Most partials of a plucked string."""


def organ(rng: np.random.Generator, sample_rate: int, duration_s: float, pitch_hz: float) -> Waveform:
    """Return a sustained note ``(time,)``: attack of 20-60 ms, drawbars of -18 to 0 dB, a trace of vibrato."""
    require_below_nyquist(sample_rate, pitch_hz=pitch_hz)
    time_s = seconds(sample_rate, duration_s)
    cents = rng.uniform(2, 8) * np.sin(2 * np.pi * 6 * time_s + rng.uniform(0, 2 * np.pi))
    radians = phase(pitch_hz * 2 ** (cents / 1200), sample_rate, time_s.size)
    levels = 10 ** (rng.uniform(-18, 0, len(_DRAWBARS)) / 20)
    levels[0] = 1.0
    partials = [
        a * np.sin(k * radians) for k, a in zip(_DRAWBARS, levels) if _fits(k * pitch_hz, sample_rate)
    ]
    attack_s = rng.uniform(0.02, 0.06)
    return np.asarray(np.sum(partials, axis=0) * np.minimum(1, time_s / attack_s))


def pluck(rng: np.random.Generator, sample_rate: int, duration_s: float, pitch_hz: float) -> Waveform:
    """Return a struck string ``(time,)``: partial k of level 1/k^b (b 0.8-1.6) and decay k/T, T 0.3-0.9 s."""
    require_below_nyquist(sample_rate, pitch_hz=pitch_hz)
    time_s = seconds(sample_rate, duration_s)
    slope, last_s, stiff = rng.uniform(0.8, 1.6), rng.uniform(0.3, 0.9), rng.uniform(0, 2e-4)
    found = np.zeros_like(time_s)
    for k in range(1, _STRINGS + 1):
        partial_hz = k * pitch_hz * np.sqrt(1 + stiff * k**2)
        if not _fits(partial_hz, sample_rate):
            break
        wave = np.sin(2 * np.pi * partial_hz * time_s + rng.uniform(0, 2 * np.pi))
        found += k**-slope * np.exp(-k * time_s / last_s) * wave
    return found


def _fits(frequency_hz: float, sample_rate: int) -> bool:
    return frequency_hz <= TOP * sample_rate / 2


INSTRUMENTS: dict[str, str] = {
    "organ": "otoscope.audio.synthesis.instruments:organ",
    "pluck": "otoscope.audio.synthesis.instruments:pluck",
}
"""Instrument -> function ``(rng, sample_rate, duration_s, pitch_hz) -> waveform``."""


def find_instrument(name: str) -> Play:
    """Return the instrument of that name; UnknownNameError lists the known."""
    found: Play = lookup(INSTRUMENTS, name, room="instruments", kind="instrument")
    return found
