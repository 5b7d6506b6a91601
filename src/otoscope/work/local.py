"""The local engine: blocks one after another in this process, summaries merged as soon as both halves exist.

At most log2(number of blocks) + 1 summaries lie on the disk at a time, and two in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from otoscope.progress import meter
from otoscope.work import set_aside
from otoscope.work.blocks import Blocks, Node, finished
from otoscope.work.engine import Engine, Merge, Work


def missing(blocks: Blocks, folder: Path) -> Blocks:
    """Return the blocks that no summary in ``folder`` covers."""
    folder.mkdir(parents=True, exist_ok=True)
    return blocks.without(finished(folder))


def run(blocks: Blocks, folder: Path, work: Work, merge: Merge, engine: Engine) -> list[Path]:
    """Compute what is missing and return the summary files whose fold is the result, in block order.

    Parameters and errors are those of :func:`otoscope.work.engine.run`.
    """
    todo = missing(blocks, folder)
    with meter(todo.rows, work.name) as report:
        for one in work.compute(todo, set_aside.read(folder)) if len(todo) else ():
            for node in _complete(Node(0, one.block.index), folder):
                join(node, folder, merge)
            report(one.block.n_rows, one.failed)
    for node in leftovers(folder):
        join(node, folder, merge)
    return [node.path(folder) for node in finished(folder)]


def join(node: Node, folder: Path, merge: Merge) -> None:
    """Merge the two children of ``node`` and remove them; what a killed one left behind is brought to its end."""
    left, right = (child.path(folder) for child in node.children)
    if not node.path(folder).is_file():
        merge(left, right, node.path(folder))
    left.unlink(missing_ok=True)
    right.unlink(missing_ok=True)


def leftovers(folder: Path) -> Iterator[Node]:
    """Yield nodes whose children a killed run left side by side, as long as there are any."""
    while True:
        present = set(finished(folder))
        ready = [one.parent for one in sorted(present) if set(one.parent.children) <= present]
        if not ready:
            return
        yield ready[0]


def _complete(node: Node, folder: Path) -> Iterator[Node]:
    """Yield the parents of ``node`` that can be merged now, bottom up."""
    while all(child.path(folder).is_file() for child in node.parent.children):
        node = node.parent
        yield node
