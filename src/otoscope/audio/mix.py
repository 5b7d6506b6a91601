"""One sound under another, or two at once, at a stated signal-to-noise ratio.

    mix = signal + g noise,    g = sqrt( sum(signal^2) / sum(noise^2) ) 10^(-SNR / 20)

with the sums over channels and time of a clip. The signal keeps its level; the mix may exceed full scale.
Scaling the mix does not change its SNR, so published recipes that scale both parts first are this one times a
constant: s / |s| + n / |n| (SpeechBrain's WHAM!) is 0 dB, 0.8 s / |s| + 0.2 n / |n| is 12.04 dB.

Where both sounds matter, :func:`overlap_at_snr` keeps the parts as they stand in the mix, so that energy can be told to
belong to the one or the other. :func:`overlap_by_peak` is the published overlap of L2I (J. Parekh et al., Listen to
Interpret, NeurIPS 2022, its code): x / max(x) + lambda y / max(y) with the *signed* maxima. Its ratio of peaks is
-20 log10(lambda) dB; the ratio of energies is whatever the two sounds make of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from otoscope.arrays import Array, like, to_tensor
from otoscope.errors import InputError


@dataclass(frozen=True)
class Overlap:
    """Two sounds at once.

    Attributes
    ----------
    mix : array (channel, time) or (time,)
        ``first + second``.
    first, second : array, same shape
        The parts as they stand in the mix.
    snr_db : float
        Energy of the first above that of the second, over the whole clip.
    """

    mix: np.ndarray[Any, Any]
    first: np.ndarray[Any, Any]
    second: np.ndarray[Any, Any]
    snr_db: float


def overlap_at_snr(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any], snr_db: float) -> Overlap:
    """Return ``first`` at its own level with ``second`` at ``snr_db`` below it.

    Parameters
    ----------
    first, second : array, shape (channel, time) or (time,), one shape
    snr_db : float
        As in :func:`mix_at_snr`; negative: the second one is the louder.

    Raises
    ------
    InputError
        If the shapes differ or one is digital silence.
    """
    mixed = mix_at_snr(first, second, snr_db)
    return Overlap(mixed, first, mixed - first, snr_db)


def overlap_by_peak(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any], weight: float) -> Overlap:
    """Return x / max(x) + weight y / max(y), signed maxima, as L2I's overlap experiment has it.

    Parameters
    ----------
    first, second : array, shape (channel, time) or (time,), one shape
    weight : float
        Above 0.

    Returns
    -------
    Overlap
        The mix is not brought to full scale, as published; ``snr_db`` is the ratio of energies that came of it.

    Raises
    ------
    InputError
        If the shapes differ, the weight is not positive, or a sound has no positive sample.
    """
    if first.shape != second.shape:
        raise InputError(f"both sounds must have one shape, got {first.shape} and {second.shape}")
    if not weight > 0 or first.max() <= 0 or second.max() <= 0:
        raise InputError(
            f"each sound needs a positive sample and the weight must be above 0; got maxima {first.max():g} and "
            f"{second.max():g}, weight {weight:g}"
        )
    one, other = first / first.max(), weight * second / second.max()
    ratio = 10 * np.log10(np.square(one, dtype=np.float64).sum() / np.square(other, dtype=np.float64).sum())
    return Overlap(one + other, one, other, float(ratio))


def mix_at_snr(signal: Array, noise: Array, snr_db: float) -> Array:
    """Return the signal with the noise under it.

    Parameters
    ----------
    signal : array or tensor, shape (channel, time) or (clip, channel, time) or (time,)
        What keeps its level.
    noise : array or tensor, same shape
        What is scaled; see :func:`otoscope.audio.windows.fit` for its length.
    snr_db : float
        Level of the signal above the noise in decibels.

    Returns
    -------
    array or tensor, same shape and kind as ``signal``
        Differentiable.

    Raises
    ------
    InputError
        If the shapes differ, or a clip of either is digital silence: then there is no ratio.

    Examples
    --------
    >>> import numpy as np
    >>> mix_at_snr(np.array([1.0, -1.0]), np.array([5.0, 5.0]), 20.0)
    array([ 1.1, -0.9])
    """
    if signal.shape != noise.shape:
        raise InputError(f"signal and noise must have one shape, got {signal.shape} and {noise.shape}")
    s, n = to_tensor(signal), to_tensor(noise)
    axes = (-1,) if s.ndim == 1 else (-2, -1)
    signal_energy, noise_energy = (x.square().sum(axes, keepdim=True) for x in (s, n))
    for name, energy in (("signal", signal_energy), ("noise", noise_energy)):
        if bool((energy == 0).any()):
            raise InputError(f"the {name} is digital silence: there is no signal-to-noise ratio")
    gain = (signal_energy / noise_energy).sqrt() * 10 ** (-snr_db / 20)
    return like(s + gain * n, signal)
