"""How do the sounds begin and end, and do they come in a rhythm?

============================ =========================================================================
``onset_count``              sudden rises of level
``onset_rate_hz``            rises a second, over the time from the first to the last sounding frame
``attack_s``                 median time that the strongest events take from 10 to 90 % of their amplitude
``decay_s``                  median time that they take from 90 to 10 %
``rhythm_rate_hz``           rate at which the rises repeat
``rhythm_strength``          autocorrelation of the rises at that rate, 0 to 1 (1: strictly regular)
============================ =========================================================================

The rise r(t) is the increase of level, in dB, over the lowest of the last 30 ms, every 5 ms: the larger one of the
whole band (level over 20 ms) and of the band above 1 kHz (over 5 ms, the largest of 15 ms, which bridges the pulses
of a voice), both with everything more than 35 dB below the loudest level cut off. An onset is a local maximum of r of
at least :data:`ONSET_DB`, 40 ms or more from a larger one. Rhythm is the autocorrelation of r smoothed over 25 ms:
the shortest period whose peak is within 15 % of the highest, from 80 ms to 2.5 s.

The amplitudes of 10 and 90 % lie between the envelope's background (its 10th percentile) and the event's peak. An
event that is already there when the clip begins has no attack; one that the clip cuts off has no decay.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from otoscope.caption.acoustic.frames import ANALYSIS_RATE, ENVELOPE_STEP, HOP, Floats, Frames, decibels
from otoscope.caption.acoustic.silence import STANDS_OUT_DB, events

COLUMNS = ("onset_count", "onset_rate_hz", "attack_s", "decay_s", "rhythm_rate_hz", "rhythm_strength")

ONSET_DB = 6.0
"""A rise of at least this within 30 ms is an onset."""

_STEP = 100
_STEP_S = _STEP / ANALYSIS_RATE
_LOOK_BACK = 6
_APART = 8
_PULSE = 3
_CUT_OFF_DB = 35.0
_PERIODS = (16, 500)
_STRONGEST = 12
_STANDS_OUT = 10.0 ** (STANDS_OUT_DB / 20.0)
_EDGE = 8
_ENVELOPE_S = ENVELOPE_STEP / ANALYSIS_RATE


def measure(frames: Frames) -> dict[str, float]:
    """Return the columns of onsets, attack and rhythm; nothing for a silent clip, times only where defined."""
    if frames.silent:
        return {}
    rise = rises(frames)
    places = onset_places(rise)
    sounding = np.flatnonzero(frames.sounding)
    span_s = (sounding[-1] + 1 - sounding[0]) * HOP / ANALYSIS_RATE
    found = {"onset_count": float(places.size), "onset_rate_hz": float(places.size / max(span_s, 0.05))}
    return found | _flanks(frames) | _rhythm(rise, places.size)


def rises(frames: Frames) -> Floats:
    """Return r(t) in dB, every 5 ms (step,)."""
    bright = signal.sosfilt(_above_1khz(), frames.waveform)
    whole = _levels(frames.waveform, 4)
    high = ndimage.maximum_filter1d(_levels(bright, 1), _PULSE, mode="nearest")
    floor = whole.max() - _CUT_OFF_DB
    rise = np.maximum(_rise(np.maximum(whole, floor)), _rise(np.maximum(high, floor)))
    rise[: _LOOK_BACK + 2] = 0.0
    return rise


def onset_places(rise: Floats) -> NDArray[np.int64]:
    """Return the steps that hold an onset."""
    highest = ndimage.maximum_filter1d(rise, 2 * _APART + 1, mode="constant")
    places = np.flatnonzero((rise >= ONSET_DB) & (rise >= highest))
    apart = np.concatenate([[True], np.diff(places) > _APART]) if places.size else np.zeros(0, bool)
    kept: NDArray[np.int64] = places[apart]
    return kept


@cache
def _above_1khz() -> Floats:
    sections: Floats = signal.butter(2, 1000.0, "highpass", fs=ANALYSIS_RATE, output="sos")
    return sections


def _levels(waveform: Floats, width: int) -> Floats:
    """Return levels in dB every 5 ms, each over ``width`` steps."""
    n_steps = waveform.size // _STEP
    power = np.square(waveform[: n_steps * _STEP], dtype=np.float64).reshape(n_steps, _STEP).mean(1)
    return decibels(ndimage.uniform_filter1d(power, width, mode="nearest"))


def _rise(level: Floats) -> Floats:
    lowest = ndimage.minimum_filter1d(level, _LOOK_BACK + 1, origin=_LOOK_BACK // 2, mode="nearest")
    rise: Floats = level - lowest
    return rise


def _flanks(frames: Frames) -> dict[str, float]:
    """Return the median attack and decay of the strongest events."""
    envelope = ndimage.uniform_filter1d(frames.envelope, 3, mode="nearest")
    background = float(np.percentile(envelope, 10))
    if envelope.max() < _STANDS_OUT * background:
        return {}
    spans = events(frames) * (HOP // ENVELOPE_STEP)
    peaks = np.array([envelope[start:stop].max(initial=0.0) for start, stop in spans])
    times = [_flank_times(envelope, spans[one], background) for one in np.argsort(-peaks)[:_STRONGEST]]
    attacks, decays = ([one[side] for one in times if one[side] is not None] for side in (0, 1))
    found = {"attack_s": attacks, "decay_s": decays}
    return {name: float(np.median(np.array(ones))) for name, ones in found.items() if ones}


def _flank_times(
    envelope: Floats, span: NDArray[np.int64], background: float
) -> tuple[float | None, float | None]:
    """Return (attack, decay) of one event in seconds, None where a flank lies outside the clip."""
    start, stop = int(span[0]), min(int(span[1]), envelope.size)
    if stop <= start:
        return None, None
    low, high = (background + part * (envelope[start:stop].max() - background) for part in (0.1, 0.9))
    top = np.flatnonzero(envelope[start:stop] >= high) + start
    if not top.size:
        return None, None
    before, after = np.flatnonzero(envelope[: top[0]] < low), np.flatnonzero(envelope[top[-1] :] < low)
    attack = (top[0] - before[-1]) * _ENVELOPE_S if before.size and top[0] >= _EDGE else None
    decay = after[0] * _ENVELOPE_S if after.size and top[-1] < envelope.size - _EDGE else None
    return attack, decay


def _rhythm(rise: Floats, n_onsets: int) -> dict[str, float]:
    """Return rate and strength of the rhythm; nothing for fewer than three onsets."""
    if n_onsets < 3:
        return {}
    smooth = ndimage.uniform_filter1d(np.where(rise >= ONSET_DB / 2, rise, 0.0), 5, mode="constant")
    smooth = smooth - smooth.mean()
    spectrum = np.abs(fft.rfft(smooth, 2 * fft.next_fast_len(smooth.size))) ** 2
    correlation = fft.irfft(spectrum)[: smooth.size]
    longest = min(_PERIODS[1], smooth.size * 2 // 3)
    unbiased = correlation[:longest] / correlation[0] * smooth.size / (smooth.size - np.arange(longest))
    peaks = signal.find_peaks(unbiased[_PERIODS[0] - 1 :])[0] + _PERIODS[0] - 1
    if not peaks.size:
        return {}
    first = peaks[unbiased[peaks] >= 0.85 * unbiased[peaks].max()][0]
    strength = float(np.clip(unbiased[first], 0.0, 1.0))
    return {"rhythm_rate_hz": float(1.0 / (first * _STEP_S)), "rhythm_strength": strength}
