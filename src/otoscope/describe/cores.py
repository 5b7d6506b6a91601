"""Run pieces of one computation on all cores, each on one.

Torch divides a single operation among its threads, which then wait for each other busily; for many short operations,
on a machine that also has other work, that waiting costs more than the work. Here each thread does whole pieces, and
torch runs single-threaded inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")


def on_all_cores(work: Callable[[Piece], None], pieces: Iterable[Piece], device: torch.device) -> None:
    """Do ``work`` on every piece; the order is not defined on a processor, and one after the other elsewhere.

    Parameters
    ----------
    work : callable
        Independent for each piece; its own arrays may be written without overlap.
    pieces : iterable
    device : torch.device
        Where the work runs. On a processor as many pieces run at once as torch may use threads.
    """
    n_threads = torch.get_num_threads()
    if device.type != "cpu" or n_threads == 1:
        for piece in pieces:
            work(piece)
        return
    try:
        with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, pieces))
    finally:
        torch.set_num_threads(n_threads)  # what threads that start later begin with; this one never changed
