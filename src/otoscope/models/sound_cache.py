"""Decode once, train for many epochs: the sound of a training set as 16-bit samples in a temporary file.

The file is memory-mapped, so a small set lies in RAM (400 clips of 5 s at 16 kHz: 64 MB) and a large one is read
from the disk as it is needed. Each clip has its own scale, the larger of 1 and its peak, so nothing is clipped;
the quantisation noise lies 98 dB below full scale. The file is removed when the cache is closed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.data.clips import Clips
from otoscope.data.decode import Batch, Decoding, batches
from otoscope.errors import EmptyDataError, Failure, StoreError
from otoscope.progress import track

_STEPS = 32767.0


@dataclass(frozen=True)
class SoundCache:
    """Mono waveforms of the clips that could be decoded.

    Attributes
    ----------
    rows : int64 (clip,)
        Rows of the clips in their table.
    starts : int64 (clip + 1,)
        Where each clip begins in ``samples``.
    scales : float32 (clip,)
        What a clip's samples are multiplied by.
    samples : int16 (sample,)
        All clips, one after the other.
    failures : tuple of Failure
        The clips that could not be decoded.
    folder : TemporaryDirectory
        Holds the file; removed with the cache.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    scales: NDArray[np.float32]
    samples: NDArray[np.int16]
    failures: tuple[Failure, ...]
    folder: tempfile.TemporaryDirectory[str]

    def __len__(self) -> int:
        return len(self.rows)

    def waveform(self, index: int) -> NDArray[np.float32]:
        """Return the whole waveform ``(time,)`` of the ``index``-th clip."""
        quantised = self.samples[self.starts[index] : self.starts[index + 1]]
        waveform: NDArray[np.float32] = quantised.astype(np.float32) * self.scales[index]
        return waveform

    def durations_s(self, sample_rate: int) -> NDArray[np.float64]:
        """Return the durations ``(clip,)`` in seconds."""
        return np.diff(self.starts) / sample_rate

    def close(self) -> None:
        """Remove the file."""
        self.folder.cleanup()


def decode_all(
    clips: Clips, rows: Sequence[int] | NDArray[np.int64], decoding: Decoding, workers: int
) -> SoundCache:
    """Return the decoded sound of ``rows``.

    Raises
    ------
    EmptyDataError
        If none of the clips can be decoded: the first reasons are named.
    StoreError
        If the temporary folder is full.
    """
    folder = tempfile.TemporaryDirectory(prefix="otoscope-sound-")
    path = Path(folder.name) / "samples.int16"
    with path.open("wb") as handle:
        stream = batches(clips, decoding, rows=rows, batch_size=1, workers=workers)
        written, failures = _fill(handle, track(stream, len(rows), "decoding"))
    if not written:
        reasons = "; ".join(f"{one.id}: {one.reason}" for one in failures[:3])
        raise EmptyDataError(f"none of the {len(rows)} clips to train on can be decoded. {reasons}")
    kept, lengths, scales = zip(*written)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    samples = np.memmap(path, dtype=np.int16, mode="r")
    return SoundCache(
        np.array(kept, np.int64), starts, np.array(scales, np.float32), samples, tuple(failures), folder
    )


def _fill(handle: Any, stream: Iterable[Batch]) -> tuple[list[tuple[int, int, float]], list[Failure]]:
    """Write the waveforms of one clip a batch; return (row, samples, scale) of each, and the failures."""
    written: list[tuple[int, int, float]] = []
    failures: list[Failure] = []
    for batch in stream:
        failures.extend(batch.failures)
        for row, waveform in zip(batch.rows, batch.waveforms[:, 0] if len(batch) else ()):
            scale = max(1.0, float(np.abs(waveform).max(initial=0.0))) / _STEPS
            _write(handle, np.rint(waveform / scale).astype(np.int16))
            written.append((int(row), waveform.size, scale))
    return written, failures


def _write(handle: Any, samples: NDArray[np.int16]) -> None:
    try:
        handle.write(samples.tobytes())
    except OSError as error:
        raise StoreError(
            f"cannot keep decoded sound in {tempfile.gettempdir()}: {error.strerror or error}. "
            "Set TMPDIR to a folder with more space."
        ) from error
