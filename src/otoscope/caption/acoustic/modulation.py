"""Does the strength of the sound fluctuate, how fast and how deeply?

============================ =========================================================================
``am_rate_hz``               rate of the strongest line in the envelope's spectrum, 0.7 to 150 Hz
``am_depth``                 depth m of that line, as in 1 + m cos(2 pi rate t), at most 1
``am_prominence``            its amplitude over the median of the octaves around it: above about 5 it stands out
``flutter``                  RMS of the relative envelope from 4 to 20 Hz
``roughness``                the same from 30 to 150 Hz
============================ =========================================================================

The envelope e (amplitude of the analytic signal, 400 values a second) from the first to the last sounding frame is
divided by its mean; a Hann window and four-fold padding give its amplitude spectrum. Where several lines are within
20 % of the strongest (a pulse train's harmonics), the slowest counts. What averaging over 2.5 ms takes from fast
lines, sinc(2.5 ms x rate), is put back. ``flutter`` and ``roughness`` are sqrt(sum A^2 / 2) over the band, without a
window.

Reference: H. Fastl, E. Zwicker, 2007, "Psychoacoustics", chapters 10 and 11: fluctuation strength peaks near 4 Hz,
roughness near 70 Hz. Only the ranges are taken from there; these numbers are physical, not perceptual.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage, signal

from otoscope.caption.acoustic.frames import ANALYSIS_RATE, ENVELOPE_STEP, HOP, Floats, Frames

COLUMNS = ("am_rate_hz", "am_depth", "am_prominence", "flutter", "roughness")

_SLOWEST_HZ = 0.7
_FASTEST_HZ = 150.0
_LEAST_STEPS = 100
_STEP_S = ENVELOPE_STEP / ANALYSIS_RATE


def measure(frames: Frames) -> dict[str, float]:
    """Return the modulation's columns; nothing where less than 250 ms sound."""
    relative = _relative_envelope(frames)
    if relative.size < _LEAST_STEPS:
        return {}
    amplitude, hz = _spectrum(relative)
    peak, prominence = _strongest(amplitude, hz, 2.0 / (relative.size * _STEP_S))
    return {
        "am_rate_hz": float(hz[peak]),
        "am_depth": float(min(amplitude[peak], 1.0)),
        "am_prominence": prominence,
        "flutter": _band_rms(relative, 4.0, 20.0),
        "roughness": _band_rms(relative, 30.0, 150.0),
    }


def _relative_envelope(frames: Frames) -> Floats:
    """Return e / mean(e) - 1 from the first to the last sounding frame (step,)."""
    if frames.silent:
        return np.zeros(0)
    place = np.flatnonzero(frames.sounding)
    steps = HOP // ENVELOPE_STEP
    heard = frames.envelope[place[0] * steps : (place[-1] + 1) * steps]
    relative: Floats = heard / heard.mean() - 1.0
    return relative


def _spectrum(relative: Floats) -> tuple[Floats, Floats]:
    """Return (amplitude, Hz) of the windowed envelope: a sine of depth m peaks at m."""
    window = np.hanning(relative.size + 2)[1:-1]
    size = 4 * fft.next_fast_len(relative.size)
    hz = fft.rfftfreq(size, _STEP_S)
    amplitude: Floats = 2.0 * np.abs(fft.rfft((relative - relative.mean()) * window, size)) / window.sum()
    return amplitude / np.sinc(hz * _STEP_S), hz


def _strongest(amplitude: Floats, hz: Floats, slowest_hz: float) -> tuple[int, float]:
    """Return the index of the slowest line within 20 % of the strongest, and how far it stands out."""
    inside = (hz >= max(slowest_hz, _SLOWEST_HZ)) & (hz <= _FASTEST_HZ)
    smooth = ndimage.median_filter(amplitude, 301, mode="nearest")
    contrast = np.where(inside, amplitude, 0.0)
    peaks = signal.find_peaks(contrast)[0]
    if not peaks.size:
        return int(contrast.argmax()), 1.0
    first = peaks[amplitude[peaks] >= 0.8 * amplitude[peaks].max()][0]
    around = (hz >= hz[first] / 2) & (hz <= hz[first] * 2)
    background = max(float(np.median(amplitude[around])), float(smooth[first]), 1e-9)
    return int(first), float(amplitude[first] / background)


def _band_rms(relative: Floats, low_hz: float, high_hz: float) -> float:
    hz = fft.rfftfreq(relative.size, _STEP_S)
    amplitude = 2.0 * np.abs(fft.rfft(relative)) / relative.size / np.sinc(hz * _STEP_S)
    inside = (hz >= low_hz) & (hz < high_hz)
    return float(np.sqrt(np.square(amplitude[inside]).sum() / 2.0))
