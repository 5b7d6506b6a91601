"""Does the sound have a pitch, how high is it, and how does it move?

================================ =====================================================================
``pitched_share``                share of the sounding frames' amplitude that has a pitch
``pitch_confidence``             mean periodicity of the sounding frames, weighted by amplitude, 0 to 1
``pitch_hz``                     median pitch of the pitched frames
``pitch_range_semitones``        90th minus 10th percentile of the pitch
``pitch_slope_semitones_per_s``  slope of the pitch within pitched stretches, mean weighted by their length
``pitch_sweep_semitones``        median over stretches of how far the pitch travels, signed
``vibrato_rate_hz``              rate at which the pitch of the longest stretch wavers
``vibrato_depth_semitones``      amplitude of that
================================ =====================================================================

Pitch, from 36 Hz, comes every 20 ms from the cumulative-mean-normalised difference function d'(lag) over 32 ms: the
first lag whose minimum is below :data:`CLEAR_DIP`, else the lowest one, refined by a parabola; periodicity is 1 - d'.
Above 2 kHz, where a lag is only a few samples, the strongest spectral line counts instead, if it holds half of the
frame's power. A frame is pitched where its periodicity is at least :data:`PERIODIC` and a neighbour has the same
pitch within two semitones.

Reference: A. de Cheveigne, H. Kawahara, 2002, "YIN, a fundamental frequency estimator for speech and music", JASA
111(4), equations 6-8. Where we differ: no search in neighbouring frames (their step 6); spectral lines above 2 kHz.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from otoscope.caption.acoustic.frames import ANALYSIS_RATE, HOP, N_FFT, Floats, Frames, runs

COLUMNS = (
    "pitched_share",
    "pitch_confidence",
    "pitch_hz",
    "pitch_range_semitones",
    "pitch_slope_semitones_per_s",
    "pitch_sweep_semitones",
    "vibrato_rate_hz",
    "vibrato_depth_semitones",
)

CLEAR_DIP = 0.15
"""d' below which the first minimum is taken (YIN's threshold is 0.1 to 0.15)."""

PERIODIC = 0.7
"""Least periodicity of a pitched frame."""

_EVERY = 2
_STEP_S = _EVERY * HOP / ANALYSIS_RATE
_WINDOW = 640
_LONGEST_LAG = 560
_FFT = fft.next_fast_len(_WINDOW + _LONGEST_LAG, real=True)
_SHORTEST_LAG = 8
_LINE_HZ = 2000.0
_LINE_SHARE = 0.5
_SAME_SEMITONES = 2.0
_STRETCH = 4
_VIBRATO_STRETCH = 25
_VIBRATO_HZ = (0.8, 12.0)


def measure(frames: Frames) -> dict[str, float]:
    """Return the pitch's columns; those of the pitch itself are absent where nothing is pitched."""
    if frames.silent:
        return {}
    pitch_hz, periodicity, pitched = track(frames)
    amplitude = 10.0 ** (frames.level_db[::_EVERY] / 20.0) * frames.sounding[::_EVERY]
    if not amplitude.any():
        return {}
    found = {
        "pitched_share": float(amplitude @ pitched / amplitude.sum()),
        "pitch_confidence": float(amplitude @ periodicity / amplitude.sum()),
    }
    if not pitched.any():
        return found
    semitones = 12.0 * np.log2(pitch_hz)
    low, middle, high = np.percentile(semitones[pitched], [10, 50, 90])
    found |= {"pitch_hz": float(2.0 ** (middle / 12.0)), "pitch_range_semitones": float(high - low)}
    return found | _movement(semitones, pitched) | _vibrato(semitones, pitched)


def track(frames: Frames) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return pitch in Hz, periodicity, and whether pitched, every 20 ms: three arrays (step,)."""
    difference = _difference(frames)
    lag = _chosen_lags(difference)
    lag_hz, periodicity = _refined(difference, lag)
    line_hz, line_share = _strongest_line(frames)
    use_line = (line_hz > _LINE_HZ) & (line_share > _LINE_SHARE) & (lag_hz < line_hz / 1.5)
    pitch_hz = np.where(use_line, line_hz, lag_hz)
    periodicity = np.where(use_line, np.maximum(periodicity, line_share**0.25), periodicity)
    steady = _steady(12.0 * np.log2(pitch_hz))
    return pitch_hz, periodicity, (periodicity >= PERIODIC) & steady & frames.sounding[::_EVERY]


def _difference(frames: Frames) -> Floats:
    """Return d'(lag) (step, lag), d' = 1 at lag 0."""
    n_steps = (frames.level_db.size + _EVERY - 1) // _EVERY
    size, wave = _WINDOW + _LONGEST_LAG, frames.waveform - frames.waveform.mean()
    padded = np.pad(wave, (size // 2 - HOP // 2, size + _EVERY * HOP))
    cut = np.lib.stride_tricks.sliding_window_view(padded, size)[:: _EVERY * HOP][:n_steps]  # (step, time)
    whole = fft.rfft(cut, _FFT, axis=1)
    first = fft.rfft(cut[:, :_WINDOW], _FFT, axis=1)
    product = fft.irfft(whole * first.conj(), _FFT, axis=1)[:, : _LONGEST_LAG + 1]
    energy = np.concatenate([[0.0], np.cumsum(np.square(padded, dtype=np.float64))])
    lags = np.arange(_LONGEST_LAG + 1)
    place = np.arange(n_steps)[:, None] * _EVERY * HOP + lags  # (step, lag)
    power = energy[place + _WINDOW] - energy[place]  # (step, lag)
    raw = np.maximum(power[:, :1] + power - 2.0 * product, 0.0)
    mean = np.cumsum(raw[:, 1:], axis=1) / lags[1:]
    normalised = raw[:, 1:] / np.maximum(mean, 1e-12 + 1e-6 * power[:, :1])
    return np.concatenate([np.ones((n_steps, 1)), normalised], axis=1)


def _chosen_lags(difference: Floats) -> NDArray[np.int64]:
    """Return the first clear local minimum of each row, else the lowest. (step,)"""
    inner = difference[:, _SHORTEST_LAG:-1]
    dip = (inner <= difference[:, _SHORTEST_LAG - 1 : -2]) & (inner < difference[:, _SHORTEST_LAG + 1 :])
    clear = dip & (inner < CLEAR_DIP)
    lowest = np.where(dip, inner, np.inf).argmin(axis=1)
    lag: NDArray[np.int64] = np.where(clear.any(axis=1), clear.argmax(axis=1), lowest) + _SHORTEST_LAG
    return lag


def _refined(difference: Floats, lag: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return (Hz, periodicity) at the vertex of the parabola through the lag and its neighbours."""
    row = np.arange(lag.size)
    before, at, after = (difference[row, lag + one] for one in (-1, 0, 1))
    curvature = np.maximum(before - 2.0 * at + after, 1e-12)
    shift = np.clip(0.5 * (before - after) / curvature, -0.5, 0.5)
    return ANALYSIS_RATE / (lag + shift), np.clip(1.0 - at, 0.0, 1.0)


def _strongest_line(frames: Frames) -> tuple[Floats, Floats]:
    """Return (Hz, share of the frame's power within two bins) of the strongest spectral line."""
    power = frames.power[::_EVERY]
    row, peak = np.arange(len(power)), np.clip(power[:, 2:-2].argmax(axis=1) + 2, 2, power.shape[1] - 3)
    near = np.stack([power[row, peak + one] for one in range(-2, 3)])  # (5, step)
    before, at, after = np.log(near[1:4] + 1e-20)
    shift = 0.5 * (before - after) / np.minimum(before - 2.0 * at + after, -1e-9)
    share = near.sum(0) / (power.sum(1) + 1e-20)
    return (peak + np.clip(shift, -0.5, 0.5)) * ANALYSIS_RATE / N_FFT, share


def _steady(semitones: Floats) -> NDArray[np.bool_]:
    """Return where the step before or after has the same pitch within two semitones."""
    near = np.abs(np.diff(semitones)) < _SAME_SEMITONES
    steady: NDArray[np.bool_] = np.concatenate([[False], near]) | np.concatenate([near, [False]])
    return steady


def _stretches(semitones: Floats, pitched: NDArray[np.bool_], least: int) -> list[Floats]:
    """Return the pitch within stretches of at least ``least`` steps that do not jump."""
    jump = np.concatenate([[False], np.abs(np.diff(semitones)) >= 2 * _SAME_SEMITONES])
    spans = [part for start, stop in runs(pitched) for part in _split(semitones, jump, start, stop)]
    return [one for one in spans if one.size >= least]


def _split(semitones: Floats, jump: NDArray[np.bool_], start: Any, stop: Any) -> list[Floats]:
    cuts = np.flatnonzero(jump[start:stop])
    return np.split(semitones[start:stop], cuts[cuts > 0])


def _movement(semitones: Floats, pitched: NDArray[np.bool_]) -> dict[str, float]:
    spans = _stretches(semitones, pitched, _STRETCH)
    if not spans:
        return {}
    lengths = np.array([one.size for one in spans], dtype=np.float64)
    smooth = [ndimage.median_filter(one, 3, mode="nearest") for one in spans]
    slopes = np.array([np.polyfit(np.arange(one.size) * _STEP_S, one, 1)[0] for one in smooth])
    sweeps = [float(one[-1] - one[0]) for one in smooth]
    return {
        "pitch_slope_semitones_per_s": float(np.average(slopes, weights=lengths)),
        "pitch_sweep_semitones": float(np.median(sweeps)),
    }


def _vibrato(semitones: Floats, pitched: NDArray[np.bool_]) -> dict[str, float]:
    """Return rate and depth of the strongest line in the longest stretch's pitch, its slope removed."""
    spans = _stretches(semitones, pitched, _VIBRATO_STRETCH)
    if not spans:
        return {}
    longest = max(spans, key=len)
    place = np.arange(longest.size)
    window = np.hanning(longest.size + 2)[1:-1]
    rest = longest - np.polyval(np.polyfit(place, longest, 1), place)
    size = 8 * fft.next_fast_len(longest.size)
    amplitude = 2.0 * np.abs(fft.rfft(rest * window, size)) / window.sum()
    hz = fft.rfftfreq(size, _STEP_S)
    inside = (hz >= max(_VIBRATO_HZ[0], 1.5 / (longest.size * _STEP_S))) & (hz <= _VIBRATO_HZ[1])
    peak = np.where(inside, amplitude, 0.0).argmax()
    return {"vibrato_rate_hz": float(hz[peak]), "vibrato_depth_semitones": float(amplitude[peak])}
