"""Stream the sound of clips as batches of equal-length windows, in table order, whatever decodes them.

``batches(clips, decoding)`` reads, applies the channel policy, resamples and cuts. Windows come in the order
of rows and, within a clip, of time. All windows of a batch have the same number of channels and samples, so a
batch ends early where either changes. The batches are the same for any number of workers. A clip that cannot
be decoded becomes a :class:`~otoscope.errors.Failure` of the batch that was being filled; only where nothing
decodes at all does a batch hold no window.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from otoscope.audio.windows import ClipLength
from otoscope.data.batch import Batch, failed, join
from otoscope.data.clips import Clips
from otoscope.data.cut import Decoding
from otoscope.data.workers import Tasks, streamed
from otoscope.errors import InputError

__all__ = ["Batch", "ClipLength", "Decoding", "automatic_workers", "batches"]

_MOST_WORKERS = 8


def automatic_workers() -> int:
    """Return how many worker processes suit this machine: the cores this process may use but one, 1 to 8.

    One core stays for the network. One worker is worth it even on a single core, since reading waits for the
    disk.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(_MOST_WORKERS, cores - 1))


def batches(
    clips: Clips,
    decoding: Decoding,
    *,
    rows: Sequence[int] | NDArray[np.int64] | None = None,
    batch_size: int = 16,
    workers: int | None = 0,
    prefetch: int = 2,
    block: int | None = None,
) -> Iterator[Batch]:
    """Return an iterator over the batches of ``clips``.

    Parameters
    ----------
    clips : Clips
        What to decode.
    decoding : Decoding
        Rate, channels, resampling quality, clip length.
    rows : sequence of int, optional
        Only these rows, in this order (a row may come twice); None is all.
    batch_size : int
        Most windows a batch, at least 1.
    workers : int or None
        Worker processes that decode ahead; 0 decodes here, None is :func:`automatic_workers`.
    prefetch : int
        Tasks that each worker keeps ready, at least 1. A task is ``batch_size`` clips, or fewer where their
        files are long, which bounds what waits in memory.
    block : int, optional
        Rows ``0 .. block-1``, ``block .. 2 block-1`` and so on are kept apart: a batch and its failures belong to
        one block, so a block's batches are the same whichever other blocks are asked for.

    Yields
    ------
    Batch
        In order; the same for any ``workers`` and ``prefetch``.

    Raises
    ------
    InputError
        If a row is outside the table or a number is too small.
    WorkerError
        If a worker process is killed.
    """
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("workers", workers or 0, 0),
        ("prefetch", prefetch, 1),
        ("block", 1 if block is None else block, 1),
    ):
        if value < least:
            raise InputError(f"{name} is at least {least}, got {value}")
    chosen = _checked_rows(rows, len(clips))
    tasks = Tasks(clips, decoding, chosen, batch_size)
    n_workers = min(automatic_workers() if workers is None else workers, len(chosen))
    return _regrouped(_by_block(streamed(tasks, n_workers, prefetch), block), batch_size)


def _checked_rows(rows: Sequence[int] | NDArray[np.int64] | None, n_clips: int) -> NDArray[np.int64]:
    if rows is None:
        return np.arange(n_clips, dtype=np.int64)
    chosen = np.asarray(rows, dtype=np.int64).reshape(-1)
    if chosen.size and (chosen.min() < 0 or chosen.max() >= n_clips):
        raise InputError(f"rows must lie in 0..{n_clips - 1}, got {chosen.min()}..{chosen.max()}")
    return chosen


def _by_block(parts: Iterable[Batch], block: int | None) -> Iterator[tuple[int, Batch]]:
    """Yield parts cut where the block changes, each with its block's number (0 where there are no blocks)."""
    for part in parts:
        if block is None:
            yield 0, part
            continue
        owners = part.rows // block
        failed_in = [failure.row // block for failure in part.failures]
        for index in sorted({*owners.tolist(), *failed_in}):
            at = np.flatnonzero(owners == index)
            failures = tuple(
                one for one, owner in zip(part.failures, failed_in, strict=True) if owner == index
            )
            piece = part.part(int(at[0]), int(at[-1]) + 1) if at.size else part.part(0, 0)
            yield index, replace(piece, failures=failures)


def _regrouped(parts: Iterable[tuple[int, Batch]], batch_size: int) -> Iterator[Batch]:
    """Yield full batches out of parts of any size; a part that is itself a full batch is passed on uncopied."""
    waiting: list[Batch] = []
    filled, owner = 0, 0
    for index, part in parts:
        if waiting and index != owner:
            yield join(waiting)
            waiting, filled = [], 0
        owner, start = index, 0
        if part.failures:
            waiting.append(failed(part.failures))
        while start < len(part):
            if filled and (filled == batch_size or _shape(waiting) != part.shape):
                yield join(waiting)
                waiting, filled = [], 0
            stop = min(len(part), start + batch_size - filled)
            waiting.append(part.part(start, stop))
            filled, start = filled + stop - start, stop
    if waiting:
        yield join(waiting)


def _shape(waiting: Sequence[Batch]) -> tuple[int, int]:
    return next(one.shape for one in waiting if len(one))
