"""The rows of a table of scores: masks of a few cases at a time, with their controls, put to one test.

What masks keep and leave of several clips goes through the network together: on an accelerator as much as fills its
batches, on a processor eight sounds, whose spectra stay in the cache and which are enough for its threads.
Each clip's controls, fillings and seeds are its own either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.audio.stft import magnitude as size_of
from otoscope.explain import located
from otoscope.explain.cases import PREDICTED, Cases, Lenders
from otoscope.explain.controls import Case, control
from otoscope.explain.curve import areas
from otoscope.explain.judge import MEASURES, Judge, measures
from otoscope.explain.removal import filling
from otoscope.explain.score_config import ScoreConfig
from otoscope.explain.sounds import Sounds
from otoscope.explain.spectrogram import Spectrogram
from otoscope.models.audio_model import AudioModel
from otoscope.progress import track
from otoscope.record.probe import device_of

RANKABLE = ("random-size", "random-smooth", "loudest", "rolled", "other-same", "other-different")
"""Controls that order all bins, so that bins can be put in or taken out by them."""
CURVES = ("insertion_area", "deletion_area", "area_difference")
_ON_PROCESSOR = 8
"""Sounds that a processor hears at once."""
BACKGROUND, _FILL, _CURVE = 2**16 - 1, 2**16, 2**17


@dataclass(frozen=True)
class Masks:
    """The masks of a set.

    Attributes
    ----------
    values : float16 array (case, frequency, frame)
        In [0, 1].
    on : Spectrogram
        What they lie on.
    domain : str
        What they multiply.
    ranking : float32 array (case, frequency, frame) or None
        1 for the most relevant bin, falling to 0: the order in which bins are put in.
    seconds : float
        That explaining took.
    """

    values: NDArray[np.float16]
    on: Spectrogram
    domain: str
    ranking: NDArray[np.float32] | None = None
    seconds: float = 0.0


def table_of(
    model: AudioModel,
    sounds: Sounds,
    chosen: Cases,
    lent_by: Lenders,
    method: str,
    masks: Masks,
    how: ScoreConfig,
) -> pl.DataFrame:
    """Return the rows of one method; masks and sounds of lenders may stand behind those of the cases."""
    judge = Judge(model, masks.on, masks.domain, how.entry, how.activation, how.batch_size)
    bench = _Bench(judge, masks, sounds, chosen, lent_by, how)
    at_once = _at_once(model, how)
    starts = range(0, len(chosen), at_once)
    rows: list[dict[str, Any]] = []
    for start in track(starts, len(starts), f"scoring {method}"):
        rows.extend(bench.rows(method, range(start, min(start + at_once, len(chosen)))))
    return pl.DataFrame(rows, infer_schema_length=None)


def passes_per_case(how: ScoreConfig) -> int:
    """Return how many times the network hears something for a case: two sides of each mask, ends of curves once.

    Examples
    --------
    >>> passes_per_case(ScoreConfig(controls=("loudest",), removals=("zero",)))
    4
    >>> passes_per_case(ScoreConfig(controls=("loudest",), removals=("zero",), curves=True))
    34
    """
    rows = 2 * (1 + len(how.controls)) * len(how.removals)
    if not how.curves:
        return rows
    rankings = 1 + sum(one in RANKABLE for one in how.controls)
    return rows + 2 + 2 * rankings * sum(0 < one < 1 for one in how.shares)


def _at_once(model: AudioModel, how: ScoreConfig) -> int:
    """Return how many cases are heard together."""
    sounds = min(how.batch_size, _ON_PROCESSOR) if device_of(model).type == "cpu" else how.batch_size
    return max(1, sounds // (2 * (1 + len(how.controls))))


def seed_of(how: ScoreConfig, chosen: Cases, case: int, place: int) -> int:
    """Return the seed of what is drawn for a case: by its clip's place in the whole set, and its class."""
    target = [int(chosen.targets[case])] if how.target != PREDICTED else []
    parts = [how.seed, chosen.place(case), place, *target]
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def sound_of(model: AudioModel, sounds: Sounds, places: Sequence[int] | NDArray[np.int64]) -> Tensor:
    """Return clips ``(clip, channel, time)`` on the network's device."""
    chosen = np.asarray(places, np.int64)
    return torch.from_numpy(np.ascontiguousarray(sounds.waveforms[chosen])).to(device_of(model))


@dataclass(frozen=True)
class _Ready:
    """A case that is ready to be heard.

    Attributes
    ----------
    case : int
    magnitude : array (frequency, frame)
        Of its clip.
    made : list of array or None
        The mask, then each control; None where there is none.
    masks : array (mask, frequency, frame)
        Those that are there.
    """

    case: int
    magnitude: NDArray[Any]
    made: list[NDArray[Any] | None]
    masks: NDArray[Any]


@dataclass(frozen=True)
class _Heard:
    """The clips of some cases, ``(case, channel, time)``, and their spectra."""

    waveforms: Tensor
    spectra: Tensor


@dataclass(frozen=True)
class _Bench:
    """Puts the masks of cases to the test, with their controls."""

    judge: Judge
    masks: Masks
    sounds: Sounds
    cases: Cases
    lenders: Lenders
    how: ScoreConfig

    def rows(self, method: str, some: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Return the rows of some cases."""
        waveforms = sound_of(self.judge.model, self.sounds, self.cases.clips[list(some)])
        spectra = self.masks.on.spectrum(waveforms)
        sizes = size_of(spectra).mean(1).cpu().numpy()
        ready = [self._ready(case, size) for case, size in zip(some, sizes, strict=True)]
        clips = _Heard(waveforms * self._covered, spectra)
        scores = {removal: self._measures(ready, clips, removal) for removal in self.how.removals}
        first = 0
        for one in ready:
            own = slice(first, first + len(one.masks))
            mine = {removal: {name: v[own] for name, v in found.items()} for removal, found in scores.items()}
            yield from self._of_case(method, one, mine)
            first = own.stop

    @cached_property
    def _covered(self) -> Tensor:
        """1 where resynthesis gives a sample back ``(time,)``, 0 where no window covers it."""
        ones = torch.ones(self.sounds.waveforms.shape[2], device=device_of(self.judge.model))
        return (self.masks.on.sound(self.masks.on.spectrum(ones), len(ones)) > 0.5).to(ones)

    def _ready(self, case: int, magnitude: NDArray[Any]) -> _Ready:
        made = self._controls(self.masks.values, case, magnitude)
        return _Ready(case, magnitude, made, np.stack([one for one in made if one is not None]))

    def _of_case(
        self, method: str, ready: _Ready, scores: dict[str, dict[str, NDArray[np.float64]]]
    ) -> Iterator[dict[str, Any]]:
        """Return the rows of one case, whose measures are there by removal and name."""
        case = ready.case
        common = self.judge.shapes(ready.masks, ready.magnitude) | self._truth(ready)
        ranked = self._curves(case, ready.magnitude)
        keys = {
            "clip": self.cases.place(case),
            "target": int(self.cases.targets[case]),
            "method": method,
        }
        for removal, found in scores.items():
            place, whole = 0, found | common
            for name, mask in zip((None, *self.how.controls), ready.made):
                row = {**keys, "control": name, "removal": removal}
                curve = ranked.get(name, {}) if removal == self.how.removals[0] else {}
                beside = dict.fromkeys(CURVES) | curve if self.how.curves else {}
                if mask is None:
                    yield row | dict.fromkeys(whole) | beside
                    continue
                yield row | {one: float(values[place]) for one, values in whole.items()} | beside
                place += 1

    def _controls(
        self,
        values: NDArray[Any],
        case: int,
        magnitude: NDArray[Any],
        only: Any = None,
    ) -> list[NDArray[Any] | None]:
        """Return the values themselves and those of every control, None where it does not exist."""
        own = values[case].astype(np.float32)
        if not self.how.controls:
            return [values[case]]
        pair = self.lenders.masks[case]
        same, different = (values[one].astype(np.float32) if one >= 0 else None for one in pair)
        made = Case(own, magnitude, same, different)
        return [
            own if name is None else control(name, made, self._seed(case, place))
            for place, name in enumerate((None, *self.how.controls))
            if only is None or name in only
        ]

    def _seed(self, case: int, place: int) -> int:
        return seed_of(self.how, self.cases, case, place)

    def _spectra(self, clips: NDArray[np.int64]) -> Tensor:
        return self.masks.on.spectrum(sound_of(self.judge.model, self.sounds, clips))

    def _fill(self, case: int, spectrum: Tensor, removal: str) -> Tensor | None:
        """Return what stands where something is removed from a case's clip; None where nobody lends a background."""
        others = None
        if removal == "background":
            clip = int(self.lenders.backgrounds[case])
            if clip < 0:
                return None
            others = self._spectra(np.array([clip]))
        return filling(removal, spectrum, others, self._seed(case, _FILL)).to(spectrum)

    def _measures(
        self, ready: Sequence[_Ready], clips: _Heard, removal: str
    ) -> dict[str, NDArray[np.float64]]:
        """Return every measure under one removal for all masks of some cases, one case after the other."""
        fills = [self._fill(one.case, clips.spectra[i : i + 1], removal) for i, one in enumerate(ready)]
        there = [i for i, fill in enumerate(fills) if fill is not None]
        owners = np.repeat(np.arange(len(ready)), [len(one.masks) for one in ready])
        found = {one: np.full(len(owners), np.nan) for one in MEASURES}
        if not there:
            return found
        heard = np.isin(owners, there)
        masks = np.concatenate([ready[i].masks for i in there])
        places = np.searchsorted(there, owners[heard])
        filled = torch.cat([fill for fill in fills if fill is not None])
        n_samples = self.sounds.waveforms.shape[2]
        sides = self.judge.pairs(
            clips.spectra[there], masks, places, filled, n_samples, clips.waveforms[there]
        )
        kept, left = (self.judge.probabilities(one) for one in sides)
        chosen = np.array([one.case for one in ready])[owners[heard]]
        p, target = self.cases.p[self.cases.clips[chosen]], self.cases.targets[chosen]
        values = measures(p, kept, left, target)
        for name in MEASURES:
            found[name][heard] = values[name]
        return found

    def _truth(self, ready: _Ready) -> dict[str, NDArray[np.float64]]:
        """Return what is known of where the target is, measured for each mask; empty where nothing is known."""
        clip, target = int(self.cases.clips[ready.case]), int(self.cases.targets[ready.case])
        name = self.judge.model.classes[target] if self.judge.model.classes else str(target)
        given = (self.judge, self.sounds, clip, name, ready.masks, ready.magnitude)
        return located.localised(*given) | located.separated(*given)

    def _curves(self, case: int, magnitude: NDArray[Any]) -> dict[str | None, dict[str, float]]:
        """Return the areas of each ranking by control; empty where they are not asked for."""
        if self.masks.ranking is None:
            return {}
        names = [None, *(one for one in self.how.controls if one in RANKABLE)]
        made = self._controls(self.masks.ranking, case, magnitude, only=names)
        there = [(name, one) for name, one in zip(names, made) if one is not None]
        waveform = sound_of(self.judge.model, self.sounds, self.cases.clips[case : case + 1])
        found = areas(
            self.judge,
            waveform,
            np.stack([one for _, one in there]),
            int(self.cases.targets[case]),
            shares=self.how.shares,
            removal=self.how.removals[0],
            seed=self._seed(case, _CURVE),
        )
        return {
            name: {one: float(values[place]) for one, values in found.items()}
            for place, (name, _) in enumerate(there)
        }
