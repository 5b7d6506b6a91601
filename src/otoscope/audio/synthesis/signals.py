"""Build waveforms from parts: phases, harmonic sums, shaped noise, pulses at exact times, envelopes.

Everything is band-limited by construction: harmonic sums stop below the Nyquist frequency, noise is drawn in
the frequency domain, pulses are windowed sinc functions. Waveforms are float32 or float64 ``(time,)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from otoscope.audio.synthesis.spec import Waveform
from otoscope.errors import InputError

TOP = 0.95
"""Share of the Nyquist frequency up to which a component may lie."""

MAX_HARMONICS = 64

_HALF_WIDTH = 32
_FADE_S = 0.005


def seconds(sample_rate: int, duration_s: float) -> NDArray[np.float64]:
    """Return the time of each sample, seconds ``(time,)``."""
    return np.arange(max(1, round(duration_s * sample_rate))) / sample_rate


def require_below_nyquist(sample_rate: int, **frequencies_hz: float) -> None:
    """Raise unless each named frequency can be represented at ``sample_rate``.

    Raises
    ------
    InputError
        Naming the frequency, the highest one allowed, and the rate that would be enough.
    """
    for name, value in frequencies_hz.items():
        if not 0 < value <= TOP * sample_rate / 2:
            raise InputError(
                f"{name} = {value:g} Hz cannot be rendered at {sample_rate} Hz: it must lie in "
                f"(0, {TOP * sample_rate / 2:g}] Hz. Use a sample rate of at least {value * 2 / TOP:.0f} Hz."
            )


def phase(frequency_hz: ArrayLike, sample_rate: int, n_samples: int) -> NDArray[np.float64]:
    """Return the phase in radians ``(time,)`` of a frequency that is constant or given per sample."""
    frequency = np.broadcast_to(np.asarray(frequency_hz, dtype=np.float64), (n_samples,))
    turns = np.concatenate([[0.0], np.cumsum(frequency[:-1])]) / sample_rate
    return 2.0 * np.pi * (turns % 1.0)


def n_harmonics(highest_pitch_hz: float, sample_rate: int) -> int:
    """Return how many harmonics of a pitch fit below the Nyquist frequency (at most 64)."""
    return max(1, min(MAX_HARMONICS, int(TOP * sample_rate / 2 / highest_pitch_hz)))


def harmonic_sum(radians: NDArray[np.float64], amplitudes: ArrayLike) -> Waveform:
    """Return sum_k a_k sin(k * phase), evaluated as a polynomial in exp(i * phase) by Horner's rule.

    Parameters
    ----------
    radians : (time,) array
        Phase of the fundamental.
    amplitudes : (harmonic,) array
        a_1, a_2, ...; the caller keeps k * pitch below the Nyquist frequency.
    """
    turning = np.exp(1j * radians).astype(np.complex64)
    total = np.zeros_like(turning)
    for amplitude in np.asarray(amplitudes, dtype=np.float32)[::-1]:
        total += amplitude
        total *= turning
    return np.asarray(total.imag)


def shaped_noise(rng: np.random.Generator, n_samples: int, gain: NDArray[np.float64]) -> Waveform:
    """Return Gaussian noise ``(time,)`` of unit variance whose spectrum follows ``gain``.

    Parameters
    ----------
    gain : (frequency,) array
        Amplitude over :func:`noise_frequencies` of the same ``n_samples``.
    """
    pairs = rng.standard_normal((gain.size, 2), dtype=np.float32)
    spectrum = pairs.view(np.complex64)[:, 0] * gain.astype(np.float32)
    noise = fft.irfft(spectrum, n=fft.next_fast_len(n_samples, real=True))[:n_samples]
    return np.asarray(noise / (np.std(noise) + 1e-20))


def noise_frequencies(n_samples: int, sample_rate: int) -> NDArray[np.float64]:
    """Return the frequencies in hertz at which :func:`shaped_noise` takes its gain."""
    return np.asarray(fft.rfftfreq(fft.next_fast_len(n_samples, real=True), 1.0 / sample_rate))


def band_gain(frequency_hz: NDArray[np.float64], low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Return 1 inside [low_hz, high_hz] and 0 outside."""
    return ((frequency_hz >= low_hz) & (frequency_hz <= high_hz)).astype(np.float64)


def tilt_gain(frequency_hz: NDArray[np.float64], slope_db_per_octave: float) -> NDArray[np.float64]:
    """Return a gain of the given slope, 1 at 1 kHz and constant below 20 Hz."""
    octaves = np.log2(np.maximum(frequency_hz, 20.0) / 1000.0)
    return np.asarray(10.0 ** (slope_db_per_octave * octaves / 20.0))


def pulses(times_s: ArrayLike, gains: ArrayLike, n_samples: int, sample_rate: int) -> Waveform:
    """Return band-limited impulses ``(time,)`` at exact times between samples."""
    centre = np.atleast_1d(np.asarray(times_s, dtype=np.float64)) * sample_rate
    first = np.floor(centre).astype(np.int64) - _HALF_WIDTH + 1
    offset = first[:, None] + np.arange(2 * _HALF_WIDTH) - centre[:, None]  # (pulse, tap)
    window = 0.5 + 0.5 * np.cos(np.pi * offset / (_HALF_WIDTH + 1))
    taps = TOP * np.sinc(TOP * offset) * window * np.atleast_1d(np.asarray(gains))[:, None]
    return place(taps, first, n_samples)


def place(grains: NDArray[np.floating[Any]], first: NDArray[np.int64], n_samples: int) -> Waveform:
    """Return the sum of short waveforms ``(grain, tap)`` laid down at samples ``first`` ``(grain,)``."""
    where = first[:, None] + np.arange(grains.shape[1])
    inside = (where >= 0) & (where < n_samples)
    summed = np.bincount(where[inside], weights=grains[inside], minlength=n_samples)
    return summed.astype(np.float64)


def decay(times_s: ArrayLike, n_samples: int, sample_rate: int, attack_s: float, decay_s: float) -> Waveform:
    """Return the sum of envelopes that rise in ``attack_s`` at each time and fall by 60 dB in ``decay_s``."""
    length = max(2, round((attack_s + decay_s) * sample_rate))
    age = np.arange(length) / sample_rate
    rise = 0.5 - 0.5 * np.cos(np.pi * np.minimum(age / max(attack_s, 1.0 / sample_rate), 1.0))
    grain = rise * 10.0 ** (-3.0 * np.maximum(age - attack_s, 0.0) / decay_s)
    first = np.round(np.atleast_1d(np.asarray(times_s)) * sample_rate).astype(np.int64)
    return place(np.broadcast_to(grain, (first.size, length)), first, n_samples)


def slow_curve(rng: np.random.Generator, n_samples: int, sample_rate: int, rate_hz: float) -> Waveform:
    """Return a smooth random curve ``(time,)`` in [0, 1] that changes about ``rate_hz`` times a second."""
    knots = max(4, int(np.ceil(n_samples / sample_rate * rate_hz)) + 3)
    at = np.linspace(0.0, knots - 1.001, n_samples)
    left = at.astype(np.int64)
    blend = 0.5 - 0.5 * np.cos(np.pi * (at - left))
    values = rng.random(knots)
    return np.asarray(values[left] * (1.0 - blend) + values[left + 1] * blend)


def fade_edges(waveform: Waveform, sample_rate: int) -> Waveform:
    """Return the waveform with 5 ms raised-cosine fades at both ends."""
    length = min(round(_FADE_S * sample_rate), waveform.size // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(length, 1))
    faded = np.array(waveform, dtype=np.float32)
    faded[:length] *= ramp
    faded[faded.size - length :] *= ramp[::-1]
    return faded


def true_peak(waveform: Waveform, oversampling: int = 4) -> float:
    """Return the largest absolute value of the band-limited curve through the samples.

    The curve is evaluated at ``oversampling`` times the rate by zero-padding the spectrum (ITU-R BS.1770-5,
    annex 2, asks for four times at 48 kHz); it reads at most 0.7 dB low, for energy close to the Nyquist
    frequency, and is never below the largest sample.
    """
    size = fft.next_fast_len(waveform.size + 2 * _HALF_WIDTH, real=True)
    spectrum = fft.rfft(np.asarray(waveform, dtype=np.float32), n=size)
    finer = fft.irfft(spectrum, n=size * oversampling) * oversampling
    return float(max(np.abs(finer).max(initial=0.0), np.abs(waveform).max(initial=0.0)))
