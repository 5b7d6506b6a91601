"""Captioning as work that an engine hands out: a block's captions are a table, its summary says how many failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.caption import open_captioner
from otoscope.caption.captioner import Captioner, table
from otoscope.data.clips import Clips
from otoscope.store import tables, tensors
from otoscope.work.blocks import Block, Node
from otoscope.work.engine import Finished


@dataclass
class Captioning:
    """The clips of a run, put into words block by block.

    Attributes
    ----------
    spec : str
        The captioner; each worker opens its own.
    clips : Clips
        What is captioned.
    parts : Path
        Where the blocks' tables and summaries lie.
    workers : int or None
        Decoding processes; a Ray worker decodes in its own.
    words : Captioner or None
        The captioner, where it is open already.
    """

    spec: str
    clips: Clips
    parts: Path
    workers: int | None
    words: Captioner | None = None
    name: str = "captioning"

    def __getstate__(self) -> dict[str, Any]:
        """Travel without the captioner: it may be a network on a device."""
        return {**vars(self), "words": None}

    def begin(self, device: str, threads: int) -> None:
        """Open the captioner in this process."""
        self.words, self.workers = open_captioner(self.spec), 0

    def compute(self, blocks: Sequence[Block], set_aside: Mapping[int, str]) -> Iterator[Finished]:
        """Caption blocks; yield each once its table and its summary are on disk."""
        for block in blocks:
            lost = {row: set_aside[row] for row in range(block.start, block.stop) if row in set_aside}
            heard = [row for row in range(block.start, block.stop) if row not in lost]
            made = self._open().captions(self.clips, rows=heard, workers=self.workers)
            if lost:
                without = table(self.clips, sorted(lost), {}, lost)
                made = pl.concat([made, without], how="diagonal").sort("row")
            tables.write(part(self.parts, block), made)
            failed = int((made["status"] != "ok").sum())
            tensors.write(Node(0, block.index).path(self.parts), {"failed": np.array([failed])})
            yield Finished(block, failed)

    def try_alone(self, row: int) -> None:
        """Caption one clip; nothing is kept."""
        self._open().captions(self.clips, rows=[row])

    def _open(self) -> Captioner:
        if self.words is None:
            self.words = open_captioner(self.spec)
        return self.words


def part(parts: Path, block: Block) -> Path:
    """Return where a block's table lies."""
    return parts / f"{block.start}-{block.stop}.parquet"


def merge(left: Path, right: Path, out: Path) -> None:
    """Merge two summaries: failures add up."""
    tensors.write(out, {"failed": tensors.read(left)["failed"] + tensors.read(right)["failed"]})
