"""Decode ahead in worker processes: a torch DataLoader over tasks, sound handed over in shared memory, order kept.

A worker gets the columns it needs as plain memory, never the table itself: the table's library runs threads,
and threads do not survive a fork. On Linux workers are forked, so a script needs no ``if __name__ ==
"__main__"``; elsewhere the platform's default start method is used and it does.
"""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from otoscope.data.batch import Batch, join
from otoscope.data.clips import Clips
from otoscope.data.compact import compact
from otoscope.data.cut import Decoding, decode_clip
from otoscope.errors import WorkerError

TASK_BYTES = 4 * 2**20
"""Most bytes of sound files a task, where clips may give many windows."""

_GRACE_S = 0.2
_NOTHING = np.zeros((0, 0, 0), np.float32)


class Packed(NamedTuple):
    """A batch on its way between processes: the sound, a tensor, travels through shared memory."""

    waveforms: torch.Tensor
    rest: Batch


class Tasks(Dataset[list[Packed]]):
    """What the workers do: a task is a run of clips, decoded into batches of equal shape.

    Parameters
    ----------
    clips : Clips
        The clips.
    decoding : Decoding
        How to decode them.
    rows : int64 (clip,)
        Which, in order.
    batch_size : int
        Most clips a task. Where a clip may give many windows, a task also holds no more than ``TASK_BYTES`` of
        sound files (but at least one clip), so that long recordings do not pile up in memory.
    """

    def __init__(self, clips: Clips, decoding: Decoding, rows: NDArray[np.int64], batch_size: int) -> None:
        columns = dict.fromkeys(["row", "id", *clips.source.columns])
        self._columns = {one: compact(clips.table[one][rows]) for one in columns}
        self._source, self._decoding = clips.source, decoding
        self._n_clips, self._most = len(rows), batch_size
        self._one_window = decoding.length.length_s is not None and decoding.length.long == "crop"

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield the first clip of each task and the one after its last."""
        start, size = 0, 0
        for index in range(self._n_clips):
            more = 0 if self._one_window else self._source.size(self._record(index))
            if index > start and (index - start == self._most or size + more > TASK_BYTES):
                yield start, index
                start, size = index, 0
            size += more
        if start < self._n_clips:
            yield start, self._n_clips

    def decode(self, span: tuple[int, int]) -> list[Batch]:
        """Return the task's clips decoded; neighbours of one shape are joined."""
        runs: list[list[Batch]] = []
        for index in range(*span):
            part = decode_clip(self._record(index), self._source, self._decoding)
            if runs and len(part) and len(runs[-1][-1]) and runs[-1][-1].shape == part.shape:
                runs[-1].append(part)
            else:
                runs.append([part])
        return [join(run) for run in runs]

    def __getitem__(self, span: tuple[int, int]) -> list[Packed]:
        return [_packed(batch) for batch in self.decode(span)]

    def _record(self, index: int) -> dict[str, Any]:
        return {name: column[index] for name, column in self._columns.items()}


def streamed(tasks: Tasks, workers: int, prefetch: int) -> Iterator[Batch]:
    """Yield what the tasks give, in order, decoded here (``workers`` 0) or ahead in worker processes.

    Raises
    ------
    WorkerError
        If a worker process is killed.
    """
    if workers == 0:
        for span in tasks.spans():
            yield from tasks.decode(span)
        return
    loader = DataLoader(
        tasks,
        batch_size=None,
        sampler=_Once(tasks.spans()),
        num_workers=workers,
        prefetch_factor=prefetch,
        collate_fn=_as_it_is,
        multiprocessing_context="fork" if sys.platform == "linux" else None,
    )
    stream = _started(loader)
    try:
        while (packed := _next(stream)) is not None:
            yield from map(_unpacked, packed)
    finally:
        getattr(stream, "_shutdown_workers", _nothing)()  # now, not when the last traceback is forgotten


def _started(loader: DataLoader[list[Packed]]) -> Iterator[list[Packed]]:
    """Start the workers.

    torch handles the death of a worker by a signal handler that raises wherever the main thread happens to
    be, which is in the network that consumes the batches. The former handler is put back; a death is then
    found while waiting for the next batch.
    """
    main = threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGCHLD")
    former = signal.getsignal(signal.SIGCHLD) if main else None
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning
        )
        warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
        stream = iter(loader)
    if main and former is not None:
        signal.signal(signal.SIGCHLD, former)
    return stream


def _next(stream: Iterator[list[Packed]]) -> list[Packed] | None:
    """Return the next task's result, None after the last."""
    try:
        return next(stream, None)
    except (RuntimeError, OSError, EOFError) as error:  # the last two: sound that a dead worker still held
        for worker in getattr(stream, "_workers", ()):
            worker.join(_GRACE_S)
            if worker.exitcode not in (None, 0):
                raise WorkerError(_death(worker.pid, worker.exitcode)) from error
        raise


def _death(pid: int, exitcode: int) -> str:
    causes = {
        "SIGKILL": "most often the system ran out of memory",
        "SIGBUS": "most often /dev/shm, the shared memory, is full",
        "SIGSEGV": "a decoder crashed on a file",
    }
    name = signal.Signals(-exitcode).name if exitcode < 0 else f"exit code {exitcode}"
    cause = f" ({causes[name]})" if name in causes else ""
    return (
        f"a worker process that decodes sound (pid {pid}) ended by {name}{cause}. "
        f"Use fewer workers or a smaller batch, or 0 workers to decode in this process."
    )


class _Once(Iterable[tuple[int, int]]):
    """Hand out spans as the loader asks for them: sizes are looked up while the first tasks are decoded."""

    def __init__(self, spans: Iterator[tuple[int, int]]) -> None:
        self._spans = spans

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return self._spans


def _packed(batch: Batch) -> Packed:
    waveforms = torch.from_numpy(np.ascontiguousarray(batch.waveforms))
    return Packed(waveforms, replace(batch, waveforms=_NOTHING))


def _unpacked(packed: Packed) -> Batch:
    return replace(packed.rest, waveforms=packed.waveforms.numpy())


def _nothing() -> None:
    """Do nothing."""


def _as_it_is(item: list[Packed]) -> list[Packed]:
    return item
