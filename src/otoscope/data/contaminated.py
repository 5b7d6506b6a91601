"""Clips of a collection with other clips of it under each: ``contaminated:esc50:PATH``, SpeechBrain's mixtures.

What the recipes' tables "out of domain" are made on: every clip of the folds ``folds`` (published: 4, which chose the
network) with ``per_clip`` clips of the folds ``from_folds`` (published: 5), one at a time, each a sample of its own, at
12.04 dB over the whole clip: 0.8 s / |s| + 0.2 n / |n|. The label is the upper clip's.

*Where we differ*: the sum keeps the clip's level, where the recipes divide by its signed maximum (networks that are
trained so divide again); what is drawn hangs on the seed and the clip's id, not on the order of clips. As published the
lower clip may be of the same class; ``other_class=true`` leaves such draws out. Samples of one clip are of one group.

Nothing is written: a sample is mixed when it is read, and its parts are known, so that the energy that a mask passes
can be told apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.audio import channels
from otoscope.audio.mix import overlap_at_snr
from otoscope.audio.resample import resample
from otoscope.audio.windows import fit
from otoscope.data.clips import Clips, LabelSet
from otoscope.data.mixture_source import sum_of
from otoscope.data.seeded import seeded
from otoscope.data.source import Source
from otoscope.data.table import assemble
from otoscope.errors import AudioFileError, EmptyDataError, InputError
from otoscope.store.hashing import canonical_json

_EXPECTED = "contaminated:DATA?folds=4&from_folds=5&per_clip=2&snr_db=12.04&seed=0"


@dataclass(frozen=True)
class PairSource:
    """Mixes two clips when a sample is read.

    Attributes
    ----------
    inner : Source
        Reads the clips.
    sample_rate : int
        Hz.
    snr_db : float
        Energy of the upper clip above that of the lower one.
    """

    inner: Source
    sample_rate: int
    snr_db: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that :meth:`read` needs."""
        return ("parts",)

    def read(self, record: Mapping[str, Any]) -> tuple[NDArray[np.float32], int]:
        """Return (waveform float32 (1, time), sample_rate).

        Raises
        ------
        AudioFileError
            If one of the two cannot be read, or is digital silence.
        """
        return sum_of(self.parts(record)), self.sample_rate

    def parts(self, record: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return the upper and the lower clip as they stand in the sum, float32 (2, time)."""
        upper, lower = (self._heard(one) for one in json.loads(record["parts"]))
        try:
            made = overlap_at_snr(upper, fit(lower, upper.shape[1], "pad"), self.snr_db)
        except InputError as error:
            raise AudioFileError(f"{record['id']}: {error}") from error
        return np.concatenate([made.first, made.second]).astype(np.float32)

    def size(self, record: Mapping[str, Any]) -> int:
        """Return the number of bytes of the clips that it is made of."""
        return sum(self.inner.size(one["record"]) for one in json.loads(record["parts"]))

    def _heard(self, part: Mapping[str, Any]) -> NDArray[np.float32]:
        waveform, rate = self.inner.read(part["record"])
        return np.asarray(resample(channels.apply(waveform, "mix"), rate, self.sample_rate))


def load(
    rest: str,
    *,
    folds: str = "4",
    from_folds: str = "5",
    per_clip: int = 2,
    snr_db: float = 12.04,
    other_class: bool = False,
    labels: str = "",
    sample_rate: int = 16000,
    seed: int = 0,
) -> Clips:
    """Return clips with other clips under each, as in SpeechBrain's mixtures: contaminated:DATA.

    Parameters
    ----------
    rest : str
        The collection, such as ``esc50:PATH``; its own options are written with ``%3F`` for the question mark and
        ``%26`` for ``&``.
    folds, from_folds : str
        Of the upper and of the lower clips; no fold is both.
    per_clip : int
        Samples of each upper clip.
    snr_db : float
        Energy of the upper clip above that of the lower one.
    other_class : bool
        Whether the lower clip must be of another class; published: it need not.
    labels : str
        The label set, with one label a clip; empty is the primary one.
    sample_rate : int
        Hz.
    seed : int
        Equal seeds give equal samples.

    Raises
    ------
    InputError
        If folds overlap, a number cannot be used, or the label set gives a clip several labels.
    EmptyDataError
        If too few clips can be drawn.
    """
    from otoscope.data import open_data

    return pairs(
        open_data(unquote(rest)),
        folds,
        from_folds,
        per_clip=per_clip,
        snr_db=snr_db,
        other_class=other_class,
        labels=labels,
        sample_rate=sample_rate,
        seed=seed,
        spec=f"contaminated:{rest}",
    )


def pairs(
    clips: Clips,
    folds: str,
    from_folds: str,
    *,
    per_clip: int = 2,
    snr_db: float = 12.04,
    other_class: bool = False,
    labels: str = "",
    sample_rate: int = 16000,
    seed: int = 0,
    spec: str = "contaminated",
) -> Clips:
    """Return clips with others under each; parameters and errors as for :func:`load`."""
    chosen = clips.label_set(labels or None)
    if chosen.kind != "single":
        raise InputError(f"contaminated: each clip has one label, but {chosen.name!r} gives it several")
    upper, lower = (_of_folds(clips, one) for one in (folds, from_folds))
    shared = set(upper["id"]) & set(lower["id"])
    if per_clip < 1 or shared:
        what = (
            f"folds {folds} and {from_folds} share {len(shared)} clips" if shared else f"per_clip={per_clip}"
        )
        raise InputError(
            f"contaminated: {what}. Expected: {_EXPECTED}, with folds apart and per_clip from 1 on"
        )
    rows = [
        _row(clips, chosen, (above, below), place)
        for above in upper["row"].to_list()
        for place, below in enumerate(_drawn(clips, chosen, above, lower, per_clip, other_class, seed))
    ]
    return assemble(
        pl.DataFrame(rows, schema_overrides={chosen.name: pl.String}),
        [LabelSet(chosen.name, chosen.classes, "single")],
        PairSource(clips.source, sample_rate, snr_db),
        name="contaminated",
        spec=spec,
        expected=_EXPECTED,
        group_declared=clips.group_declared,
    )


def _of_folds(clips: Clips, folds: str) -> pl.DataFrame:
    """Return the rows of some folds as they are numbered in the collection."""
    return clips.table.filter(pl.col("id").is_in(clips.select(folds=folds).table["id"].to_list()))


def _drawn(
    clips: Clips, labels: LabelSet, above: int, lower: pl.DataFrame, n: int, other_class: bool, seed: int
) -> list[int]:
    """Return the rows of what is drawn for a clip: no clip of its group, none twice."""
    own = clips.record(above)
    known = lower.filter(pl.col("group") != own["group"])
    if other_class:
        known = known.filter(pl.col(labels.name).ne_missing(own[labels.name]))
    if known.height < n:
        raise EmptyDataError(
            f"contaminated: {known.height} clips can be drawn for {own['id']!r}, {n} are wanted: lower per_clip"
        )
    order = seeded(seed, "contaminated", str(own["id"])).permutation(known.height)[:n]
    return [int(one) for one in known["row"].gather(order)]


def _row(clips: Clips, labels: LabelSet, rows: tuple[int, int], place: int) -> dict[str, Any]:
    records = [clips.record(one) for one in rows]
    parts = [
        {
            "source": one["id"],
            "label": one[labels.name],
            "record": {name: one[name] for name in clips.source.columns},
        }
        for one in records
    ]
    above = records[0]
    return {
        "path": f"{above['id']}+{place}",
        "group": above["group"],
        "fold": above["fold"],
        "split": above["split"],
        labels.name: above[labels.name],
        "added": records[1]["id"],
        "parts": canonical_json(parts),
    }
