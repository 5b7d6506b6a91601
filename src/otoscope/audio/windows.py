"""Which stretches of a clip does a network hear, and for which seconds does each one answer?

A network takes clips of ``length_s``. A shorter clip is padded with zeros or repeated; a longer one is
cropped at its beginning or heard through windows that overlap. Windows start every ``length * (1 -
overlap)``; the last one is moved back so that it ends with the clip, hence no window of a long clip holds
padding.

Merging by time: every second of the clip is answered for by exactly one window. In an overlap the border lies
in its middle, so each window answers for its inner part, where it has context on both sides, and only the
first and the last reach the clip's edges. Padding is answered for by nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from otoscope.errors import InputError, UnknownNameError

SHORT = ("pad", "repeat")
LONG = ("crop", "windows")


@dataclass(frozen=True)
class ClipLength:
    """What length of sound a network takes, and what is done with other lengths.

    Attributes
    ----------
    length_s : float or None
        Seconds; None = every clip whole, as it is.
    short : {"pad", "repeat"}
        A shorter clip: zeros after it, or the clip again and again.
    long : {"crop", "windows"}
        A longer clip: its beginning only, or all of it through windows.
    overlap : float
        Share of a window that the next one hears again, in [0, 1).
    slack_s : float
        A clip longer than ``length_s`` by no more than this is cropped, not given one more window.
    """

    length_s: float | None = None
    short: Literal["pad", "repeat"] = "pad"
    long: Literal["crop", "windows"] = "windows"
    overlap: float = 0.5
    slack_s: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what no clip could be cut by."""
        if self.length_s is not None and not self.length_s > 0:
            raise InputError(f"length_s must be positive or None, got {self.length_s}")
        if self.short not in SHORT:
            raise UnknownNameError.of("policy for short clips", self.short, SHORT)
        if self.long not in LONG:
            raise UnknownNameError.of("policy for long clips", self.long, LONG)
        if not 0 <= self.overlap < 1:
            raise InputError(f"overlap must be in [0, 1), got {self.overlap}")
        if not self.slack_s >= 0:
            raise InputError(f"slack_s must not be negative, got {self.slack_s}")


@dataclass(frozen=True)
class Window:
    """One stretch of a clip, as a network hears it.

    Attributes
    ----------
    start_sample : int
        Where it begins in the clip.
    n_samples : int
        How long it is, padding included.
    n_valid : int
        How many of its samples, from the first on, are the clip's own.
    keep_start_s, keep_end_s : float
        The seconds of the clip it answers for.
    """

    start_sample: int
    n_samples: int
    n_valid: int
    keep_start_s: float
    keep_end_s: float


def plan(n_samples: int, sample_rate: int, policy: ClipLength) -> list[Window]:
    """Return the windows through which a clip is heard, in order of time.

    Parameters
    ----------
    n_samples : int
        Length of the clip.
    sample_rate : int
        In hertz.
    policy : ClipLength
        What the network takes.

    Returns
    -------
    list of Window
        At least one. All have the same ``n_samples``. Their kept spans follow on one another without gap and
        cover the clip (with ``crop``: the part that is heard).

    Raises
    ------
    InputError
        If there are no samples.

    Examples
    --------
    >>> policy = ClipLength(2.0, overlap=0.5)
    >>> [(w.start_sample, w.keep_start_s, w.keep_end_s) for w in plan(50, 10, policy)]
    [(0, 0.0, 1.5), (10, 1.5, 2.5), (20, 2.5, 3.5), (30, 3.5, 5.0)]
    """
    if n_samples < 1 or sample_rate < 1:
        raise InputError(f"expected samples at a positive rate, got {n_samples} samples at {sample_rate} Hz")
    length = n_samples if policy.length_s is None else max(1, round(policy.length_s * sample_rate))
    if n_samples <= length + policy.slack_s * sample_rate or policy.long == "crop":
        valid = min(n_samples, length)
        return [Window(0, length, valid, 0.0, valid / sample_rate)]
    starts = _starts(n_samples, length, policy.overlap)
    borders = [0.0, *((later + start + length) / 2 for start, later in pairwise(starts)), n_samples]
    return [
        Window(start, length, length, begin / sample_rate, end / sample_rate)
        for start, (begin, end) in zip(starts, pairwise(borders))
    ]


def _starts(n_samples: int, length: int, overlap: float) -> list[int]:
    hop = max(1, round(length * (1 - overlap)))
    regular = range(0, n_samples - length, hop)
    return [*regular, n_samples - length]


def fit(waveform: np.ndarray[Any, Any], n_samples: int, short: str = "pad") -> np.ndarray[Any, Any]:
    """Return exactly ``n_samples``: the beginning of a longer waveform, a shorter one padded or repeated.

    Parameters
    ----------
    waveform : ndarray, shape (..., time)
        At least one sample.
    n_samples : int
        Wanted length.
    short : {"pad", "repeat"}
        Zeros after it, or the waveform again and again.

    Returns
    -------
    ndarray, shape (..., n_samples)
        A view where nothing had to be added.
    """
    if short not in SHORT:
        raise UnknownNameError.of("policy for short clips", short, SHORT)
    have = waveform.shape[-1]
    if have == 0:
        raise InputError(f"cannot fill {n_samples} samples from none")
    if have >= n_samples:
        return waveform[..., :n_samples]
    if short == "repeat":
        return np.tile(waveform, -(-n_samples // have))[..., :n_samples]
    return np.pad(waveform, [(0, 0)] * (waveform.ndim - 1) + [(0, n_samples - have)])


def cut(waveform: np.ndarray[Any, Any], window: Window, short: str = "pad") -> np.ndarray[Any, Any]:
    """Return what a network hears through one window.

    Parameters
    ----------
    waveform : ndarray, shape (..., time)
        The whole clip.
    window : Window
        From :func:`plan` for this clip's length.
    short : {"pad", "repeat"}
        How the samples after ``n_valid`` are filled.

    Returns
    -------
    ndarray, shape (..., window.n_samples)
        A view where nothing had to be added.
    """
    heard = waveform[..., window.start_sample : window.start_sample + window.n_valid]
    return fit(heard, window.n_samples, short)


def kept(
    window: Window, sample_rate: int, n_positions: int, *, stride_s: float, offset_s: float
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which positions in time of a layer's output the window answers for.

    Position ``i`` has its centre at ``offset_s + i * stride_s`` from the window's beginning; it is kept if
    the centre lies in ``[keep_start_s, keep_end_s)``, so each moment of a clip is counted once. A window
    whose positions are too coarse for its span keeps the one nearest to the middle of the span.

    Parameters
    ----------
    window : Window
        From :func:`plan`.
    sample_rate : int
        In hertz.
    n_positions : int
        How many positions in time the layer has.
    stride_s, offset_s : float
        The layer's geometry, in seconds.

    Returns
    -------
    ndarray of bool, shape (n_positions,)
        At least one is True where there are positions.
    """
    centres = window.start_sample / sample_rate + offset_s + np.arange(n_positions) * stride_s
    inside = (centres >= window.keep_start_s) & (centres < window.keep_end_s)
    if n_positions and not inside.any():
        middle = (window.keep_start_s + window.keep_end_s) / 2
        inside[np.abs(centres - middle).argmin()] = True
    return inside
