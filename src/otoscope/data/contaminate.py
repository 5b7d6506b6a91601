"""What does a network do when something else sounds, too? A clip with a contaminant under it, at a stated SNR.

=========  =========================================================================================================
kind       what is added
=========  =========================================================================================================
``white``  Gaussian noise
``clip``   another clip of the same collection, of another class and another group
``speech`` a clip of a collection of speech (``fsdd:PATH``, a folder), repeated until it is long enough
``noise``  a stretch of a collection of noises, such as a folder of WHAM!, repeated likewise
=========  =========================================================================================================

What is drawn depends on the seed, the kind and the clip's id alone: not on the SNR, the order of clips or the
run. So a clip has the same contaminant at every SNR and in every run. A contaminant longer than the clip starts at a
random place, a shorter ``clip`` lies at a random place between zeros. Only what sounds can be added: a drawn sound
that cannot be read, or is digital silence, is left out (kept as a Failure) and the next one of a fixed random order
is taken.

Energies are those of the whole clip (:func:`otoscope.audio.mix.mix_at_snr`): the clip keeps its level, the sum may
exceed full scale. SpeechBrain's recipes draw anew in every run and scale the sum by its signed maximum: their WHAM!
is 0 dB, their mixtures and speech 12.04 dB, their white noise 6.02 dB, each times a constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from otoscope.audio import channels
from otoscope.audio.mix import overlap_at_snr
from otoscope.audio.resample import resample
from otoscope.audio.windows import fit
from otoscope.data.clips import Clips
from otoscope.data.seeded import seeded
from otoscope.errors import EmptyDataError, Failure, InputError, OtoscopeError, UnknownNameError

KINDS = ("white", "clip", "speech", "noise")
"""What can be added."""

_MOST_TRIED = 100


@dataclass(frozen=True)
class Contaminated:
    """A clip with something under it.

    Attributes
    ----------
    waveform : float32 (channel, time)
        The sum.
    added : float32 (channel, time)
        The contaminant as it stands in the sum.
    kind : str
        See the module.
    snr_db : float
        Energy of the clip above that of the contaminant.
    source : str
        Id of the clip that was added; empty for white noise.
    skipped : tuple of Failure
        Sounds that were drawn before it and could not be added.
    """

    waveform: NDArray[np.float32]
    added: NDArray[np.float32]
    kind: str
    snr_db: float
    source: str = ""
    skipped: tuple[Failure, ...] = field(default=())


@dataclass(frozen=True)
class Contaminator:
    """Adds one kind of contaminant to any number of clips.

    Attributes
    ----------
    kind : str
        A name of :data:`KINDS`.
    sample_rate : int
        Of the clips that are given, in hertz.
    clips : Clips or None
        What is drawn from; for ``clip`` the collection that the given ids belong to. None for ``white``.
    seed : int
        Decides what is drawn.
    label_set : str or None
        For ``clip``: whose classes must differ; None is the primary one.
    drawn_from : frozenset of int or None
        For ``clip``: rows that may be added, such as those of one part; None: all.
    """

    kind: str
    sample_rate: int
    clips: Clips | None = None
    seed: int = 0
    label_set: str | None = None
    drawn_from: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError.of("contaminant", self.kind, KINDS)
        if (self.clips is None) != (self.kind == "white"):
            wants = "needs no clips" if self.kind == "white" else "is drawn from clips: give a collection"
            raise InputError(f"contaminant {self.kind!r} {wants}")
        if self.sample_rate < 1:
            raise InputError(f"sample_rate is a positive number of Hz, got {self.sample_rate}")

    def __call__(self, waveform: NDArray[np.float32], clip_id: str, snr_db: float) -> Contaminated:
        """Return the clip with its contaminant at ``snr_db``.

        Parameters
        ----------
        waveform : float32 (channel, time) or (time,)
            The clip; the contaminant is the same in every channel.
        clip_id : str
            Its id.
        snr_db : float
            Energy of the clip above that of the contaminant, in decibels.

        Raises
        ------
        InputError
            If the clip is digital silence, or ``clip`` does not know its id.
        EmptyDataError
            If nothing can be added.
        """
        sound = np.atleast_2d(waveform).astype(np.float32, copy=False)  # (channel, time)
        skipped: list[Failure] = []
        for source, drawn in self._drawn(clip_id, sound.shape[1], skipped):
            mixed = overlap_at_snr(sound, np.repeat(drawn[None], len(sound), axis=0), snr_db)
            mix, added = (x.astype(np.float32, copy=False) for x in (mixed.mix, mixed.second))
            return Contaminated(mix, added, self.kind, snr_db, source, tuple(skipped))
        raise EmptyDataError(
            f"nothing can be added to {clip_id!r}: {len(skipped)} sounds were tried, none can be read and heard"
        )

    def _drawn(
        self, clip_id: str, n_samples: int, skipped: list[Failure]
    ) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield (id, float32 (time,)) of what may be added, best first; what cannot is noted."""
        rng = seeded(self.seed, self.kind, clip_id)
        if self.clips is None:
            yield "", rng.standard_normal(n_samples).astype(np.float32)
            return
        source = self.clips.source
        rows = rng.permutation(self._candidates(clip_id))[:_MOST_TRIED]
        for row, place in zip(rows.tolist(), rng.random(len(rows)).tolist(), strict=True):
            record = self.clips.record(row)
            try:
                stretch = self._stretch(*source.read(record), n_samples, place)
            except (OtoscopeError, OSError) as error:
                skipped.append(Failure(row, str(record["id"]), "contaminate", str(error)))
                continue
            if stretch.any():
                yield str(record["id"]), stretch
            else:
                skipped.append(Failure(row, str(record["id"]), "contaminate", "digital silence"))

    def _stretch(
        self, waveform: NDArray[np.float32], rate: int, n_samples: int, place: float
    ) -> NDArray[np.float32]:
        """Return ``n_samples`` of a sound; ``place`` in [0, 1) says where it starts, or lies."""
        mono: NDArray[np.float32] = resample(channels.apply(waveform, "mix"), rate, self.sample_rate)[0]
        spare = len(mono) - n_samples
        if spare > 0:
            start = int(place * (spare + 1))
            return mono[start : start + n_samples]
        if self.kind != "clip":
            return np.asarray(fit(mono, n_samples, "repeat"), np.float32)
        before = int(place * (1 - spare))
        return np.pad(mono, (before, -spare - before))

    def _candidates(self, clip_id: str) -> NDArray[np.int64]:
        """Return the rows that may be added to a clip: for ``clip`` of other classes and another group."""
        rows, groups, member = self._facts
        if self.kind != "clip":
            return np.arange(len(groups), dtype=np.int64)
        if clip_id not in rows:
            spec = self.clips.spec if self.clips is not None else ""
            raise InputError(f"{spec} holds no clip {clip_id!r}, so its class is not known")
        own = rows[clip_id]
        other = ~(member & member[own]).any(axis=1) & member.any(axis=1) & (groups != groups[own])
        if self.drawn_from is not None:
            other &= np.isin(np.arange(len(groups)), list(self.drawn_from))
        found = np.flatnonzero(other).astype(np.int64)
        if not found.size:
            raise EmptyDataError(f"no clip of another class and another group than {clip_id!r}")
        return found

    @cached_property
    def _facts(self) -> tuple[dict[str, int], NDArray[np.str_], NDArray[np.bool_]]:
        """Return id -> row, the group of each row and its classes (clip, class)."""
        if self.clips is None:
            raise InputError("white noise has no clips")
        table = self.clips.table
        ids = {one: row for row, one in enumerate(table["id"].to_list())}
        groups = np.array(table["group"].to_list())
        if self.kind != "clip":
            return ids, groups, np.zeros((len(ids), 0), np.bool_)
        targets = self.clips.targets(self.label_set)
        if targets.ndim == 1:
            targets = targets[:, None] == np.arange(len(self.clips.label_set(self.label_set).classes))
        return ids, groups, targets.astype(np.bool_)


def contaminate(
    waveform: NDArray[np.float32],
    kind: str,
    snr_db: float,
    clip_id: str,
    seed: int = 0,
    *,
    sample_rate: int,
    clips: Clips | None = None,
    label_set: str | None = None,
) -> Contaminated:
    """Return one clip with a contaminant under it; for many clips make one :class:`Contaminator`.

    Parameters and errors are those of :class:`Contaminator` and its call.

    Examples
    --------
    >>> import numpy as np
    >>> heard = contaminate(np.ones((1, 8), np.float32), "white", 6.0, "a.wav", sample_rate=16000)
    >>> heard.waveform.shape, round(float(10 * np.log10(8 / np.square(heard.added).sum())), 3)
    ((1, 8), 6.0)
    """
    made = Contaminator(kind, sample_rate, clips, seed, label_set)
    return made(waveform, clip_id, snr_db)
