"""Progress of long loops: silent unless the command line turned it on for the block it runs in.

On a terminal a bar moves. In a file or a pipe, where bars would be rubbish, a line such as ``recording 200/400`` is
written every tenth of the way, at most one a second, or every 30 s while items are done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")


class Report(Protocol):
    """Say how many more are done, and how many of them failed."""

    def __call__(self, done: int, failed: int = 0) -> None:
        """Count them."""


TENTHS, SOONEST_S, LATEST_S = 10, 1.0, 30.0
"""Lines in all, and the seconds that pass between two of them."""

_shown: ContextVar[bool] = ContextVar("otoscope_progress_shown", default=False)


@contextmanager
def shown(on: bool = True) -> Iterator[None]:
    """Show progress on stderr while the block runs."""
    token = _shown.set(on)
    try:
        yield
    finally:
        _shown.reset(token)


def track(items: Iterable[Item], total: int | None, description: str) -> Iterator[Item]:
    """Yield ``items``; where progress is shown, a bar with count, rate and time left stands on stderr.

    Parameters
    ----------
    items : iterable
        What to loop over.
    total : int or None
        How many there are, None where unknown.
    description : str
        A few words: what is being done.
    """
    with _meter(total, description) as done:
        for item in items:
            yield item
            done(1)


@contextmanager
def meter(total: int, description: str) -> Iterator[Report]:
    """Give a function that reports how many more of ``total`` are done, and how many of them failed."""
    with _meter(total, description) as done:
        yield done


@contextmanager
def _meter(total: int | None, description: str) -> Iterator[Report]:
    if not _shown.get():
        yield lambda done, failed=0: None
    elif not sys.stderr.isatty():
        yield _Lines(total, description)
    else:
        with _bar() as bar:
            yield _Bar(bar, bar.add_task(description, total=total, failed=""))


class _Bar:
    """Moves a bar, and counts what failed beside it."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task, self._failed = bar, task, 0

    def __call__(self, done: int, failed: int = 0) -> None:
        self._failed += failed
        self._bar.update(self._task, advance=done, failed=_failures(self._failed))


def _failures(failed: int) -> str:
    return f", {failed} failed" if failed else ""


class _Lines:
    """Counts what is done and writes a line where one is due; short loops write their last one alone."""

    def __init__(self, total: int | None, description: str) -> None:
        self._total, self._description = total, description
        self._done = self._failed = self._written = 0
        self._begun = self._last = time.monotonic()

    def __call__(self, done: int, failed: int = 0) -> None:
        self._done += done
        self._failed += failed
        since = time.monotonic() - self._last
        if since >= LATEST_S or self._done == self._total or (since >= SOONEST_S and self._tenth_passed()):
            of = f"/{self._total}" if self._total else ""
            sys.stderr.write(f"{self._description} {self._done}{of}{_failures(self._failed)}{self._left()}\n")
            self._written, self._last = self._done, self._last + since

    def _left(self) -> str:
        """Return the rate and the time left, where both say something."""
        since = time.monotonic() - self._begun
        if not self._total or self._done >= self._total or since < LATEST_S:
            return ""
        rate = self._done / since
        return f", {rate:.3g} a second, {(self._total - self._done) / rate:.0f} s left" if rate else ""

    def _tenth_passed(self) -> bool:
        total = self._total
        return bool(total) and self._done * TENTHS // (total or 1) > self._written * TENTHS // (total or 1)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class _Speed(ProgressColumn):
        """Items a second."""

        def render(self, task: Any) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.3g}/s" if speed else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        _Speed(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(file=sys.stderr))
