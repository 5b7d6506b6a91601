"""The same sound at another sample rate.

By the SoX resampler (soxr), band-limited with linear phase, its quality named: ``QQ`` (cubic), ``LQ`` (16
bit, 80 % of the band kept), ``MQ`` (16 bit), ``HQ`` (20 bit, the default) and ``VHQ`` (28 bit). The result
has ``round(n * to / from)`` samples, and at least one. A waveform that touches full scale may exceed it
afterwards, as the curve between its samples does; nothing is clipped.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import soxr

from otoscope.audio.read import Waveform
from otoscope.errors import InputError, UnknownNameError

Quality = Literal["HQ", "VHQ", "MQ", "LQ", "QQ"]
QUALITIES: tuple[str, ...] = get_args(Quality)


def resample(waveform: np.ndarray[Any, Any], from_hz: int, to_hz: int, quality: str = "HQ") -> Waveform:
    """Return the waveform at another sample rate.

    Parameters
    ----------
    waveform : ndarray, shape (..., time)
        One channel, or channels before the time axis.
    from_hz, to_hz : int
        Sample rates in hertz.
    quality : {"HQ", "VHQ", "MQ", "LQ", "QQ"}
        soxr's recipe.

    Returns
    -------
    ndarray of float32, shape (..., round(time * to_hz / from_hz))
        At least one sample; the input itself (as float32) where the rates are equal.

    Raises
    ------
    UnknownNameError
        If the quality has another name.
    InputError
        If a rate is not positive or there are no samples.

    Examples
    --------
    >>> import numpy as np
    >>> resample(np.zeros((2, 44100)), 44100, 16000).shape
    (2, 16000)
    """
    if quality not in QUALITIES:
        raise UnknownNameError.of("resampling quality", quality, QUALITIES)
    if from_hz <= 0 or to_hz <= 0:
        raise InputError(f"sample rates must be positive, got {from_hz} Hz -> {to_hz} Hz")
    if waveform.ndim < 1 or waveform.size == 0:
        raise InputError(f"expected samples (..., time), got shape {waveform.shape}")
    waveform = np.asarray(waveform, np.float32)
    if from_hz == to_hz:
        return waveform
    *outer, n_samples = waveform.shape
    by_time = np.ascontiguousarray(waveform.reshape(-1, n_samples).T)  # (time, channel)
    changed = soxr.resample(by_time, from_hz, to_hz, quality=quality)
    wanted = max(1, round(n_samples * to_hz / from_hz))
    return np.ascontiguousarray(_exactly(changed, wanted).T).reshape(*outer, wanted)


def _exactly(by_time: np.ndarray[Any, Any], wanted: int) -> Waveform:
    """Return ``wanted`` rows: soxr's own rounding may differ by one, and is zero for a single sample."""
    missing = wanted - len(by_time)
    if missing <= 0:
        return by_time[:wanted]
    return np.pad(by_time, ((0, missing), (0, 0)))
