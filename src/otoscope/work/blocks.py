"""Which rows belong together, and in which fixed order are their summaries merged?

Rows are cut into blocks ``[i * size, (i + 1) * size)``. The summary of block i is node (0, i) of a binary tree;
node (l, i) merges nodes (l - 1, 2 i) and (l - 1, 2 i + 1). The tree depends on nothing but the number of rows, so
sums of floats come out with the same bits whatever the order in which blocks were finished. A node's file is its
commit marker: it exists only when everything below it is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, eq=False)
class Blocks(Sequence[Block]):
    """Blocks of one size, each made when it is asked for: a hundred thousand of them take next to no memory.

    Attributes
    ----------
    n_rows, size : int
        Rows in all, and in a block.
    indices : range or array of int
        Which blocks, rising.
    """

    n_rows: int
    size: int
    indices: range | NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> Block: ...
    @overload
    def __getitem__(self, place: slice) -> Blocks: ...
    def __getitem__(self, place: int | slice) -> Block | Blocks:
        if isinstance(place, slice):
            return Blocks(self.n_rows, self.size, self.indices[place])
        index = int(self.indices[place])
        return Block(index, index * self.size, min((index + 1) * self.size, self.n_rows))

    def without(self, done: Iterable[Node]) -> Blocks:
        """Return those that are below none of the nodes."""
        indices = np.asarray(self.indices, np.int64)
        rest = np.ones(len(indices), np.bool_)
        for node in done:
            rest &= indices >> node.level != node.index
        return Blocks(self.n_rows, self.size, indices[rest])

    @property
    def rows(self) -> int:
        """Return how many rows they have."""
        return sum(one.n_rows for one in self)


def plan(n_rows: int, size: int) -> Blocks:
    """Return the blocks of ``n_rows`` rows.

    Examples
    --------
    >>> list(plan(5, 2))
    [Block(index=0, start=0, stop=2), Block(index=1, start=2, stop=4), Block(index=2, start=4, stop=5)]
    """
    if size < 1:
        raise InputError(f"a block needs at least one row, got a size of {size}")
    return Blocks(n_rows, size, range(-(-n_rows // size)))


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
