"""The Ray engine: blocks handed out to workers of a Ray cluster, each with its own copy of the job.

Nothing but block numbers travels: a worker writes arrays and its block's summary where the run lies, which therefore is
a folder that all nodes reach (a shared disk or an object store). Summaries are merged by the workers, in the tree of
:mod:`otoscope.work.blocks`, so the result does not depend on how many workers there are, who was first, or what had to
be done twice. With equal threads on equal processors its bytes are those of the local engine.

A worker or node that is lost takes down only the block it was at: the block is handed out again, a new worker is asked
for. A block that kills ``kills`` workers is examined: each of its rows is tried alone, and a row that again kills
``kills`` workers is set aside, noted in ``set-aside.json``, and becomes a counted failure. When the driver is killed,
finished blocks stay, and the same command continues.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from otoscope.errors import MissingExtraError, WorkerError
from otoscope.progress import Report, meter
from otoscope.work import set_aside
from otoscope.work.blocks import Block, Blocks, Node, finished
from otoscope.work.engine import Engine, Merge, Work
from otoscope.work.local import join, leftovers, missing

logger = logging.getLogger(__name__)

_WAIT_S = 60.0
_MOST_FAILED_STARTS = 3


@dataclass(frozen=True)
class _Begin:
    """A new worker gets ready."""


@dataclass(frozen=True)
class _Compute:
    block: Block


@dataclass(frozen=True)
class _Examine:
    """Try one row of a block alone."""

    block: Block
    row: int


@dataclass(frozen=True)
class _Join:
    node: Node


_Task = _Begin | _Compute | _Examine | _Join


class _Worker:
    """What a Ray actor is made of: the job, in a process of its own."""

    def __init__(self, work: Work, folder: Path, merge: Merge) -> None:
        self._work, self._folder, self._merge = work, folder, merge

    def begin(self, device: str, threads: int) -> None:
        """Get ready."""
        self._work.begin(device, threads)

    def compute(self, block: Block, left_out: dict[int, str]) -> int:
        """Compute a block and return how many of its rows failed."""
        return sum(one.failed for one in self._work.compute((block,), left_out))

    def examine(self, row: int) -> None:
        """Try one row alone."""
        self._work.try_alone(row)

    def join(self, node: Node) -> None:
        """Merge two summaries."""
        join(node, self._folder, self._merge)


def run(blocks: Blocks, folder: Path, work: Work, merge: Merge, engine: Engine) -> list[Path]:
    """Compute what is missing and return the summary files whose fold is the result, in block order.

    Parameters and errors are those of :func:`otoscope.work.engine.run`; MissingExtraError if Ray is not installed.
    """
    todo = missing(blocks, folder)
    for node in leftovers(folder):
        join(node, folder, merge)
    if len(todo):
        with cluster(engine) as ray, meter(todo.rows, work.name) as report:
            _Driver(ray, folder, engine, _hirer(ray, engine, (work, folder, merge)), report).run(todo)
    return [node.path(folder) for node in finished(folder)]


@contextmanager
def cluster(engine: Engine) -> Iterator[Any]:
    """Give Ray, connected: as it is, to the named cluster, or to one that lives as long as this block."""
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError.of("ray", "ray") from error
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = engine.address or os.environ.get("RAY_ADDRESS")
    where: dict[str, Any] = {"address": address} if address else _own_cluster(engine)
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise WorkerError(f"no Ray cluster answers at {address}: {error}") from error
    with redirect_stdout(_ResultsOnly(sys.stdout)):
        try:
            yield ray
        finally:
            ray.shutdown()  # which prints what it had held back


class _ResultsOnly(io.TextIOBase):
    """Standard output without what Ray's processes have to say: that goes to the log."""

    def __init__(self, real: IO[str]) -> None:
        self._real, self._in_note = real, False

    def write(self, text: str) -> int:
        """Pass the text on, or log it."""
        self._in_note = "(raylet)" in text or (self._in_note and not text.strip())
        if not self._in_note:
            return self._real.write(text)
        if text.strip():
            logger.info("Ray: %s", text.strip())
        return len(text)

    def flush(self) -> None:
        """Flush what was passed on."""
        self._real.flush()


def _own_cluster(engine: Engine) -> dict[str, Any]:
    return {
        "address": "local",
        "num_cpus": engine.workers * engine.cpus_per_worker,
        "include_dashboard": False,
    }


def _hirer(ray: Any, engine: Engine, arguments: tuple[Any, ...]) -> Callable[[], Any]:
    """Return what starts one more worker; the job is put into Ray's store once."""
    kind = ray.remote(
        num_cpus=engine.cpus_per_worker, num_gpus=engine.gpus_per_worker, max_restarts=0, max_task_retries=0
    )(_Worker)
    stored = [ray.put(one) for one in arguments]
    return lambda: kind.remote(*stored)


class _Driver:
    """Hands tasks to idle workers and decides what follows when one ends, or its worker does."""

    def __init__(
        self, ray: Any, folder: Path, engine: Engine, hire: Callable[[], Any], report: Report
    ) -> None:
        self._ray, self._folder, self._engine, self._hire, self._report = ray, folder, engine, hire, report
        self._queue: deque[_Task] = deque()
        self._fresh: Iterator[Block] = iter(())
        self._busy: dict[Any, tuple[Any, _Task]] = {}
        self._idle: list[Any] = []
        self._present = set(finished(folder))
        self._set_aside = set_aside.read(folder)
        self._kills: Counter[Any] = Counter()
        self._unexamined: Counter[Block] = Counter()
        self._failed_starts = 0

    def run(self, todo: Blocks) -> None:
        """Compute the blocks and merge as far as their tree allows."""
        self._fresh = iter(todo)
        self._refill()
        for _ in range(min(self._engine.workers, len(todo))):
            self._start_worker()
        try:
            while self._queue or any(not isinstance(task, _Begin) for _, task in self._busy.values()):
                while self._queue and self._idle:
                    self._hand_out(self._idle.pop(), self._queue.popleft())
                    self._refill()
                for ref in self._ended():
                    self._settle(ref)
        finally:
            for worker in [*self._idle, *(worker for worker, _ in self._busy.values())]:
                self._ray.kill(worker)

    def _refill(self) -> None:
        """Put the next block behind what is to be done, where nothing is; so the queue stays short."""
        block = None if self._queue else next(self._fresh, None)
        if block is not None:
            self._queue.append(_Compute(block))

    def _start_worker(self) -> None:
        worker = self._hire()
        device = "cuda" if self._engine.gpus_per_worker else "cpu"
        self._busy[worker.begin.remote(device, self._engine.cpus_per_worker)] = worker, _Begin()

    def _hand_out(self, worker: Any, task: _Task) -> None:
        if isinstance(task, _Compute):
            inside = range(task.block.start, task.block.stop)
            left_out = {row: why for row, why in self._set_aside.items() if row in inside}
            ref = worker.compute.remote(task.block, left_out)
        elif isinstance(task, _Examine):
            ref = worker.examine.remote(task.row)
        elif isinstance(task, _Join):
            ref = worker.join.remote(task.node)
        self._busy[ref] = worker, task

    def _ended(self) -> list[Any]:
        ended, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=_WAIT_S)
        if not ended and all(isinstance(task, _Begin) for _, task in self._busy.values()):
            logger.warning(
                "no Ray worker could start for %.0f s: the cluster has no %s free CPU and %g GPU for one. Waiting.",
                _WAIT_S,
                self._engine.cpus_per_worker,
                self._engine.gpus_per_worker,
            )
        return list(ended)

    def _settle(self, ref: Any) -> None:
        worker, task = self._busy.pop(ref)
        errors = self._ray.exceptions
        try:
            result = self._ray.get(ref)
        except errors.RayActorError as error:
            self._ray.kill(worker)  # one that is only out of reach would keep its place
            logger.warning(
                "a Ray worker was lost while it was %s; %s, and another worker is asked for. Ray says: %s",
                _said(task),
                self._lost(task, error),
                _first_line(error),
            )
            self._start_worker()
        except errors.RayTaskError as error:
            self._ray.kill(worker)
            raise error.cause from error
        else:
            self._failed_starts = 0
            self._idle.append(worker)
            self._done(task, result)

    def _done(self, task: _Task, result: Any) -> None:
        if isinstance(task, _Compute):
            self._report(task.block.n_rows, int(result))
            self._stands(Node(0, task.block.index))
        elif isinstance(task, _Join):
            self._present -= set(task.node.children)
            self._stands(task.node)
        elif isinstance(task, _Examine):
            self._examined(task.block)

    def _stands(self, node: Node) -> None:
        """Note a summary that is there, and ask for the one above it where both halves are."""
        self._present.add(node)
        if set(node.parent.children) <= self._present:
            self._queue.appendleft(_Join(node.parent))

    def _lost(self, task: _Task, error: Exception) -> str:
        """Decide what becomes of a task whose worker died, and say it."""
        if isinstance(task, _Begin):
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS * self._engine.workers:
                raise WorkerError(f"no Ray worker can start: {error}") from error
            return "nothing is lost"
        self._kills[task] += 1
        if self._kills[task] < self._engine.kills:
            self._queue.appendleft(task)
            return "that is done again"
        if isinstance(task, _Compute) and task.block not in self._unexamined:
            self._examine(task.block)
            return f"that has lost {self._engine.kills} workers, so each of its rows is tried alone"
        if isinstance(task, _Examine):
            self._leave_out(task)
            return f"that has lost {self._engine.kills} workers, so the row is set aside as a failure"
        raise WorkerError(
            f"workers are killed again and again while {_said(task)}, and no clip alone does it: is there too "
            f"little memory? Finished blocks are kept. The last: {_first_line(error)}"
        ) from error

    def _examine(self, block: Block) -> None:
        rows = [row for row in range(block.start, block.stop) if row not in self._set_aside]
        self._unexamined[block] = len(rows)
        self._queue.extendleft(_Examine(block, row) for row in reversed(rows))

    def _leave_out(self, task: _Examine) -> None:
        self._set_aside[task.row] = f"killed its worker {self._engine.kills} times"
        set_aside.write(self._folder, self._set_aside)
        self._examined(task.block)

    def _examined(self, block: Block) -> None:
        """Hand a block out again once each of its rows was tried."""
        self._unexamined[block] -= 1
        if not self._unexamined[block]:
            self._kills[_Compute(block)] = 0
            self._queue.appendleft(_Compute(block))


def _said(task: _Task) -> str:
    if isinstance(task, _Compute):
        return f"at block {task.block.index} (rows {task.block.start} to {task.block.stop - 1})"
    if isinstance(task, _Examine):
        return f"at row {task.row}, alone"
    return "merging summaries" if isinstance(task, _Join) else "getting ready"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
