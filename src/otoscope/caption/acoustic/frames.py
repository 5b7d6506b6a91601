"""What every descriptor starts from: the waveform cut into frames, their spectra, levels and envelope.

One analysis rate for all clips, :data:`ANALYSIS_RATE` (20 kHz: 10 ms is a whole number of samples, and the band up to
10 kHz holds nearly all energy of everyday sound). Conventions: a frame every 10 ms; spectra of 51 ms (1024 samples,
periodic Hann window, centred on the frame), levels of 20 ms; levels in dB relative to full scale, where a sine of
amplitude 1 has -3.01 dB and silence :data:`FLOOR_DB`.

A frame is *sounding* where its level is within :data:`SOUNDING_RANGE_DB` of the loudest frame's and above
:data:`SILENCE_DB`. Spectral descriptors look at sounding frames only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Floats = NDArray[np.floating[Any]]

ANALYSIS_RATE = 20_000
"""Hz."""

HOP = 200
"""Samples from frame to frame: 10 ms."""

N_FFT = 1024
"""Samples of a spectrum: 51 ms."""

ENVELOPE_STEP = 50
"""Samples of an envelope value: 2.5 ms, so the envelope has 400 values a second."""

FLOOR_DB = -120.0
"""Level of nothing."""

SILENCE_DB = -65.0
"""A frame below this is silence, whatever else the clip holds."""

SOUNDING_RANGE_DB = 30.0
"""A frame more than this below the loudest one is a pause."""


@dataclass(frozen=True)
class Frames:
    """A clip as frames at the analysis rate.

    Attributes
    ----------
    waveform : float32 (time,)
        The sound, one channel.
    duration_s : float
        Seconds of it.
    power : float32 (frame, frequency)
        Squared magnitude of the spectra.
    frequencies_hz : float64 (frequency,)
        Centre of each bin.
    level_db : float64 (frame,)
        RMS of 20 ms.
    sounding : bool (frame,)
        Loud enough to be described.
    envelope : float64 (step,)
        Amplitude of the analytic signal, a value every 2.5 ms.
    """

    waveform: NDArray[np.float32]
    duration_s: float
    power: Floats
    frequencies_hz: Floats
    level_db: Floats
    sounding: NDArray[np.bool_]
    envelope: Floats

    @property
    def silent(self) -> bool:
        """Whether no frame sounds."""
        return not bool(self.sounding.any())


def analyse(waveform: NDArray[np.float32]) -> Frames:
    """Return the frames of a waveform float32 (time,) at :data:`ANALYSIS_RATE`. Cost O(time log n_fft)."""
    heard = waveform if waveform.size >= HOP else np.pad(waveform, (0, HOP - waveform.size))
    level = _level_db(heard)
    sounding = (level > level.max() - SOUNDING_RANGE_DB) & (level > SILENCE_DB)
    return Frames(
        waveform=heard,
        duration_s=waveform.size / ANALYSIS_RATE,
        power=_power(heard, level.size),
        frequencies_hz=np.arange(N_FFT // 2 + 1) * ANALYSIS_RATE / N_FFT,
        level_db=level,
        sounding=sounding,
        envelope=_envelope(heard),
    )


def decibels(power: Any) -> Floats:
    """Return 10 log10 of a power, no lower than :data:`FLOOR_DB`."""
    level: Floats = 10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR_DB / 10.0)))
    return level


def runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (run, 2): start and stop of each stretch of true values.

    Examples
    --------
    >>> runs(np.array([False, True, True, False, True])).tolist()
    [[1, 3], [4, 5]]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return edges.reshape(-1, 2)


def _level_db(waveform: NDArray[np.float32]) -> Floats:
    """Return the level of 20 ms around the middle of each 10 ms."""
    n_frames = waveform.size // HOP
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    middle = np.arange(n_frames) * HOP + HOP // 2
    start, stop = np.maximum(middle - HOP, 0), np.minimum(middle + HOP, waveform.size)
    return decibels((energy[stop] - energy[start]) / (stop - start))


def _power(waveform: NDArray[np.float32], n_frames: int) -> Floats:
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    padded = np.pad(waveform, (N_FFT // 2 - HOP // 2, N_FFT))
    cut = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP][:n_frames]  # (frame, n_fft)
    spectrum = fft.rfft(cut * window, axis=1)
    power: Floats = np.square(spectrum.real) + np.square(spectrum.imag)
    return power


def _envelope(waveform: NDArray[np.float32]) -> Floats:
    """Return the mean of |analytic signal| over each 2.5 ms."""
    size = fft.next_fast_len(waveform.size, real=True)
    spectrum = fft.rfft(waveform, size)
    gain = np.full(size, 0.0, np.float32)
    gain[1 : (size + 1) // 2] = 2.0
    gain[0] = 1.0
    if size % 2 == 0:
        gain[size // 2] = 1.0
    full = np.zeros(size, np.complex64)
    full[: spectrum.size] = spectrum
    analytic = fft.ifft(full * gain)[: waveform.size // ENVELOPE_STEP * ENVELOPE_STEP]
    envelope: Floats = np.abs(analytic).reshape(-1, ENVELOPE_STEP).mean(1, dtype=np.float64)  # (step,)
    return envelope
