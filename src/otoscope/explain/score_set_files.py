"""What a set that is being scored leaves on the disk, until its tables are written: two rounds over blocks of clips.

In ``unfinished-<hash8>/`` beside the tables::

    lengths/          summaries only: the longest clip, where the network takes clips of any length
    explained/        summaries of the first round: clips heard, cases, seconds, failures
    explained/blocks/<block>.safetensors       what the network says of the block's clips, what was added to them
    explained/masks/<method>/<position>-<class>.safetensors      a case's mask, and its ranking for curves
    scored/           summaries of the second round, which reads the masks of other clips: failures
    scored/blocks/<block>.parquet              the block's rows of the table of scores
    scored/blocks/<block>.safetensors          what heads and stand-ins say of its clips, where that is asked for
    sanity/           summaries of the randomisation check, a method each
    sanity/methods/<method>.parquet

A block's files are written before its summary, so what a summary covers is there (:mod:`otoscope.work.blocks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import Failure
from otoscope.explain.score import Masks
from otoscope.explain.spectrogram import Spectrogram
from otoscope.store import tensors


@dataclass(frozen=True)
class Files:
    """Where the parts of a set lie.

    Attributes
    ----------
    root : Path
        On a store that all workers reach.
    """

    root: Path

    def summaries(self, kind: str) -> Path:
        """Return the folder of a round's summaries: ``lengths``, ``explained``, ``scored`` or ``sanity``."""
        return self.root / kind

    def heard(self, block: int) -> Path:
        """Return what the network says of a block's clips."""
        return self.root / "explained" / "blocks" / f"{block}.safetensors"

    def mask(self, method: int, position: int, target: int) -> Path:
        """Return the mask of a case."""
        return self.root / "explained" / "masks" / str(method) / f"{position}-{target}.safetensors"

    def scores(self, block: int) -> Path:
        """Return a block's rows of the table of scores."""
        return self.root / "scored" / "blocks" / f"{block}.parquet"

    def said(self, block: int) -> Path:
        """Return what heads and stand-ins say of a block's clips."""
        return self.root / "scored" / "blocks" / f"{block}.safetensors"

    def sanity(self, method: int) -> Path:
        """Return a method's rows of the table of the randomisation check."""
        return self.root / "sanity" / "methods" / f"{method}.parquet"


@dataclass(frozen=True)
class Summary:
    """What blocks say together; those of neighbours are joined.

    Attributes
    ----------
    arrays : mapping of str to array
        Joined along their first axis.
    failures : tuple of Failure
        In the order of blocks.
    """

    arrays: Mapping[str, NDArray[Any]]
    failures: tuple[Failure, ...] = ()

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        note = [asdict(one) for one in self.failures]
        tensors.write(path, self.arrays, note)

    @classmethod
    def read(cls, path: Path) -> Summary:
        """Return what was written."""
        arrays, note = tensors.read_with_note(path)
        return cls(arrays, tuple(Failure(**one) for one in note))

    @classmethod
    def fold(cls, paths: Iterable[Path]) -> Summary:
        """Return the whole of the summaries in files."""
        return reduce(_joined, (cls.read(one) for one in paths))


def merge(left: Path, right: Path, out: Path) -> None:
    """Join two summaries into a third."""
    _joined(Summary.read(left), Summary.read(right)).write(out)


def _joined(left: Summary, right: Summary) -> Summary:
    arrays = {name: np.concatenate([one, right.arrays[name]]) for name, one in left.arrays.items()}
    return Summary(arrays, (*left.failures, *right.failures))


def write_mask(path: Path, masks: Masks, case: int) -> None:
    """Write the mask of one case."""
    arrays: dict[str, NDArray[Any]] = {"mask": masks.values[case]}
    if masks.ranking is not None:
        arrays["ranking"] = masks.ranking[case]
    tensors.write(path, arrays, {"domain": masks.domain, "spectrogram": masks.on.to_json()})


def read_masks(paths: Sequence[Path]) -> Masks:
    """Return masks in the order of their files; all are of one method."""
    read = [tensors.read_with_note(one) for one in paths]
    note = read[0][1]
    ranking = np.stack([arrays["ranking"] for arrays, _ in read]) if "ranking" in read[0][0] else None
    values = np.stack([arrays["mask"] for arrays, _ in read])
    return Masks(values, Spectrogram.from_json(note["spectrogram"]), note["domain"], ranking)
