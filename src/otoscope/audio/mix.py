"""One sound under another, at a stated signal-to-noise ratio.

    mix = signal + g noise,    g = sqrt( sum(signal^2) / sum(noise^2) ) 10^(-SNR / 20)

with the sums over channels and time of a clip. The signal keeps its level; the mix may exceed full scale.
Scaling the mix does not change its SNR, so published recipes that scale both parts first are this one times a
constant: s / |s| + n / |n| (SpeechBrain's WHAM!) is 0 dB, 0.8 s / |s| + 0.2 n / |n| is 12.04 dB.
"""

from __future__ import annotations

from otoscope.arrays import Array, like, to_tensor
from otoscope.errors import InputError


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
