"""Decode ahead in worker processes: a torch DataLoader over tasks, sound handed over in shared memory, order kept.

A worker gets plain lists of the columns it needs, never the table itself: the table's library runs threads,
and threads do not survive a fork. On Linux workers are forked, so a script needs no ``if __name__ ==
"__main__"``; elsewhere the platform's default start method is used and it does.
"""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from otoscope.data.batch import Batch, join
from otoscope.data.clips import Clips
from otoscope.data.cut import Decoding, decode_clip
from otoscope.errors import OtoscopeError

_NOTHING = np.zeros((0, 0, 0), np.float32)


class WorkerError(OtoscopeError, RuntimeError):
    """A worker process that decodes sound was killed."""


class Packed(NamedTuple):
    """A batch on its way between processes: the sound, a tensor, travels through shared memory."""

    waveforms: torch.Tensor
    rest: Batch


class Tasks(Dataset[list[Packed]]):
    """What the workers do: task ``i`` is a run of clips, decoded into batches of equal shape.

    Parameters
    ----------
    clips : Clips
        The clips.
    decoding : Decoding
        How to decode them.
    rows : int64 (clip,)
        Which, in order.
    batch_size : int
        Clips a task where each gives one window of a fixed length; else a task is one clip.
    """

    def __init__(self, clips: Clips, decoding: Decoding, rows: NDArray[np.int64], batch_size: int) -> None:
        columns = dict.fromkeys(["row", "id", *clips.source.columns])
        self._columns = {one: clips.table[one][rows].to_list() for one in columns}
        self._n_clips = len(rows)
        self._source, self._decoding = clips.source, decoding
        one_window = decoding.length.length_s is not None and decoding.length.long == "crop"
        self._per_task = batch_size if one_window else 1

    def __len__(self) -> int:
        return -(-self._n_clips // self._per_task)

    def decode(self, task: int) -> list[Batch]:
        """Return the task's clips decoded; neighbours of one shape are joined."""
        runs: list[list[Batch]] = []
        for index in range(task * self._per_task, min(self._n_clips, (task + 1) * self._per_task)):
            record = {name: column[index] for name, column in self._columns.items()}
            part = decode_clip(record, self._source, self._decoding)
            if runs and len(part) and len(runs[-1][-1]) and runs[-1][-1].shape == part.shape:
                runs[-1].append(part)
            else:
                runs.append([part])
        return [join(run) for run in runs]

    def __getitem__(self, task: int) -> list[Packed]:
        return [_packed(batch) for batch in self.decode(task)]


def streamed(tasks: Tasks, workers: int, prefetch: int) -> Iterator[Batch]:
    """Yield what the tasks give, in order, decoded here (``workers`` 0) or ahead in worker processes.

    Raises
    ------
    WorkerError
        If a worker process is killed.
    """
    if workers == 0:
        for task in range(len(tasks)):
            yield from tasks.decode(task)
        return
    loader = DataLoader(
        tasks,
        batch_size=None,
        shuffle=False,
        num_workers=workers,
        prefetch_factor=prefetch,
        collate_fn=_as_it_is,
        multiprocessing_context="fork" if sys.platform == "linux" else None,
    )
    stream = _started(loader)
    while (packed := _next(stream)) is not None:
        yield from map(_unpacked, packed)


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
    except RuntimeError as error:
        dead = [one for one in getattr(stream, "_workers", ()) if one.exitcode not in (None, 0)]
        if not dead:
            raise
        raise WorkerError(_death(dead[0].pid, dead[0].exitcode)) from error


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


def _packed(batch: Batch) -> Packed:
    waveforms = torch.from_numpy(np.ascontiguousarray(batch.waveforms))
    return Packed(waveforms, replace(batch, waveforms=_NOTHING))


def _unpacked(packed: Packed) -> Batch:
    return replace(packed.rest, waveforms=packed.waveforms.numpy())


def _as_it_is(item: list[Packed]) -> list[Packed]:
    return item
