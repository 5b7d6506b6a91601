"""The clips whose explanations are scored: as many seconds each as the network takes, at its rate.

A set is scored at one length, so that another clip's mask can stand on this one: a network of fixed length hears each
clip's first window, padded as the network pads; any other hears every clip padded to the longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from otoscope.audio.windows import ClipLength, fit
from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.errors import EmptyDataError, Failure, InputError
from otoscope.models.audio_model import AudioModel


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
    """

    waveforms: NDArray[np.float32]
    groups: Sequence[Any]
    rows: NDArray[np.int64] | None = None
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no set of sounds."""
        if self.waveforms.ndim != 3 or 0 in self.waveforms.shape or len(self.groups) != len(self.waveforms):
            raise InputError(
                f"expected waveforms (clip, channel, time) and a group a clip, got {self.waveforms.shape} and "
                f"{len(self.groups)} groups"
            )

    @classmethod
    def of(
        cls, clips: Clips, model: AudioModel, rows: Sequence[int] | None = None, workers: int | None = 0
    ) -> Self:
        """Return the sound of clips (or of some ``rows``), mixed to one channel.

        Raises
        ------
        EmptyDataError
            If none of them can be decoded.
        """
        policy = model.clip_length
        decoding = Decoding(model.sample_rate, length=ClipLength(policy.length_s, policy.short, long="crop"))
        chosen = range(len(clips)) if rows is None else rows
        stream = list(batches(clips, decoding, rows=list(chosen), batch_size=1, workers=workers))
        failures = tuple(failure for batch in stream for failure in batch.failures)
        heard = [(int(batch.rows[0]), batch.waveforms[0]) for batch in stream if len(batch)]
        if not heard:
            raise EmptyDataError(f"none of the {len(list(chosen))} clips of {clips.spec} can be decoded")
        longest = max(one.shape[-1] for _, one in heard)
        places = np.array([row for row, _ in heard], np.int64)
        waveforms = np.stack([fit(one, longest, policy.short) for _, one in heard])
        return cls(waveforms, clips.table["group"].gather(places).to_list(), places, failures)
