"""The blocks of a recording, computed: sound in, arrays and summaries out.

A clip on which the forward pass raises is tried alone; if it fails again it is a counted failure and the run goes on.
When no clip succeeds any more the network itself is at fault: the run stops with its error, finished blocks stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from otoscope import heap
from otoscope.data.clips import Clips
from otoscope.data.decode import Batch, Decoding
from otoscope.errors import Failure, HookError, ModelError
from otoscope.models.audio_model import AudioModel
from otoscope.record import events, summary
from otoscope.record.block import BlockRows, Keeping, Reductions, finite
from otoscope.record.config import RecordConfig
from otoscope.record.event_blocks import EventBlock
from otoscope.record.forward import Listener
from otoscope.record.hooks import lent
from otoscope.record.probe import ProbedLayer
from otoscope.record.ranks import Floors
from otoscope.record.reduce import Wanted
from otoscope.store import arrays
from otoscope.store.run import POSITIONS, Run, file_name
from otoscope.work.blocks import Block, Node
from otoscope.work.engine import Finished

#: Clips in a row that may fail in the forward pass before the network is held to be at fault.
MOST_FAILURES_IN_A_ROW = 16


@dataclass(frozen=True)
class Job:
    """Everything that the blocks of one recording share."""

    model: AudioModel
    layers: tuple[ProbedLayer, ...]
    clips: Clips
    run: Run
    config: RecordConfig

    @property
    def summaries(self) -> Path:
        """Where summaries lie until the run is finished."""
        return self.run.root / "blocks"

    @property
    def event_blocks(self) -> Path:
        """Where counts by event lie until the run is finished."""
        return self.summaries / "events"

    @property
    def decoding(self) -> Decoding:
        """How sound becomes what the network takes."""
        return Decoding(
            self.model.sample_rate, self.config.channels, self.config.quality, self.model.clip_length
        )

    def trace_bins(self, layer: ProbedLayer) -> int:
        """Return the length of a layer's stored traces."""
        return max(1, min(self.config.trace_bins, layer.geometry.n_time))

    @property
    def keeping(self) -> Keeping:
        """What is kept of each block."""
        bins = tuple(self.trace_bins(one) for one in self.layers)
        policy = self.model.clip_length
        windowed = policy.length_s is not None and policy.long == "windows"
        config = self.config
        return Keeping(config.top_k, bins, config.pooling, config.seed, windowed, policy.slack_s)

    def wanted(self) -> tuple[Wanted, ...]:
        """Return what is computed of each layer."""
        config, when = self.config, events.schedule(self.clips, self.config.events)
        return tuple(
            Wanted(
                config.pooling,
                config.counts == "clip",
                self.trace_bins(one),
                config.skip_silence,
                config.padding == "include",
                config.special_tokens == "include",
                when if events.has_time(one.geometry) else None,
                config.top_k,
            )
            for one in self.layers
        )


def create_arrays(job: Job) -> None:
    """Create the run's arrays, and remove what a killed writer left behind."""
    n_clips, config = len(job.clips), job.config
    _create_positions(job)
    for leftover in job.run.root.glob("**/*.partial"):
        leftover.unlink()
    for layer in job.layers:
        shape, name = (n_clips, layer.n_neurons), file_name(layer.name)
        if config.store == "pooled":
            arrays.create_array(
                job.run.root / "activations" / f"{name}.zarr", shape, config.dtype, config.block
            )
        if config.counts == "clip":
            arrays.create_array(job.run.root / "counts" / f"{name}.zarr", shape, "uint32", config.block)


def _create_positions(job: Job) -> None:
    if job.config.counts == "clip":
        path, shape = job.run.root / POSITIONS, (len(job.clips), len(job.layers))
        arrays.create_array(path, shape, "uint32", job.config.block)


def hear(job: Job, blocks: Sequence[Block], stream: Iterable[Batch]) -> Iterator[Finished]:
    """Record the blocks whose batches come in ``stream``; a batch never holds clips of two blocks.

    Yields a block once its arrays and its summary are on disk. While one is being written the next is heard.
    """
    by_index = {block.index: block for block in blocks}
    with lent(job.model), heap.kept(), ThreadPoolExecutor(1, "otoscope-writer") as writer:
        hearing, writing = _Hearing(job), _Writing(job, writer)
        waiting: list[BlockRows] = []
        for index, parts in groupby(stream, key=lambda batch: _block_of(batch, job.config.block)):
            heard = hearing.block(by_index[index], parts)
            waiting.append(heard)
            if not heard.all_failed_in_network:
                yield from writing.put(waiting)
        yield from writing.put(waiting)
        yield from writing.finish()


class _Writing:
    """Writes blocks in a thread of its own, one at a time and in order."""

    def __init__(self, job: Job, writer: Executor) -> None:
        self._job, self._writer = job, writer
        self._opened: dict[Path, Any] = {}
        self._pending: Future[Finished] | None = None

    def put(self, waiting: list[BlockRows]) -> Iterator[Finished]:
        """Have blocks written, and yield those that are; what failed as a whole waits until a later clip succeeds."""
        while waiting:
            rows = waiting.pop(0)
            summed = rows.summary()
            yield from self.finish()
            self._pending = self._writer.submit(_write, self._job, rows, summed, self._opened)

    def finish(self) -> Iterator[Finished]:
        """Yield the block that is being written, once it is."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            yield pending.result()


def _block_of(batch: Batch, size: int) -> int:
    row = int(batch.rows[0]) if len(batch.rows) else batch.failures[0].row
    return row // size


class _Hearing:
    """Runs batches through the network and knows how many clips failed in a row."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._listener = Listener(job.model, job.layers, job.wanted(), job.config.precision)
        self._ids = job.clips.table["id"]
        first = np.cumsum([0, *(one.n_neurons for one in job.layers)])[:-1]
        self._first = [int(one) for one in first]
        self._failed_in_a_row = 0
        self._floors = Floors()

    def block(self, block: Block, parts: Iterable[Batch]) -> BlockRows:
        """Return the content of a block from its batches."""
        job = self._job
        by_event = EventBlock(job.event_blocks, block) if job.config.events != "none" else None
        rows = BlockRows(block, job.layers, self._first, job.keeping, by_event, self._floors.values())
        for batch in parts:
            rows.fail(batch.failures)
            if len(batch.rows):
                self._add(rows, batch)
        rows.close(self._ids)
        if rows.ranks is not None:
            self._floors.add(rows.ranks)
        return rows

    def _add(self, rows: BlockRows, batch: Batch) -> None:
        try:
            rows.add(batch, self._heard(rows, batch), self._ids)
            self._failed_in_a_row = 0
        except HookError:
            raise
        except ModelError as error:
            clips = [_only(batch, row) for row in dict.fromkeys(batch.rows.tolist())]
            if len(clips) == 1:
                self._fail(rows, int(batch.rows[0]), error)
                return
            for one in clips:
                self._add(rows, one)

    def _heard(self, rows: BlockRows, batch: Batch) -> Reductions:
        """Return a batch's reductions; clips that will be left out keep no evidence of others away."""
        found = self._listener.hear(batch, rows.floors(), rows.unfinished(batch))
        return found if finite(found).all() else self._listener.hear(batch)

    def _fail(self, rows: BlockRows, row: int, error: ModelError) -> None:
        self._failed_in_a_row += 1
        if self._failed_in_a_row > MOST_FAILURES_IN_A_ROW:
            raise ModelError(
                f"{self._failed_in_a_row} clips in a row failed in the network, the last {self._ids[row]!r}: {error}. "
                "Blocks finished before are kept: repair the network and run the same command again to continue."
            ) from error
        rows.drop(row)
        rows.fail([Failure(row, self._ids[row], "forward", str(error))])


def _only(batch: Batch, row: int) -> Batch:
    """Return the windows of one clip of a batch."""
    at = np.flatnonzero(batch.rows == row)
    return batch.part(int(at[0]), int(at[-1]) + 1)


def _write(job: Job, rows: BlockRows, summed: summary.Summary, opened: dict[Path, Any]) -> Finished:
    for path, content in _contents(job, rows):
        if path not in opened:
            opened[path] = arrays.open_array(path)
        arrays.write_rows(path, rows.block.start, content, opened[path])
    if rows.events is not None:
        rows.events.flush()
    summary.write(Node(0, rows.block.index).path(job.summaries), summed)
    return Finished(rows.block, len(rows.failures))


def _contents(job: Job, rows: BlockRows) -> Iterator[tuple[Path, np.ndarray[Any, Any]]]:
    """Yield the arrays of a block and where they belong."""
    root, config = job.run.root, job.config
    for i, layer in enumerate(job.layers):
        name = f"{file_name(layer.name)}.zarr"
        if config.store == "pooled":
            yield root / "activations" / name, rows.pooled[i].astype(config.dtype, copy=False)
        if config.counts == "clip":
            yield root / "counts" / name, rows.positives[i]
    if config.counts == "clip":
        yield root / POSITIONS, rows.positions
