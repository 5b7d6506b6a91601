"""How strong is the sound in the recording, and how does its strength change?

============================ =========================================================================
``level_rms_dbfs``           10 log10 of the mean square of the clip
``level_sounding_dbfs``      the same over sounding frames only
``level_peak_dbfs``          20 log10 of the largest absolute sample
``loudness_lufs``            programme loudness, see :mod:`otoscope.caption.acoustic.loudness`
``crest_factor_db``          peak minus RMS: 3.01 for a sine, about 12 for noise, more for clicks
``level_range_db``           95th minus 5th percentile of the sounding frames' levels
``level_trend_db``           rise (+) or fall (-) over the sounding part: slope of the frames' level x length
``level_trend_fit``          share of the frames' level variance that this line explains, 0 to 1
============================ =========================================================================

Reference: level in dB relative to full scale after AES17 without its 3 dB offset.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from otoscope.caption.acoustic.frames import Floats, Frames, decibels
from otoscope.caption.acoustic.loudness import loudness_lufs

COLUMNS = (
    "level_rms_dbfs",
    "level_sounding_dbfs",
    "level_peak_dbfs",
    "loudness_lufs",
    "crest_factor_db",
    "level_range_db",
    "level_trend_db",
    "level_trend_fit",
)


def measure(frames: Frames) -> dict[str, float]:
    """Return the level's columns; those of the sounding part are absent for a silent clip."""
    power = np.square(frames.waveform, dtype=np.float64)
    rms = float(decibels(power.mean()))
    peak = float(decibels(power.max()))
    found = {"level_rms_dbfs": rms, "level_peak_dbfs": peak}
    if frames.silent:
        return found
    levels = frames.level_db[frames.sounding]
    low, high = np.percentile(levels, [5, 95])
    trend, fit = _trend(np.flatnonzero(frames.sounding), levels)
    return found | {
        "level_sounding_dbfs": float(decibels(np.mean(10.0 ** (levels / 10.0)))),
        "loudness_lufs": loudness_lufs(frames),
        "crest_factor_db": peak - rms,
        "level_range_db": float(high - low),
        "level_trend_db": trend,
        "level_trend_fit": fit,
    }


def _trend(place: NDArray[np.int64], levels: Floats) -> tuple[float, float]:
    """Return (rise from first to last place along the least-squares line, share of variance explained)."""
    if place.size < 3 or np.ptp(levels) < 1e-6:
        return 0.0, 0.0
    centred, deviation = place - place.mean(), levels - levels.mean()
    slope = (centred @ deviation) / (centred @ centred)
    explained = slope**2 * (centred @ centred) / (deviation @ deviation)
    return float(slope * np.ptp(place)), float(explained)
