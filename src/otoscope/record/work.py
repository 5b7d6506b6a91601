"""A recording as work that an engine hands out, see :mod:`otoscope.work.engine`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from otoscope.data.batch import Batch, failed
from otoscope.data.decode import batches
from otoscope.errors import Failure, OtoscopeError
from otoscope.models.audio_model import AudioModel
from otoscope.record.forward import Listener
from otoscope.record.hooks import lent
from otoscope.record.job import Job, hear
from otoscope.work.blocks import Block
from otoscope.work.engine import Finished


@dataclass
class Recording:
    """The job of a recording; in a Ray worker it decodes in its own process.

    Attributes
    ----------
    job : Job
        What is recorded.
    """

    job: Job
    name: str = "recording"

    def begin(self, device: str, threads: int) -> None:
        """Set torch's threads and put the network on the worker's device."""
        torch.set_num_threads(threads)
        model: AudioModel = self.job.model.to(device)
        self.job = replace(self.job, model=model, config=self.job.config.model_copy(update={"workers": 0}))

    def compute(self, blocks: Sequence[Block], set_aside: Mapping[int, str]) -> Iterator[Finished]:
        """Record these blocks; yield each once its arrays and its summary are on disk."""
        job = self.job
        rows = np.concatenate([np.arange(one.start, one.stop) for one in blocks])
        aside = np.isin(rows, list(set_aside))
        stream = batches(
            job.clips,
            job.decoding,
            rows=rows[~aside],
            batch_size=job.config.batch_size,
            workers=job.config.workers,
            block=job.config.block,
        )
        lost = {row: set_aside[row] for row in rows[aside].tolist()}
        yield from hear(job, blocks, _with_failures(stream, lost, job))

    def try_alone(self, row: int) -> None:
        """Decode a clip and hear it; nothing is kept."""
        job = self.job
        with lent(job.model):
            listener = Listener(job.model, job.layers, job.wanted(), job.config.precision)
            for batch in batches(job.clips, job.decoding, rows=[row], batch_size=job.config.batch_size):
                if not len(batch.rows):
                    continue
                try:
                    listener.hear(batch, None)
                except OtoscopeError:
                    return  # a failure that the block itself counts


def _with_failures(stream: Iterable[Batch], lost: Mapping[int, str], job: Job) -> Iterator[Batch]:
    """Yield the batches, and rows that are not touched as failures of their blocks, in the order of blocks."""
    waiting = sorted(lost)
    for batch in stream:
        first = int(batch.rows[0]) if len(batch.rows) else batch.failures[0].row
        while waiting and waiting[0] < first:
            yield _failure(waiting.pop(0), lost, job)
        yield batch
    for row in waiting:
        yield _failure(row, lost, job)


def _failure(row: int, lost: Mapping[int, str], job: Job) -> Batch:
    return failed((Failure(row, job.clips.table["id"][row], "worker", lost[row]),))
