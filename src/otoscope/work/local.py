"""The local engine: blocks one after another in this process, summaries merged as soon as both halves exist.

At most log2(number of blocks) + 1 summaries lie on the disk at a time, and two in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from otoscope.work.blocks import Block, Node, finished

#: ``(left, right, out)``: merge two summary files into a third, atomically.
Merge = Callable[[Path, Path, Path], None]


def missing(blocks: Sequence[Block], folder: Path) -> tuple[Block, ...]:
    """Return the blocks that no summary in ``folder`` covers."""
    folder.mkdir(parents=True, exist_ok=True)
    done = finished(folder)
    return tuple(block for block in blocks if not any(node.covers(block.index) for node in done))


def run(
    blocks: Sequence[Block], folder: Path, compute: Callable[[Sequence[Block]], Iterable[Block]], merge: Merge
) -> list[Path]:
    """Compute what is missing and return the summary files whose fold is the result, in block order.

    Parameters
    ----------
    blocks : sequence of Block
        All blocks of the job.
    folder : Path
        Where the summaries lie.
    compute : callable
        Given the missing blocks, computes them in any order; yields a block once its summary file
        ``Node(0, index)`` stands in ``folder``.
    merge : callable
        Merges two summaries.
    """
    for block in compute(missing(blocks, folder)):
        for node in _complete(Node(0, block.index), folder):
            left, right = (child.path(folder) for child in node.children)
            merge(left, right, node.path(folder))
            left.unlink()
            right.unlink()
    _merge_leftovers(folder, merge)
    return [node.path(folder) for node in finished(folder)]


def _complete(node: Node, folder: Path) -> Iterator[Node]:
    """Yield the parents of ``node`` that can be merged now, bottom up."""
    while all(child.path(folder).is_file() for child in node.parent.children):
        node = node.parent
        yield node


def _merge_leftovers(folder: Path, merge: Merge) -> None:
    """Merge pairs that a killed run left side by side."""
    pairs = True
    while pairs:
        present = set(finished(folder))
        pairs = False
        for node in sorted(present):
            left, right = node.parent.children
            if left == node and right in present:
                merge(left.path(folder), right.path(folder), node.parent.path(folder))
                pairs = True
                break
