"""What does a sound, an explanation for example, sound like? Level, brightness, how long it is to be heard.

- *level*      RMS over the sound, and its largest magnitude, in dBFS
- *centroid*   sum f P / sum P of the power spectrum P, in hertz: higher is brighter
- *active*     seconds of 20 ms frames whose RMS lies within 40 dB of the loudest frame's and above -80 dBFS
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.audio.level import SILENCE_DB, peak_db, rms_db

FRAME_S, RANGE_DB, FLOOR_DB = 0.02, 40.0, -80.0


def sounding(waveform: NDArray[Any], sample_rate: int) -> dict[str, float]:
    """Return ``level_db``, ``peak_db``, ``centroid_hz``, ``active_s``, ``duration_s`` of a sound ``(channel, time)``.

    The centroid of digital silence is NaN.
    """
    exact = np.asarray(waveform, np.float64)
    return {
        "level_db": float(rms_db(exact)),
        "peak_db": float(peak_db(exact)),
        "centroid_hz": centroid_hz(exact, sample_rate),
        "active_s": active_s(exact, sample_rate),
        "duration_s": exact.shape[-1] / sample_rate,
    }


def centroid_hz(waveform: NDArray[Any], sample_rate: int) -> float:
    """Return the centre of gravity of the power spectrum, mean over channels; NaN for silence.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)[None]
    >>> round(centroid_hz(tone, 16000))
    1000
    """
    power = np.square(np.abs(np.fft.rfft(waveform, axis=-1))).mean(axis=0)
    total = float(power.sum())
    frequencies = np.fft.rfftfreq(waveform.shape[-1], 1 / sample_rate)
    return float(power @ frequencies / total) if total > 0 else float("nan")


def active_s(waveform: NDArray[Any], sample_rate: int) -> float:
    """Return for how many seconds a sound is to be heard."""
    size = max(1, round(FRAME_S * sample_rate))
    mono = np.square(waveform).mean(axis=0)
    starts = np.arange(0, len(mono), size)
    counts = np.minimum(size, len(mono) - starts)
    power = np.add.reduceat(mono, starts) / counts
    levels = 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))
    heard = (levels >= levels.max() - RANGE_DB) & (levels > FLOOR_DB)
    return float(counts[heard].sum() / sample_rate)


def faults(waveform: NDArray[Any], like: NDArray[Any]) -> list[str]:
    """Return what is wrong with a sound that should be a part of ``like``: empty where nothing is."""
    found = []
    if waveform.shape != like.shape:
        found.append(f"has {waveform.shape[-1]} samples, the original {like.shape[-1]}")
    if not np.isfinite(waveform).all():
        found.append("holds NaN or infinity")
    elif float(peak_db(np.asarray(waveform, np.float64))) < FLOOR_DB:
        found.append("is silent")
    return found
