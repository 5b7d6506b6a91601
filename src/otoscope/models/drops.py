"""What is left when bands and stretches of a training clip are dropped? SpeechBrain's DropFreq and DropChunk.

* Bands: n filters, each a band stop around a frequency drawn evenly up to half the rate: 1 minus the difference of two
  low passes (sinc of 101 samples under a Blackman window), from f - w to f + w with w a share of half the rate.
* Stretches: n stretches of digital silence at random places.

Published ESC-50 recipes drop 1 to 3 bands of w = 0.05, then stretches, in 75 % of the clips. Their options for
stretches are swapped (1 to 5 samples long, 1,000 to 2,000 of them, where 1,000 to 2,000 samples and 1 to 5 stretches
were meant); the presets of :mod:`otoscope.models.train_presets` have them as published.

Reference: M. Ravanelli et al. (2021), SpeechBrain: a general-purpose speech toolkit, arXiv 2106.04624, section 4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.float32]
TAPS = 101


def drop_bands(
    waveform: Waveform, bands: tuple[int, int], half_width: float, rng: np.random.Generator
) -> Waveform:
    """Return a clip ``(time,)`` with random bands filtered out.

    Parameters
    ----------
    waveform : float32 (time,)
        The clip.
    bands : pair of int
        Fewest and most bands.
    half_width : float
        Of each band, as a share of half the rate.
    rng : numpy.random.Generator
        Draws number and places.
    """
    kernel = np.ones(1)
    for _ in range(int(rng.integers(bands[0], bands[1] + 1))):
        kernel = np.convolve(kernel, band_stop(float(rng.random()), half_width))
    if kernel.size == 1:
        return waveform
    size = waveform.size + kernel.size - 1
    filtered = np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(kernel, size), size)
    start = kernel.size // 2
    return filtered[start : start + waveform.size].astype(np.float32)


def band_stop(centre: float, half_width: float) -> NDArray[np.float64]:
    """Return the filter ``(101,)`` that stops a band, frequencies as shares of half the rate."""
    kernel = _low_pass(max(centre - half_width, 0.0)) - _low_pass(min(centre + half_width, 1.0))
    kernel[TAPS // 2] += 1.0
    return kernel


def _low_pass(cutoff: float) -> NDArray[np.float64]:
    at = np.arange(TAPS) - TAPS // 2
    kernel: NDArray[np.float64] = cutoff * np.sinc(cutoff * at) * np.blackman(TAPS)
    return kernel


def drop_chunks(
    waveform: Waveform, chunks: tuple[int, int], samples: tuple[int, int], rng: np.random.Generator
) -> Waveform:
    """Return a clip ``(time,)`` with random stretches set to zero.

    Parameters
    ----------
    waveform : float32 (time,)
        The clip; not changed.
    chunks : pair of int
        Fewest and most stretches.
    samples : pair of int
        Shortest and longest stretch.
    rng : numpy.random.Generator
        Draws number, lengths and places.
    """
    count = int(rng.integers(chunks[0], chunks[1] + 1))
    if not count:
        return waveform
    lengths = np.minimum(rng.integers(samples[0], samples[1] + 1, count), waveform.size)
    starts = (rng.random(count) * (waveform.size - lengths + 1)).astype(np.int64)
    edges = np.zeros(waveform.size + 1, np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + lengths, -1)
    kept: Waveform = np.where(np.cumsum(edges[:-1]) > 0, np.float32(0), waveform)
    return kept
