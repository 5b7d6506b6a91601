"""The second round of a set that is scored: every mask beside its controls, lenders read from the first round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.explain.cases import Cases, Lenders
from otoscope.explain.fidelity import head_fidelity, stand_ins
from otoscope.explain.judge import probabilities
from otoscope.explain.score import table_of
from otoscope.explain.score_set_files import Summary, read_masks
from otoscope.explain.score_set_work import Round
from otoscope.explain.sounds import Sounds
from otoscope.progress import shown
from otoscope.record.hooks import lent
from otoscope.store import tables, tensors
from otoscope.work.blocks import Block
from otoscope.work.engine import Finished

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class _Part:
    """Some clips of the set with their cases; those that lend stand behind them.

    Attributes
    ----------
    places : array of int (clip,)
        Of the clips in the set.
    sounds : Sounds
        Of the clips, then of backgrounds.
    cases : Cases
        Of the clips.
    lenders : Lenders
        By their place in ``masks`` and in ``sounds``.
    masks : array of int (mask,)
        Cases of the set whose masks are read: their own, then those of lenders.
    output : array (clip, class)
        What the network says of the clips.
    about : polars.DataFrame
        One row a clip: clip, row, id, group, and what was added to it.
    """

    places: Indices
    sounds: Sounds
    cases: Cases
    lenders: Lenders
    masks: Indices
    output: NDArray[np.float64]
    about: pl.DataFrame


@dataclass
class Scoring(Round):
    """How good are the masks, beside every control?

    Attributes
    ----------
    names : tuple of str
        Of the methods, as they stand in tables.
    clips : array of int (place,)
        Position of each clip of the set that was heard.
    cases : Cases
        Of the whole set, clips by place; without probabilities.
    lenders : Lenders
        Who lends to each case.
    """

    names: tuple[str, ...]
    clips: Indices
    cases: Cases
    lenders: Lenders
    name: str = "scoring"

    def compute(self, blocks: Sequence[Block], set_aside: Mapping[int, str]) -> Iterator[Finished]:
        """Score blocks."""

        def scored(block: Block) -> Summary:
            heard = self._places(block.start, block.stop)
            places = np.array([one for one in heard if int(self.clips[one]) not in set_aside], np.int64)
            if places.size:
                self._write(block.index, self._part(block.index, places))
            there = {int(self.clips[one]) for one in heard}
            return Summary({}, self.lost(block, {one: why for one, why in set_aside.items() if one in there}))

        return self.each("scored", blocks, scored)

    def try_alone(self, row: int) -> None:
        """Score one clip; nothing is kept."""
        place = self._places(row, row + 1)
        if place.size:
            with shown(False), lent(self.job.model):
                part = self._part(row // self.job.how.block, place)
                for number in range(len(self.names)):
                    self._table(number, part)
                    self._said(number, part)

    def _places(self, start: int, stop: int) -> Indices:
        """Return the places of the clips between two positions."""
        return np.arange(*np.searchsorted(self.clips, [start, stop]))

    def _part(self, block: int, places: Indices) -> _Part:
        """Return clips of a block with all that their scores need."""
        job = self.job
        cases = np.arange(*np.searchsorted(self.cases.clips, [places[0], places[-1] + 1]))
        cases = cases[np.isin(self.cases.clips[cases], places)]
        lent_by = Lenders(self.lenders.masks[cases], self.lenders.backgrounds[cases])
        clips, masks = _behind(places, lent_by.backgrounds), _behind(cases, lent_by.masks)
        arrays, note = tensors.read_with_note(job.files.heard(block))
        own = np.flatnonzero(np.isin(arrays["clips"], self.clips[places]))
        output = arrays["output"][own]
        chosen = Cases(
            _index(self.cases.clips[cases], clips),
            self.cases.targets[cases],
            probabilities(output, job.how.activation),
            clips,
        )
        about = job.sounds.table(self.clips[places]).with_columns(clip=pl.Series(places))
        if note["added"] is not None:
            about = about.with_columns(added=pl.Series([note["added"][one] for one in own]))
        return _Part(
            places,
            job.sounds.all_of(job.model, self.clips[clips]),
            chosen,
            Lenders(_index(lent_by.masks, masks), _index(lent_by.backgrounds, clips)),
            masks,
            output,
            about,
        )

    def _write(self, block: int, part: _Part) -> None:
        """Write the rows of a block, and what heads and stand-ins say of its clips."""
        files, numbers = self.job.files, range(len(self.names))
        if len(part.cases):
            rows = pl.concat([self._table(one, part) for one in numbers], how="vertical_relaxed")
            tables.write(files.scores(block), rows)
        said = {name: one for number in numbers for name, one in self._said(number, part).items()}
        if said:
            tensors.write(files.said(block), {"clips": part.places, **said})

    def _table(self, number: int, part: _Part) -> pl.DataFrame:
        """Return the rows of a method."""
        job = self.job
        if not len(part.cases):
            return pl.DataFrame()
        clips, targets = self.clips[self.cases.clips[part.masks]], self.cases.targets[part.masks]
        masks = read_masks(
            [job.files.mask(number, int(clip), int(one)) for clip, one in zip(clips, targets, strict=True)]
        )
        rows = table_of(
            job.model, part.sounds, part.cases, part.lenders, self.names[number], masks, job.how.scoring()
        )
        return rows.join(part.about, on="clip", how="left", maintain_order="left")

    def _said(self, number: int, part: _Part) -> dict[str, NDArray[Any]]:
        """Return what a method's head and stand-ins say of the clips, by ``<method>.head.<name>`` and the like."""
        job, how = self.job, self.job.how
        explainer, own = job.methods[number].explainer, part.sounds.take(np.arange(len(part.places)))
        found = {
            f"{number}.head.{name}": values
            for name, values in head_fidelity(explainer, job.model, own, part.output, how.batch_size).items()
        }
        if how.label_fidelity:
            each = how.scoring().model_copy(update={"activation": "sigmoid"})
            made = stand_ins(job.model, own, explainer, part.output.shape[1], each, part.places)
            found |= {f"{number}.stand-in.{name}": values for name, values in made.items()}
        return found


def _behind(own: Indices, lenders: Indices) -> Indices:
    """Return what is one's own, and behind it those that lend and are not among it."""
    return np.concatenate([own, np.setdiff1d(lenders[lenders >= 0], own)])


def _index(wanted: Indices, among: Indices) -> Indices:
    """Return where values stand ``among`` others, shape of ``wanted``; -1 stays."""
    order = np.argsort(among)
    found = order[np.minimum(np.searchsorted(among, wanted, sorter=order), len(among) - 1)]
    return np.where(wanted < 0, -1, found)
