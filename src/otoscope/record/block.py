"""One block of clips: what its forward passes gave, gathered row by row, then written and summed up.

A clip heard through several windows stays open until its last window has come. A clip with a value that is not
finite in any layer is a failure: it is left out of every layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from otoscope.data.decode import Batch
from otoscope.errors import Failure
from otoscope.record import moments
from otoscope.record.event_blocks import EventBlock
from otoscope.record.merge_windows import merge, place
from otoscope.record.probe import ProbedLayer
from otoscope.record.ranking import Floor
from otoscope.record.ranks import Ranks
from otoscope.record.reduce import Reduction, take
from otoscope.record.summary import LayerSummary, Ranked, Summary, histogram, no_ranks
from otoscope.work.blocks import Block

Reductions = tuple[Reduction, ...]


@dataclass(frozen=True)
class Keeping:
    """What is kept of a block.

    Attributes
    ----------
    top_k : int
        Ranked clips per neuron and pole.
    trace_bins : tuple of int
        Length of a trace, one a layer.
    pooling : str
        How positions became values.
    seed : int
        Decides among equal values.
    windowed : bool
        Whether long clips come in several windows.
    slack_s : float
        Seconds at a clip's end that no window answers for.
    """

    top_k: int
    trace_bins: tuple[int, ...]
    pooling: str
    seed: int
    windowed: bool
    slack_s: float


@dataclass
class _Open:
    """A clip whose windows are still coming."""

    row: int
    reductions: Reductions


class BlockRows:
    """The growing content of one block.

    Parameters
    ----------
    block : Block
        Its rows.
    layers : sequence of ProbedLayer
        The recorded layers.
    first_neurons : sequence of int
        Global number of each layer's neuron 0.
    keeping : Keeping
        What is kept.
    events : EventBlock, optional
        Takes the counts by event.
    floors : tuple of Floor, optional
        What blocks before this one leave to be exceeded, see :class:`~otoscope.record.ranks.Floors`.
    """

    def __init__(
        self,
        block: Block,
        layers: Sequence[ProbedLayer],
        first_neurons: Sequence[int],
        keeping: Keeping,
        events: EventBlock | None = None,
        floors: tuple[Floor, ...] | None = None,
    ) -> None:
        n_rows = block.stop - block.start
        self.block, self._layers, self._first, self._keeping = block, layers, first_neurons, keeping
        self.pooled = [np.full((n_rows, one.n_neurons), np.nan, np.float32) for one in layers]
        self.positives = [np.zeros((n_rows, one.n_neurons), np.uint32) for one in layers]
        self.positions = np.zeros((n_rows, len(layers)), np.uint32)
        self.failures: list[Failure] = []
        self.events = events
        self.ranks: Ranks | None = None
        self._floors = floors
        self._heard: dict[int, tuple[float, int]] = {}
        self._dropped: set[int] = set()
        self._open: _Open | None = None

    def unfinished(self, batch: Batch) -> Tensor | None:
        """Return which windows of a batch ``(window,)`` do not answer for their whole clip; None: all do."""
        parts = [windows for windows in _runs(batch.rows) if not self._is_whole(batch, windows)]
        if not parts:
            return None
        found = torch.zeros(len(batch.rows), dtype=torch.bool)
        found[np.concatenate(parts)] = True
        return found

    def floors(self) -> tuple[Floor | None, ...]:
        """Return what values must exceed to be ranked now, one a layer; None: there is no such thing yet."""
        if self.ranks is None:
            return self._floors or (None,) * len(self._layers)
        return self.ranks.floors()

    def fail(self, failures: Sequence[Failure]) -> None:
        """Count clips that could not be used."""
        self.failures.extend(failures)

    @property
    def all_failed_in_network(self) -> bool:
        """Whether the network failed on clips of this block and on none succeeded."""
        return self.ranks is None and any(failure.stage == "forward" for failure in self.failures)

    def drop(self, row: int) -> None:
        """Forget the windows of a clip that failed half-way."""
        if self._open is not None and self._open.row == row:
            self._open = None
        self._dropped.add(row)

    def add(self, batch: Batch, reductions: Reductions, ids: pl.Series) -> None:
        """Add the reductions of a batch's windows."""
        for row, duration, rate in zip(batch.rows, batch.durations_s, batch.source_rates, strict=True):
            self._heard[int(row)] = (float(duration), int(rate))
        alone: list[int] = []
        for windows in _runs(batch.rows):
            if int(batch.rows[windows[0]]) in self._dropped:
                continue
            if self._is_whole(batch, windows):
                alone.append(windows[0])
            else:
                self._add_windows(batch, windows, reductions, ids)
        if len(alone) == len(batch):
            self._place(batch.rows, reductions, ids)
        elif alone:
            at = torch.tensor(alone)
            self._place(batch.rows[alone], tuple(take(one, at) for one in reductions), ids)

    def _is_whole(self, batch: Batch, windows: list[int]) -> bool:
        """Return whether these windows are one that answers for its whole clip."""
        if not self._keeping.windowed:
            return True
        begin, end = batch.keep_s[windows[0]]
        missed_s = batch.durations_s[windows[0]] - end
        return len(windows) == 1 and begin == 0.0 and bool(missed_s <= self._keeping.slack_s + 1e-6)

    def _add_windows(self, batch: Batch, windows: list[int], reductions: Reductions, ids: pl.Series) -> None:
        row = int(batch.rows[windows[0]])
        if self._open is not None and self._open.row != row:
            self.close(ids)
        for window in windows:
            begin, end = (float(x) / float(batch.durations_s[window]) for x in batch.keep_s[window])
            at = torch.tensor([window])
            placed = tuple(
                place(take(one, at), begin, end, bins)
                for one, bins in zip(reductions, self._keeping.trace_bins, strict=True)
            )
            if self._open is None:
                self._open = _Open(row, placed)
            else:
                pairs = zip(self._open.reductions, placed, strict=True)
                self._open.reductions = tuple(merge(a, b, self._keeping.pooling) for a, b in pairs)

    def close(self, ids: pl.Series) -> None:
        """Add the clip whose windows have all come."""
        if self._open is not None:
            opened, self._open = self._open, None
            self._place(np.array([opened.row]), opened.reductions, ids)

    def _place(self, rows: np.ndarray[Any, Any], reductions: Reductions, ids: pl.Series) -> None:
        usable = finite(reductions)
        for i, row in enumerate(rows):
            if not usable[:, i].all():
                layer = self._layers[int((~usable[:, i]).nonzero()[0])].name
                self.failures.append(
                    Failure(int(row), ids[int(row)], "forward", f"layer {layer} gave NaN or infinite values")
                )
        good = usable.all(dim=0)
        if not good.all():
            at = good.nonzero()[:, 0]
            rows, reductions = rows[good.numpy()], tuple(take(one, at) for one in reductions)
        if len(rows):
            self._store(rows, reductions)

    def _store(self, rows: np.ndarray[Any, Any], reductions: Reductions) -> None:
        at = rows - self.block.start
        keeping = self._keeping
        if self.ranks is None:
            self.ranks = Ranks(reductions, self._first, keeping.top_k, keeping.seed, self._floors)
        for i, one in enumerate(reductions):
            self.pooled[i][at] = one.pooled.cpu().numpy()
            self.positions[at, i] = one.counted.numpy()
            if one.positives is not None:
                self.positives[i][at] = one.positives.cpu().numpy().astype(np.uint32)
        if self.events is not None:
            for clip in range(len(rows)):
                self.events.add([one.events[clip] if one.events else () for one in reductions])
        self.ranks.insert(torch.from_numpy(rows).to(reductions[0].pooled.device), reductions)

    def summary(self) -> Summary:
        """Return the block's summary."""
        failed = {failure.row for failure in self.failures} | self._dropped
        rows = np.array(sorted(set(self._heard) - failed), dtype=np.int64)
        layers = tuple(
            self._layer_summary(i, rows - self.block.start, ranked) for i, ranked in enumerate(self._ranked())
        )
        clips = {
            "rows": rows,
            "durations_s": np.array([self._heard[row][0] for row in rows.tolist()], dtype=np.float64),
            "source_rates": np.array([self._heard[row][1] for row in rows.tolist()], dtype=np.int64),
        }
        failures = sorted(self.failures, key=lambda one: one.row)
        return Summary(layers, clips, tuple([one.row, one.id, one.stage, one.reason] for one in failures))

    def _layer_summary(self, i: int, at: np.ndarray[Any, Any], ranked: Ranked) -> LayerSummary:
        values = self.pooled[i][at]
        return LayerSummary(
            moments.of_values(values),
            self.positives[i][at].sum(axis=0, dtype=np.int64),
            self.positions[at, i].sum(keepdims=True, dtype=np.int64),
            histogram(values),
            ranked,
        )

    def _ranked(self) -> list[Ranked]:
        if self.ranks is not None:
            return self.ranks.ranked()
        sizes = zip(self._layers, self._keeping.trace_bins, strict=True)
        return [no_ranks(self._keeping.top_k, one.n_neurons, bins) for one, bins in sizes]


def finite(reductions: Reductions) -> Tensor:
    """Return which clips have no NaN or infinite value ``(layer, clip)``, on the CPU."""
    return torch.stack([torch.isfinite(one.pooled).all(dim=1) for one in reductions]).cpu()


def _runs(rows: np.ndarray[Any, Any]) -> Iterator[list[int]]:
    """Yield the windows of each clip of a batch."""
    borders = np.flatnonzero(np.diff(rows)) + 1
    for run in np.split(np.arange(len(rows)), borders):
        yield run.tolist()
