"""How loud is a clip, and how is it brought to a level?

Levels are in decibels relative to full scale (dBFS): 20 log10 of the root mean square or of the largest
magnitude, so a full-scale square wave has 0 dB of both and a full-scale sine -3.01 dB of RMS. Digital silence
has ``SILENCE_DB``.

A level belongs to a clip: it is taken over channels and time together, ``(channel, time)`` gives one number
and ``(clip, channel, time)`` one per clip (a plain ``(time,)`` works, too). numpy in, numpy out; torch in,
torch out, differentiable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from torch import Tensor

from otoscope.arrays import Array, like, to_tensor
from otoscope.errors import InputError, UnknownNameError

SILENCE_DB = -200.0
Normalisation = Literal["none", "peak", "rms", "signed-max"]
NORMALISATIONS: tuple[str, ...] = get_args(Normalisation)
Clipping = Literal["error", "scale", "clip"]
CLIPPING: tuple[str, ...] = get_args(Clipping)

FULL_SCALE = 1.0 + 2.0**-16
"""The largest magnitude that 16-bit integers round to their largest value."""


def rms_db(waveform: Array) -> Array:
    """Return the root-mean-square level of each clip in dBFS, at least ``SILENCE_DB``.

    Examples
    --------
    >>> float(rms_db(np.array([[0.1, -0.1]])))
    -20.0
    """
    power = to_tensor(waveform).square().mean(_axes(waveform))
    return like(10 * power.clamp_min(10 ** (SILENCE_DB / 10)).log10(), waveform)


def peak_db(waveform: Array) -> Array:
    """Return the level of the largest magnitude of each clip in dBFS, at least ``SILENCE_DB``."""
    peak = to_tensor(waveform).abs().amax(_axes(waveform))
    return like(20 * peak.clamp_min(10 ** (SILENCE_DB / 20)).log10(), waveform)


def normalise(waveform: Array, policy: str = "peak", target_db: float | None = None) -> Array:
    """Return each clip at a common level; digital silence stays as it is.

    Parameters
    ----------
    waveform : array or tensor, shape (channel, time) or (clip, channel, time) or (time,)
        All channels of a clip are multiplied by the same number.
    policy : {"none", "peak", "rms", "signed-max"}
        Leave it; bring the largest magnitude to ``target_db``; bring the RMS there (peaks may then exceed
        full scale); divide by the largest *signed* sample, as SpeechBrain's ESC-50 recipes do (a clip whose
        negative peak is larger then exceeds full scale, and one without a positive sample changes sign or
        stays).
    target_db : float, optional
        In dBFS; 0 for ``peak`` and -20 for ``rms`` where not given. Not for the others.

    Returns
    -------
    array or tensor, same shape and kind

    Raises
    ------
    UnknownNameError
        If the policy has another name.
    """
    if policy not in NORMALISATIONS:
        raise UnknownNameError.of("normalisation", policy, NORMALISATIONS)
    if target_db is not None and policy not in ("peak", "rms"):
        raise InputError(f"normalisation {policy!r} has no target level, got target_db={target_db}")
    if policy == "none":
        return waveform
    samples = to_tensor(waveform)
    default = -20.0 if policy == "rms" else 0.0
    target = 10 ** ((default if target_db is None else target_db) / 20)
    return like(samples * (target / _reference(samples, policy)), waveform)


def _reference(samples: Tensor, policy: str) -> Tensor:
    """Return the amplitude that is brought to the target, 1 where it is 0, with the reduced axes kept."""
    axes = _axes(samples)
    if policy == "rms":
        power = samples.square().mean(axes, keepdim=True)
        return power.where(power != 0, 1.0).sqrt()
    peak = (samples.abs() if policy == "peak" else samples).amax(axes, keepdim=True)
    return peak.where(peak != 0, 1.0)


@dataclass(frozen=True)
class Limited:
    """A waveform within full scale, and what that took.

    Attributes
    ----------
    waveform : ndarray
        Within +-1 (and a rounding error).
    gain : float
        What it was multiplied by; 1 unless it had to be scaled.
    n_clipped : int
        How many samples were cut off at full scale.
    """

    waveform: np.ndarray[Any, Any]
    gain: float = 1.0
    n_clipped: int = 0


def limit(waveform: np.ndarray[Any, Any], clipping: str = "error") -> Limited:
    """Return the waveform within full scale, by the named policy.

    Parameters
    ----------
    waveform : ndarray, any shape
        Finite.
    clipping : {"error", "scale", "clip"}
        For a waveform beyond full scale: refuse it, turn all of it down to a peak of 1, or cut off what is
        beyond.

    Returns
    -------
    Limited
        The waveform itself where nothing had to be done.

    Raises
    ------
    InputError
        If it exceeds full scale and the policy is ``error``.
    """
    if clipping not in CLIPPING:
        raise UnknownNameError.of("clipping policy", clipping, CLIPPING)
    peak = float(np.abs(waveform).max(initial=0.0))
    if peak <= FULL_SCALE:
        return Limited(waveform)
    if clipping == "scale":
        return Limited(waveform / peak, gain=1 / peak)
    n_beyond = int(np.count_nonzero(np.abs(waveform) > FULL_SCALE))
    if clipping == "error":
        raise InputError(
            f"{n_beyond} samples exceed full scale, the peak is {peak:.4g} ({20 * np.log10(peak):+.2f} dBFS); "
            "turn the sound down, or choose clipping='scale' or clipping='clip'"
        )
    return Limited(np.clip(waveform, -1.0, 1.0), n_clipped=n_beyond)


def _axes(waveform: Array) -> tuple[int, ...]:
    if waveform.ndim < 1 or 0 in waveform.shape:
        raise InputError(f"expected samples (..., channel, time), got shape {tuple(waveform.shape)}")
    return (-1,) if waveform.ndim == 1 else (-2, -1)
