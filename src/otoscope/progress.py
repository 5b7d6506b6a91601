"""Progress of long loops: silent unless the command line turned it on for the block it runs in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Item = TypeVar("Item")

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
    if not _shown.get():
        yield from items
        return
    with _bar() as bar:
        task = bar.add_task(description, total=total)
        for item in items:
            yield item
            bar.advance(task)


@contextmanager
def meter(total: int, description: str) -> Iterator[Callable[[int], None]]:
    """Give a function that reports how many more of ``total`` are done."""
    if not _shown.get():
        yield lambda done: None
        return
    with _bar() as bar:
        task = bar.add_task(description, total=total)
        yield lambda done: bar.advance(task, done)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(file=sys.stderr), transient=not sys.stderr.isatty())
