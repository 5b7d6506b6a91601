"""The sound of a set of clips as one array: what explanations are scored on.

A set is scored at one length, so that another clip's mask can stand on this one: a network of fixed length hears each
clip's first window, padded as the network pads; any other hears every clip padded to the longest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.audio.windows import ClipLength, fit
from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.errors import EmptyDataError, Failure, InputError
from otoscope.models.audio_model import AudioModel

Event = tuple[float, float, str]
"""Onset and offset in seconds, and the label."""


@dataclass(frozen=True)
class Sounds:
    """The clips of a table, all of one length.

    Attributes
    ----------
    waveforms : array (clip, channel, time)
        At the network's rate.
    groups : sequence
        The exchangeable unit of each clip.
    rows : array of int (clip,), optional
        Rows of the clips in their table.
    failures : tuple of Failure
        Clips that could not be decoded; they are in no row.
    labels : tuple of tuple of str, optional
        The labels of each clip, for targets that are labels.
    events : tuple of tuple of Event, optional
        Known onsets and offsets of each clip, for localisation.
    parts : tuple of mapping of str to array (channel, time), optional
        What each clip is a mixture of, by label: for the share of the passed energy that belongs to the target.
    """

    waveforms: NDArray[np.float32]
    groups: Sequence[Any]
    rows: NDArray[np.int64] | None = None
    failures: tuple[Failure, ...] = ()
    labels: tuple[tuple[str, ...], ...] | None = None
    events: tuple[tuple[Event, ...], ...] | None = None
    parts: tuple[Mapping[str, NDArray[np.float32]], ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no set of sounds."""
        if self.waveforms.ndim != 3 or 0 in self.waveforms.shape or len(self.groups) != len(self.waveforms):
            raise InputError(
                f"expected waveforms (clip, channel, time) and a group a clip, got {self.waveforms.shape} and "
                f"{len(self.groups)} groups"
            )
        for name in ("labels", "events", "parts"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.waveforms):
                raise InputError(f"expected {name} of {len(self.waveforms)} clips, got {len(given)}")

    def __len__(self) -> int:
        return len(self.waveforms)

    def take(self, places: NDArray[np.int64]) -> Self:
        """Return the clips at these places, in that order."""
        chosen = [int(one) for one in places]
        kept: dict[str, Any] = {
            name: None if (given := getattr(self, name)) is None else tuple(given[one] for one in chosen)
            for name in ("labels", "events", "parts")
        }
        rows = None if self.rows is None else self.rows[chosen]
        groups = [self.groups[one] for one in chosen]
        return replace(self, waveforms=self.waveforms[chosen], groups=groups, rows=rows, **kept)

    @classmethod
    def of(
        cls, clips: Clips, model: AudioModel, rows: Sequence[int] | None = None, workers: int | None = 0
    ) -> Sounds:
        """Return the sound of clips (or of some ``rows``), mixed to one channel.

        Raises
        ------
        EmptyDataError
            If none of them can be decoded.
        """
        chosen = range(len(clips)) if rows is None else rows
        found, failures = decoded(clips, model, chosen, workers=workers)
        if found is None:
            why = f": {failures[0].reason}" if failures else ""
            raise EmptyDataError(f"none of the {len(chosen)} clips of {clips.spec} can be decoded{why}")
        return replace(found, failures=failures)


def decoded(
    clips: Clips,
    model: AudioModel,
    rows: Sequence[int],
    *,
    n_samples: int | None = None,
    workers: int | None = 0,
) -> tuple[Sounds | None, tuple[Failure, ...]]:
    """Return the sound of rows, None where none can be decoded, and those that cannot.

    Parameters
    ----------
    clips, model, rows, workers
        As for :meth:`Sounds.of`.
    n_samples : int, optional
        Length of the whole set, where these are a part of it; None: the longest of these.
    """
    policy = model.clip_length
    decoding = Decoding(model.sample_rate, length=ClipLength(policy.length_s, policy.short, long="crop"))
    stream = list(batches(clips, decoding, rows=list(rows), batch_size=1, workers=workers))
    failures = tuple(failure for batch in stream for failure in batch.failures)
    heard = [(int(batch.rows[0]), batch.waveforms[0]) for batch in stream if len(batch)]
    if not heard:
        return None, failures
    length = n_samples or max(one.shape[-1] for _, one in heard)
    places = np.array([row for row, _ in heard], np.int64)
    waveforms = np.stack([fit(one, length, policy.short) for _, one in heard])
    groups = clips.table["group"].gather(places).to_list()
    return Sounds(waveforms, groups, places, (), labels_of(clips, places), events_of(clips, places)), failures


def labels_of(clips: Clips, rows: NDArray[np.int64]) -> tuple[tuple[str, ...], ...] | None:
    """Return the primary labels of rows, none for a clip without; None where the collection has none."""
    if not clips.label_sets:
        return None
    column = clips.table[clips.label_sets[0].name].gather(rows).to_list()
    return tuple(() if one is None else (one,) if isinstance(one, str) else tuple(one) for one in column)


def events_of(clips: Clips, rows: NDArray[np.int64]) -> tuple[tuple[Event, ...], ...] | None:
    """Return the events of rows whose end is known; None where the collection has no such event."""
    if clips.events is None:
        return None
    known = clips.events.filter(pl.col("offset_s").is_not_null())
    if known.is_empty():
        return None
    found: dict[int, list[Event]] = {}
    own = known.filter(pl.col("row").is_in(rows.tolist()))
    for row, onset, offset, label in own.select("row", "onset_s", "offset_s", "label").iter_rows():
        found.setdefault(row, []).append((float(onset), float(offset), str(label)))
    return tuple(tuple(found.get(int(row), ())) for row in rows)
