"""Which channels of a recording are used?

``mix`` averages them (the level of a sound that is equal in all channels stays; one in opposite phase
vanishes), ``first`` takes channel 0, ``keep`` changes nothing. numpy in, numpy out; torch in, torch out.
"""

from __future__ import annotations

from typing import Literal, get_args

from otoscope.arrays import Array
from otoscope.errors import InputError, UnknownNameError

Channels = Literal["mix", "first", "keep"]
POLICIES: tuple[str, ...] = get_args(Channels)


def apply(waveform: Array, policy: str = "mix") -> Array:
    """Return the waveform with the channels that the policy asks for.

    Parameters
    ----------
    waveform : array or tensor, shape (..., channel, time)
        One clip or a batch.
    policy : {"mix", "first", "keep"}
        Mean of the channels, channel 0, or all of them.

    Returns
    -------
    array or tensor, shape (..., 1, time), or the input for ``keep``
        Same kind, dtype and device.

    Raises
    ------
    UnknownNameError
        If the policy has another name.
    InputError
        If there is no channel axis.

    Examples
    --------
    >>> import numpy as np
    >>> apply(np.array([[1.0, 0.0], [0.0, 1.0]]), "mix")
    array([[0.5, 0.5]])
    """
    if policy not in POLICIES:
        raise UnknownNameError.of("channel policy", policy, POLICIES)
    if waveform.ndim < 2 or waveform.shape[-2] < 1:
        raise InputError(f"expected a waveform (..., channel, time), got shape {tuple(waveform.shape)}")
    if policy == "keep" or waveform.shape[-2] == 1:
        return waveform
    if policy == "first":
        return waveform[..., :1, :]
    mixed: Array = waveform.mean(-2)[..., None, :]
    return mixed
