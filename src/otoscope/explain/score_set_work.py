"""Scoring a set as work that an engine hands out (:mod:`otoscope.work.engine`), in rounds.

What a clip's scores need of other clips are their masks (controls ``other-same`` and ``other-different``) and their
sound (the removal ``background``). So a first round (:mod:`otoscope.explain.score_set_explaining`) writes the mask of
every case, and a second (:mod:`otoscope.explain.score_set_scoring`), which knows who lends to whom, reads those of the
block's own cases and of their lenders, and decodes the backgrounds. Before them, :class:`Measuring` finds the longest
clip where the network takes any length; after them, :class:`Forgetting` does the randomisation check, a method at a
time.

In memory are the clips of one block, their masks and those of two lenders a case, by one method at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from otoscope import heap
from otoscope.errors import Failure
from otoscope.explain.methods import Method, methods
from otoscope.explain.randomise import cascade
from otoscope.explain.score_set_config import ScoreSetConfig
from otoscope.explain.score_set_files import Files, Summary
from otoscope.explain.score_set_sounds import SetSounds
from otoscope.explain.sounds import Sounds
from otoscope.models.audio_model import AudioModel
from otoscope.progress import shown
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of
from otoscope.store import tables
from otoscope.work.blocks import Block, Node
from otoscope.work.engine import Finished


@dataclass
class SetJob:
    """What the rounds of a set share. It travels to workers without the methods, which each opens itself.

    Attributes
    ----------
    model : AudioModel
    sounds : SetSounds
        The clips.
    how : ScoreSetConfig
    folders : tuple of Path
        Of trained explainers.
    files : Files
        Where the parts lie.
    found : tuple of Method or None
        The methods, where they are open.
    """

    model: AudioModel
    sounds: SetSounds
    how: ScoreSetConfig
    folders: tuple[Path, ...]
    files: Files
    found: tuple[Method, ...] | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Travel without nets that may be on a device."""
        return {**vars(self), "found": None}

    def begin(self, device: str, threads: int) -> None:
        """Set torch's threads and put the network on the worker's device."""
        torch.set_num_threads(threads)
        self.model, self.found = self.model.to(device), None

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods, opened where they are not."""
        if self.found is None:
            how = self.how
            self.found = tuple(methods(how.methods, self.folders, how.options, self.model))
        return self.found


@dataclass
class Round:
    """Blocks of clips, one after the other; what fails is in the block's summary."""

    job: SetJob

    def begin(self, device: str, threads: int) -> None:
        """Get ready in a worker's own process."""
        self.job.begin(device, threads)

    def each(self, kind: str, blocks: Sequence[Block], do: Callable[[Block], Summary]) -> Iterator[Finished]:
        """Yield each block once what ``do`` gives stands in the folder."""
        for block in blocks:
            with shown(False), lent(self.job.model), heap.kept():
                summary = do(block)
            summary.write(Node(0, block.index).path(self.job.files.summaries(kind)))
            yield Finished(block, len(summary.failures))

    def lost(self, block: Block, set_aside: Mapping[int, str]) -> tuple[Failure, ...]:
        """Return the failures of clips that are not to be touched."""
        there = (one for one in range(block.start, block.stop) if one in set_aside)
        return tuple(self.job.sounds.failure(one, "worker", set_aside[one]) for one in there)


@dataclass
class Measuring(Round):
    """How long is the longest clip?"""

    name: str = "measuring"

    def compute(self, blocks: Sequence[Block], set_aside: Mapping[int, str]) -> Iterator[Finished]:
        """Measure blocks; a clip that cannot be decoded counts in the next round."""

        def longest(block: Block) -> Summary:
            sounds = self._some([one for one in range(block.start, block.stop) if one not in set_aside])
            return Summary({"longest": np.array([0 if sounds is None else sounds.waveforms.shape[2]])})

        return self.each("lengths", blocks, longest)

    def try_alone(self, row: int) -> None:
        """Decode one clip."""
        self._some([row])

    def _some(self, positions: Sequence[int]) -> Sounds | None:
        return replace(self.job.sounds, add=None).some(self.job.model, positions).sounds


@dataclass
class Forgetting(Round):
    """Does an explanation change when the network forgets? A row is a method.

    Attributes
    ----------
    names : tuple of str
        Of the methods.
    clips : array of int (clip,)
        Positions of the clips that are looked at, explained together.
    places : array of int (clip,)
        Their places in the set.
    """

    names: tuple[str, ...]
    clips: NDArray[np.int64]
    places: NDArray[np.int64]
    name: str = "randomising weights"

    def compute(self, blocks: Sequence[Block], set_aside: Mapping[int, str]) -> Iterator[Finished]:
        """Randomise under each method of the blocks."""

        def forgotten(block: Block) -> Summary:
            for row in range(block.start, block.stop):
                if row not in set_aside:
                    tables.write(self.job.files.sanity(row), self._table(row))
            lost = [one for one in range(block.start, block.stop) if one in set_aside]
            return Summary({}, tuple(Failure(-1, self.names[one], "worker", set_aside[one]) for one in lost))

        return self.each("sanity", blocks, forgotten)

    def try_alone(self, row: int) -> None:
        """Randomise under one method; nothing is kept."""
        self._table(row)

    def _table(self, row: int) -> pl.DataFrame:
        """Return the rank correlation with the first explanation per clip and randomised module."""
        job = self.job
        waveform = torch.from_numpy(job.sounds.all_of(job.model, self.clips).waveforms)
        found = cascade(
            job.methods[row].explainer, job.model, waveform.to(device_of(job.model)), seed=job.how.seed
        )
        rows = [
            {
                "method": self.names[row],
                "clip": int(clip),
                "step": step,
                "module": module,
                "correlation": float(value),
            }
            for step, (module, values) in enumerate(found.items())
            for clip, value in zip(self.places, values, strict=True)
        ]
        return pl.DataFrame(rows)
