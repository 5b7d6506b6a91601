"""Which rows belong together, and in which fixed order are their summaries merged?

Rows are cut into blocks ``[i * size, (i + 1) * size)``. The summary of block i is node (0, i) of a binary tree;
node (l, i) merges nodes (l - 1, 2 i) and (l - 1, 2 i + 1). The tree depends on nothing but the number of rows, so
sums of floats come out with the same bits whatever the order in which blocks were finished. A node's file is its
commit marker: it exists only when everything below it is done.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from otoscope.errors import InputError

_NAME = re.compile(r"^(\d+)-(\d+)\.safetensors$")


@dataclass(frozen=True, order=True)
class Block:
    """A range of rows: ``start`` inclusive, ``stop`` exclusive."""

    index: int
    start: int
    stop: int

    @property
    def n_rows(self) -> int:
        """How many rows."""
        return self.stop - self.start


@dataclass(frozen=True, order=True)
class Node:
    """A node of the merge tree: it covers the blocks ``[index << level, (index + 1) << level)``."""

    level: int
    index: int

    @property
    def first_block(self) -> int:
        """The first block below the node."""
        return self.index << self.level

    @property
    def parent(self) -> Node:
        """The node that merges this one with its sibling."""
        return Node(self.level + 1, self.index >> 1)

    @property
    def children(self) -> tuple[Node, Node]:
        """The two nodes that this one merges."""
        return Node(self.level - 1, self.index << 1), Node(self.level - 1, (self.index << 1) + 1)

    def covers(self, block: int) -> bool:
        """Return whether ``block`` is below the node."""
        return block >> self.level == self.index

    def path(self, folder: Path) -> Path:
        """Return the node's file in ``folder``."""
        return folder / f"{self.level}-{self.index}.safetensors"


def plan(n_rows: int, size: int) -> tuple[Block, ...]:
    """Return the blocks of ``n_rows`` rows.

    Examples
    --------
    >>> plan(5, 2)
    (Block(index=0, start=0, stop=2), Block(index=1, start=2, stop=4), Block(index=2, start=4, stop=5))
    """
    if size < 1:
        raise InputError(f"a block needs at least one row, got a size of {size}")
    return tuple(Block(i, start, min(start + size, n_rows)) for i, start in enumerate(range(0, n_rows, size)))


def finished(folder: Path) -> list[Node]:
    """Return the topmost nodes present in ``folder``, in block order; nodes below another one are removed."""
    matches = [_NAME.match(path.name) for path in folder.glob("*.safetensors")]
    present = sorted(Node(int(m.group(1)), int(m.group(2))) for m in matches if m)
    roots = [node for node in present if not any(o != node and _below(node, o) for o in present)]
    for node in present:
        if node not in roots:
            node.path(folder).unlink()
    return sorted(roots, key=lambda node: node.first_block)


def _below(node: Node, other: Node) -> bool:
    return other.level > node.level and other.covers(node.first_block)
