"""Worker processes: death is reported, nothing is left behind, the consumer is left alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest

from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.data.table import assemble
from otoscope.errors import WorkerError


@dataclass(frozen=True)
class Trap:
    """Kills the process that reads row ``row`` with ``deadly``, or raises ``ZeroDivisionError`` where it is 0."""

    row: int
    deadly: int

    @property
    def columns(self) -> tuple[str, ...]:
        return ("row",)

    def read(self, record: Mapping[str, Any]) -> tuple[np.ndarray, int]:
        if record["row"] == self.row:
            if not self.deadly:
                raise ZeroDivisionError("a bug in the source")
            os.kill(os.getpid(), self.deadly)
        return np.full((1, 10), record["row"], np.float32), 8000

    def size(self, record: Mapping[str, Any]) -> int:
        return 40


def trapped(row: int = -1, deadly: int = 0, n: int = 200) -> Clips:
    frame = pl.DataFrame({"path": [str(i) for i in range(n)]})
    return assemble(frame, [], Trap(row, deadly), name="t", spec="t:", expected="", group_declared=True)


def test_a_killed_worker_is_reported() -> None:
    with pytest.raises(
        WorkerError, match=r"ended by SIGKILL \(most often the system ran out of memory\). Use fewer"
    ):
        list(batches(trapped(100, signal.SIGKILL), Decoding(8000), batch_size=4, workers=1))


def test_what_came_before_a_kill_is_delivered() -> None:
    stream = batches(trapped(100, signal.SIGKILL), Decoding(8000), batch_size=4, workers=1, prefetch=1)
    rows: list[int] = []
    with pytest.raises(WorkerError):
        rows.extend(row for batch in stream for row in batch.rows.tolist())
    assert rows == list(range(len(rows))) and len(rows) >= 80


def test_a_kill_does_not_interrupt_the_consumer() -> None:
    """torch's own handler raises wherever the main thread is; the former handler is back instead."""
    former = signal.getsignal(signal.SIGCHLD)
    stream = batches(trapped(20, signal.SIGKILL), Decoding(8000), batch_size=4, workers=1, prefetch=1)
    for _ in range(3):
        next(stream)
    assert signal.getsignal(signal.SIGCHLD) is former
    time.sleep(0.5)  # the worker dies meanwhile
    with pytest.raises(WorkerError):
        list(stream)


def test_a_bug_is_not_swallowed() -> None:
    for workers in (0, 1):
        with pytest.raises(ZeroDivisionError, match="a bug in the source"):
            list(batches(trapped(5, 0), Decoding(8000), workers=workers))


def test_no_process_is_left_behind() -> None:
    stream = batches(trapped(), Decoding(8000), batch_size=4, workers=2)
    next(stream)
    assert len(multiprocessing.active_children()) == 2
    stream.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []
    list(batches(trapped(), Decoding(8000), batch_size=4, workers=2))
    assert multiprocessing.active_children() == []


def test_two_streams_at_once() -> None:
    one, other = (batches(trapped(), Decoding(8000), batch_size=8, workers=1) for _ in range(2))
    pairs = [(a.rows.tolist(), b.rows.tolist()) for a, b in zip(one, other, strict=True)]
    assert len(pairs) == 25 and all(a == b for a, b in pairs)
