"""The sounds that a set is scored on, all at once or some at a time: decoded, cut to one length, contaminated.

A clip sounds the same whichever others are asked for with it: its contaminant hangs on its id alone, and where the
network takes clips of any length, all are padded to the longest of the whole set (:attr:`SetSounds.n_samples`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.data.contaminate import Contaminator
from otoscope.errors import Failure, StageError
from otoscope.explain.mixed import contaminated, mixed_with, with_parts
from otoscope.explain.score_set_config import ScoreSetConfig
from otoscope.explain.sounds import Sounds, decoded
from otoscope.models.audio_model import AudioModel


@dataclass(frozen=True)
class Some:
    """Some clips of a set.

    Attributes
    ----------
    sounds : Sounds or None
        None: not one can be heard.
    added : tuple of str or None
        Id of each clip's contaminant; None where nothing is added.
    failures : tuple of Failure
        Those that cannot be heard.
    positions : array of int (clip,)
        Of the sounds.
    """

    sounds: Sounds | None
    added: tuple[str, ...] | None
    failures: tuple[Failure, ...]
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class SetSounds:
    """The clips of a set, numbered by their position among those that were chosen.

    Attributes
    ----------
    clips : Clips
        The collection.
    rows : array of int (position,)
        Which of its rows.
    snr_db : float
        Energy of a clip above that of its contaminant.
    add : Contaminator or None
        Adds it.
    n_samples : int or None
        Length of every sound; None: as the network cuts, or the longest of those asked for.
    """

    clips: Clips
    rows: NDArray[np.int64]
    snr_db: float = 0.0
    add: Contaminator | None = None
    n_samples: int | None = None

    @classmethod
    def of(
        cls, model: AudioModel, clips: Clips, how: ScoreSetConfig, rows: Sequence[int] | None = None
    ) -> Self:
        """Return the chosen clips, none of them read yet."""
        chosen = np.array(list(dict.fromkeys(range(len(clips)) if rows is None else rows)), np.int64)
        return cls(clips, chosen, how.snr_db, contaminator(model, clips, how))

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, model: AudioModel, positions: Sequence[int]) -> Some:
        """Return the clips at these positions, in that order."""
        asked = {int(self.rows[one]): one for one in positions}
        heard, failures = decoded(self.clips, model, list(asked), n_samples=self.n_samples)
        added = None
        if heard is not None and self.add is None:
            heard = with_parts(heard, self.clips, model)
        elif heard is not None and self.add is not None:
            heard, made, silent = mixed_with(heard, self.clips, self.add, self.snr_db)
            added, failures = tuple(one.source for one in made), (*failures, *silent)
        rows = () if heard is None or heard.rows is None else heard.rows
        return Some(heard, added, failures, np.array([asked[int(row)] for row in rows], np.int64))

    def all_of(self, model: AudioModel, positions: NDArray[np.int64]) -> Sounds:
        """Return clips that were heard before.

        Raises
        ------
        StageError
            If one cannot be heard any more.
        """
        found = self.some(model, positions.tolist())
        if found.sounds is None or found.failures:
            lost = found.failures[0]
            raise StageError(
                f"{lost.id} could be read when it was explained, and cannot be now ({lost.reason}): put it back and "
                "start again; finished blocks are kept"
            )
        return found.sounds

    def table(self, positions: NDArray[np.int64]) -> pl.DataFrame:
        """Return row, id and group of the clips at these positions."""
        return self.clips.table[self.rows[positions]].select("row", "id", "group")

    def failure(self, position: int, stage: str, reason: str) -> Failure:
        """Return the failure of a clip."""
        row = int(self.rows[position])
        return Failure(row, str(self.clips.table["id"][row]), stage, reason)


def contaminator(model: AudioModel, clips: Clips, how: ScoreSetConfig) -> Contaminator | None:
    """Return what adds the contaminant that is asked for; None where none is."""
    if how.contamination is None:
        return None
    drawn = None if how.contamination == "white" else clips
    if how.contaminants is not None:
        drawn = clips_of(how.contaminants)
    return Contaminator(how.contamination, model.sample_rate, drawn, how.seed)


def sounds_of(
    model: AudioModel, clips: Clips, how: ScoreSetConfig, rows: Sequence[int] | None = None
) -> Sounds:
    """Return the sounds that are scored, all at once, contaminated where that is asked for."""
    sounds = with_parts(Sounds.of(clips, model, rows), clips, model)
    add = contaminator(model, clips, how)
    return sounds if add is None else contaminated(sounds, clips, add, how.snr_db)[0]
