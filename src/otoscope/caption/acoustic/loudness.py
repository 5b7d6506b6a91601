"""How loud is a clip as broadcast loudness (LUFS)?

    L = -0.691 + 10 log10( mean over gated blocks of the K-weighted mean square )

Blocks last 400 ms and overlap by 75 %. Blocks below -70 LUFS are left out, then those more than 10 LU below the
mean of the rest. The K-weighting is the two filters of the recommendation, evaluated at the frequencies of the
spectra instead of run in time.

Reference: ITU-R BS.1770-4 (2015), annex 1. Where we differ: spectra of 51 ms stand for the filtered signal (a 997
Hz sine of amplitude 1 still reads -3.01), one channel, nothing above 10 kHz, and a clip shorter than 400 ms is one
block.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import signal

from otoscope.caption.acoustic.frames import ANALYSIS_RATE, N_FFT, Floats, Frames, decibels

_BLOCK = 40
_STEP = 10
_ABSOLUTE_GATE = -70.0
_RELATIVE_GATE = -10.0
_SHELF = ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585])
_HIGH_PASS = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])
_FILTER_RATE = 48_000


@cache
def _k_weights() -> Floats:
    """Return the power gain of the K-weighting at each bin, times what turns a Hann spectrum into a mean square."""
    hz = np.arange(N_FFT // 2 + 1) * ANALYSIS_RATE / N_FFT
    gain = np.ones_like(hz)
    for numerator, denominator in (_SHELF, _HIGH_PASS):
        response = signal.freqz(numerator, denominator, worN=hz, fs=_FILTER_RATE)[1]
        gain *= np.abs(response) ** 2
    one_sided = np.full(hz.size, 2.0)
    one_sided[[0, -1]] = 1.0
    window_power = float(np.square(np.hanning(N_FFT + 1)[:-1]).sum())
    weights: Floats = gain * one_sided / (N_FFT * window_power)
    return weights


def loudness_lufs(frames: Frames) -> float:
    """Return the gated loudness in LUFS; -70 where nothing passes the gate."""
    mean_square = frames.power @ _k_weights().astype(np.float32)  # (frame,)
    if mean_square.size > _BLOCK:
        sums = np.concatenate([[0.0], np.cumsum(mean_square, dtype=np.float64)])
        starts = np.arange(0, mean_square.size - _BLOCK + 1, _STEP)
        blocks = (sums[starts + _BLOCK] - sums[starts]) / _BLOCK
    else:
        blocks = np.array([mean_square.mean()])
    blocks = blocks[decibels(blocks) - 0.691 > _ABSOLUTE_GATE]
    if not blocks.size:
        return _ABSOLUTE_GATE
    return _loudness(blocks[decibels(blocks) - 0.691 > _loudness(blocks) + _RELATIVE_GATE])


def _loudness(blocks: Floats) -> float:
    return float(decibels(blocks.mean())) - 0.691
