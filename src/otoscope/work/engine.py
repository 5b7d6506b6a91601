"""Who computes the blocks: this process, or the workers of a Ray cluster. The result is the same.

A job is a :class:`Work`: it can compute blocks, try one row alone, and be given a device. An engine hands its blocks
out; the summaries that come out are merged in the one order that :mod:`otoscope.work.blocks` fixes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field

from otoscope.errors import InputError
from otoscope.registry import lookup
from otoscope.stage_config import StageConfig
from otoscope.work import ENGINES, SESSIONS
from otoscope.work.blocks import Block, Blocks

#: ``(left, right, out)``: merge two summary files into a third, atomically.
Merge = Callable[[Path, Path, Path], None]


class Engine(StageConfig):
    """Where blocks are computed. Not part of any identity: it changes no number.

    Attributes
    ----------
    name : {"local", "ray"}
        This process, or Ray's workers.
    address : str or None
        Of a running Ray cluster: ``auto``, ``HOST:PORT``, ``ray://HOST:PORT``; None is the environment's
        ``RAY_ADDRESS``, and without it a cluster of one's own on this machine for as long as the job takes.
    workers : int
        Ray workers, each with its copy of the network.
    cpus_per_worker : int
        Cores of each: torch's threads, and what Ray sets aside.
    gpus_per_worker : float
        GPUs of each; 0.5 lets two share one. With 0 the network is put on the processor.
    kills : int
        How often a block, and then a single clip, may kill its worker before it is examined, or set aside.
    """

    name: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int = Field(1, ge=1)
    cpus_per_worker: int = Field(1, ge=1)
    gpus_per_worker: float = Field(0.0, ge=0)
    kills: int = Field(2, ge=1)


@dataclass(frozen=True)
class Finished:
    """A block whose summary stands in the folder, and how many of its rows failed."""

    block: Block
    failed: int = 0


class Work(Protocol):
    """A job that can be cut into blocks. With Ray it is copied to every worker, so it holds no open files."""

    name: str
    """What is done, one word for the progress: ``recording``."""

    def begin(self, device: str, threads: int) -> None:
        """Get ready in a worker's own process: there the job may set threads and move the network."""

    def compute(self, blocks: Sequence[Block], set_aside: Mapping[int, str]) -> Iterator[Finished]:
        """Compute blocks in any order; yield each once its summary ``Node(0, index)`` stands in the folder.

        Parameters
        ----------
        blocks : sequence of Block
            What is missing.
        set_aside : mapping of int to str
            Rows that are not to be touched, with the reason: they become counted failures.
        """

    def try_alone(self, row: int) -> None:
        """Do for one row what a block does, and keep nothing; errors of the row itself are no matter here."""


@contextmanager
def session(engine: Engine | Mapping[str, Any] | None = None) -> Iterator[None]:
    """Keep what an engine starts (a cluster) for all jobs of the block; each would else start its own."""
    settings = Engine.of(engine)
    if settings.name not in SESSIONS:
        yield
        return
    opened: Any = lookup(SESSIONS, settings.name, room="engines", kind="engine")
    with opened(settings):
        yield


def run(
    blocks: Blocks,
    folder: Path,
    work: Work,
    merge: Merge,
    engine: Engine | Mapping[str, Any] | None = None,
) -> list[Path]:
    """Compute what is missing and return the summary files whose fold is the result, in block order.

    Parameters
    ----------
    blocks : Blocks
        All blocks of the job, of :func:`otoscope.work.blocks.plan`.
    folder : Path
        Where the summaries lie; with several machines on a store that all of them reach.
    work : Work
        The job.
    merge : callable
        Merges two summaries.
    engine : Engine, optional
        Who computes.

    Raises
    ------
    InputError
        If a setting belongs to another engine.
    WorkerError
        If workers are killed again and again and no single row is the cause, or none can start.
    """
    settings = Engine.of(engine)
    if settings.name == "local":
        foreign = sorted(settings.model_fields_set - {"name"})
        if foreign:
            raise InputError(f"{', '.join(foreign)} belong to the engine 'ray', and this is 'local'")
    chosen: Any = lookup(ENGINES, settings.name, room="engines", kind="engine")
    paths: list[Path] = chosen(blocks, folder, work, merge, settings)
    return paths
