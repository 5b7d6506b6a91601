"""The clips that an ablation is judged on, as the network's features: decoded once, one window at a time.

Many sets of neurons are heard on each window, so windows come singly and the sets lie along the clip axis. What the
front end gives is kept in memory while it fits a stated bound (ESC-10's 80 test clips for the compact network: 5 MB;
AST: 0.5 MB a clip); beyond it each pass decodes again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.data.clips import Clips
from otoscope.data.decode import Batch, Decoding, batches
from otoscope.errors import EmptyDataError, Failure
from otoscope.models.audio_model import AudioModel
from otoscope.record.probe import device_of

_DECODED_AT_ONCE = 16


@dataclass(frozen=True)
class Window:
    """One window of a clip, as the net takes it.

    Attributes
    ----------
    row : int
        The clip's row.
    seconds : float
        How much of the clip it answers for: its weight in the clip's logits.
    features : tuple
        Arguments of the net: tensors with one clip, or None.
    """

    row: int
    seconds: float
    features: tuple[Tensor | None, ...]

    @property
    def n_bytes(self) -> int:
        """Memory that the features take."""
        return sum(one.numel() * one.element_size() for one in self.features if one is not None)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the features."""
        return tuple(tuple(one.shape) for one in self.features if one is not None)


class Hearing:
    """Windows of some clips, iterated again and again.

    Parameters
    ----------
    model : AudioModel
        In evaluation mode.
    clips : Clips
    rows : sequence of int
        Which clips, in this order; the windows of a clip follow each other.
    memory_bytes : int
        Most that is kept between passes; 0 keeps nothing.
    workers : int or None
        Decoding processes.

    Attributes
    ----------
    failures : dict of int to Failure
        Clips that could not be decoded, by row; known after the first pass.
    passes_decoded : int
        How often clips were decoded.
    """

    def __init__(
        self,
        model: AudioModel,
        clips: Clips,
        rows: Sequence[int] | NDArray[np.int64],
        *,
        memory_bytes: int,
        workers: int | None = 0,
    ) -> None:
        self._model, self._clips, self._workers = model, clips, workers
        self.rows = np.asarray(rows, dtype=np.int64)
        self._memory_bytes = memory_bytes
        self._kept: tuple[Window, ...] | None = None
        self.failures: dict[int, Failure] = {}
        self.passes_decoded = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Window]:
        if self._kept is not None:
            yield from self._kept
            return
        self.passes_decoded += 1
        kept: list[Window] | None = []
        size, heard = 0, False
        for window in self._decoded():
            heard, size = True, size + window.n_bytes
            kept = [*kept, window] if kept is not None and size <= self._memory_bytes else None
            yield window
        if not heard:
            reasons = "; ".join(f"{one.id}: {one.reason}" for one in [*self.failures.values()][:3])
            raise EmptyDataError(f"none of the {len(self.rows)} clips can be heard. {reasons}")
        self._kept = None if kept is None else tuple(kept)

    def _decoded(self) -> Iterator[Window]:
        decoding = Decoding(self._model.sample_rate, length=self._model.clip_length)
        stream = batches(
            self._clips, decoding, rows=self.rows, batch_size=_DECODED_AT_ONCE, workers=self._workers
        )
        for batch in stream:
            self.failures.update({one.row: one for one in batch.failures})
            if len(batch):
                yield from self._windows(batch)

    def _windows(self, batch: Batch) -> Iterator[Window]:
        device = device_of(self._model)
        with torch.inference_mode():
            waveform = torch.from_numpy(np.ascontiguousarray(batch.waveforms)).to(device)
            given: Any = self._model.features(waveform, torch.from_numpy(batch.lengths).to(device))
        parts = given if isinstance(given, tuple) else (given,)
        for place, (row, kept) in enumerate(zip(batch.rows, batch.keep_s, strict=True)):
            alone = tuple(None if one is None else one[place : place + 1].clone() for one in parts)
            yield Window(int(row), float(kept[1] - kept[0]), alone)
