"""A batch of equal-length windows, and how batches are joined and cut without changing a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import Failure


@dataclass(frozen=True)
class Batch:
    """Windows of one length.

    Attributes
    ----------
    rows : int64 (window,)
        Row of each window's clip.
    starts_s : float64 (window,)
        Where the window starts, from the start of the clip.
    keep_s : float64 (window, 2)
        The part of the clip, from and to, that the window answers for; the parts of a clip's windows
        partition the clip.
    durations_s : float64 (window,)
        Duration of the clip.
    waveforms : float32 (window, channel, time)
        The sound at the decoding's sample rate. It may be shared memory: copy before writing to it.
    lengths : int64 (window,)
        Samples of each window that are the clip's; the rest is padding.
    source_rates : int64 (window,)
        Sample rate of the clip's file in Hz.
    failures : tuple of Failure
        The clips that could not be decoded while this batch was being filled.
    """

    rows: NDArray[np.int64]
    starts_s: NDArray[np.float64]
    keep_s: NDArray[np.float64]
    durations_s: NDArray[np.float64]
    waveforms: NDArray[np.float32]
    lengths: NDArray[np.int64]
    source_rates: NDArray[np.int64]
    failures: tuple[Failure, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Channels and samples of every window."""
        return self.waveforms.shape[1], self.waveforms.shape[2]

    def part(self, start: int, stop: int) -> Batch:
        """Return the windows from ``start`` to ``stop`` as views, without failures."""
        return replace(self, **{name: getattr(self, name)[start:stop] for name in ARRAYS}, failures=())


ARRAYS = tuple(one.name for one in fields(Batch) if one.name != "failures")
"""The fields that hold one entry a window."""


def join(parts: Sequence[Batch]) -> Batch:
    """Return the windows and failures of ``parts`` in order; a single part is returned as it is.

    All parts that hold windows have one shape.
    """
    filled = [one for one in parts if len(one)] or list(parts[:1])
    failures = tuple(failure for one in parts for failure in one.failures)
    if len(filled) == 1:
        return replace(filled[0], failures=failures)
    joined = {name: np.concatenate([getattr(one, name) for one in filled]) for name in ARRAYS}
    return Batch(**joined, failures=failures)


def failed(failures: Sequence[Failure], n_channels: int = 1) -> Batch:
    """Return a batch without a window that carries ``failures``."""
    return Batch(
        rows=np.zeros(0, np.int64),
        starts_s=np.zeros(0),
        keep_s=np.zeros((0, 2)),
        durations_s=np.zeros(0),
        waveforms=np.zeros((0, n_channels, 0), np.float32),
        lengths=np.zeros(0, np.int64),
        source_rates=np.zeros(0, np.int64),
        failures=tuple(failures),
    )
