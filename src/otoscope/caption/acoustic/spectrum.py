"""How bright, how broad and how noisy is the sound?

With the power P(f) of a sounding frame, weighted over frames by the frame's amplitude (of long sounds every second,
third ... frame, so that 250 to 500 are looked at):

============================ =========================================================================
``centroid_hz``              sum f P / sum P: the spectrum's centre of gravity, the physical side of brightness
``bandwidth_hz``             sqrt( sum (f - centroid)^2 P / sum P )
``rolloff_hz``               frequency below which 85 % of the power lies
``low_share``                share of power below 250 Hz
``high_share``               share of power above 4 kHz
``flatness``                 geometric over arithmetic mean of P from 100 Hz to 9 kHz (Wiener entropy), 0 to 1
``noisiness``                the same within narrow bands, relative to what noise gives: 0 tones, 1 noise
``spectral_change``          1 - cosine of the spectra (1/3-octave amplitudes) 100 ms apart, 0 steady to 1
============================ =========================================================================

Flatness falls with any tilt, so coloured noise and tones are alike to it. ``noisiness`` therefore takes the
flatness in bands of 12 bins (234 Hz), each with the straight line through its logarithm taken out, weights bands by
their power, and divides by the mean that Gaussian noise gives: 0.658, by simulation (0.561 = exp(-0.5772) without
taking the line out, since a periodogram's values are exponentially distributed).

Reference: J. D. Johnston, 1988, "Transform coding of audio signals using perceptual noise criteria", IEEE JSAC 6(2)
(spectral flatness); G. Peeters, 2004, "A large set of audio features for sound description", IRCAM (centroid,
spread, roll-off).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from otoscope.caption.acoustic.frames import ANALYSIS_RATE, N_FFT, Floats, Frames

COLUMNS = (
    "centroid_hz",
    "bandwidth_hz",
    "rolloff_hz",
    "low_share",
    "high_share",
    "flatness",
    "noisiness",
    "spectral_change",
)

_NOISE_FLATNESS = 0.658
_BAND = 12
_BIN_HZ = ANALYSIS_RATE / N_FFT
_LOWEST_BIN = 2
_FLAT_BINS = slice(round(100 / _BIN_HZ), round(9000 / _BIN_HZ))
_CHANGE_FRAMES = 10
_MOST_FRAMES = 250


def measure(frames: Frames) -> dict[str, float]:
    """Return the spectrum's columns; nothing for a silent clip."""
    if frames.silent:
        return {}
    sounding = np.flatnonzero(frames.sounding)
    kept = sounding[:: max(1, sounding.size // _MOST_FRAMES)]
    power = frames.power[kept, _LOWEST_BIN:] + np.float32(1e-20)
    hz = frames.frequencies_hz[_LOWEST_BIN:].astype(np.float32)
    total = power.sum(1)
    weight = np.sqrt(total) / np.sqrt(total).sum()  # (frame,)
    share = power / total[:, None]
    centroid = share @ hz
    spread = np.sqrt(np.maximum(share @ np.square(hz) - np.square(centroid), 0))
    mean_share = weight @ share  # (frequency,)
    return {
        "centroid_hz": float(weight @ centroid),
        "bandwidth_hz": float(weight @ spread),
        "rolloff_hz": float(np.interp(0.85, np.cumsum(mean_share), hz)),
        "low_share": float(mean_share[hz < 250].sum()),
        "high_share": float(mean_share[hz > 4000].sum()),
        "flatness": float(weight @ _flatness(power[:, _FLAT_BINS])),
        "noisiness": float(weight @ _noisiness(power)),
        "spectral_change": _change(frames),
    }


def _flatness(power: Floats) -> Floats:
    """Return geometric over arithmetic mean along the last axis."""
    flat: Floats = np.exp(np.log(power).mean(-1)) / power.mean(-1)
    return flat


def _noisiness(power: Floats) -> Floats:
    """Return the power-weighted flatness within bands, relative to noise's, at most 1. (frame,)"""
    n_bands = power.shape[1] // _BAND
    bands = power[:, : n_bands * _BAND].reshape(len(power), n_bands, _BAND)  # (frame, band, bin)
    weight = bands.sum(2)
    found: Floats = np.minimum(
        (weight * _flatness(_level(bands))).sum(1) / weight.sum(1) / _NOISE_FLATNESS, 1.0
    )
    return found


def _level(bands: Floats) -> Floats:
    """Return the bands' power with the straight line through its logarithm taken out."""
    place = np.linspace(-1.0, 1.0, bands.shape[-1], dtype=np.float32)
    logarithm = np.log(bands)
    slope = (logarithm @ place) / (place @ place)
    levelled: Floats = np.exp(logarithm - slope[..., None] * place)
    return levelled


@cache
def _third_octaves() -> Floats:
    """Return (frequency, band): which bin belongs to which third of an octave above 100 Hz."""
    hz = np.arange(N_FFT // 2 + 1) * _BIN_HZ
    band = np.floor(3 * np.log2(np.maximum(hz, 1.0) / 100.0)).astype(int)
    return np.stack([band == one for one in range(20)], axis=1).astype(np.float32)


def _change(frames: Frames) -> float:
    """Return the mean of 1 - cosine between sounding frames 100 ms apart."""
    bands = np.sqrt(frames.power @ _third_octaves())  # (frame, band)
    both = frames.sounding[_CHANGE_FRAMES:] & frames.sounding[:-_CHANGE_FRAMES]
    if not both.any():
        return 0.0
    unit = bands / np.maximum(np.linalg.norm(bands, axis=1, keepdims=True), 1e-12)
    cosine = np.einsum("ij,ij->i", unit[_CHANGE_FRAMES:], unit[:-_CHANGE_FRAMES])
    return float(np.maximum(1.0 - cosine[both], 0.0).mean())
