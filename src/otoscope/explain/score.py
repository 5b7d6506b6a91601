"""How good is an explanation, and how much of that would any mask of its kind achieve?

For each case (a clip and an explained class, :mod:`otoscope.explain.cases`) and each method, the method's mask and
every control (:mod:`otoscope.explain.controls`) are put to the same test: under each removal operator
(:mod:`otoscope.explain.removal`) the network hears what the mask keeps and what it leaves, and the measures of
:mod:`otoscope.metrics.faithfulness` compare its probabilities with those for the whole sound
(:mod:`otoscope.explain.judge`). Size, sparseness, complexity and the share of energy that passes stand beside them. The
explained class is the same for every row of a case: by default the one that the network names.

One row of the table per case, method, control and removal:

===================  ==========================================================================================
``clip``             place of the clip in what was given
``target``           explained class
``method``           the explainer
``control``          a row of :data:`otoscope.explain.CONTROLS`; null: the explanation itself
``removal``          a row of :data:`otoscope.explain.REMOVALS`
measures             ``average_increase`` ``average_drop`` ``average_gain`` ``faithfulness`` ``input_fidelity``
                     ``top_3_fidelity``, and as published ``average_drop_published`` (double softmax)
                     ``faithfulness_published`` (of mask-in) ``input_fidelity_published`` (to class 0); null where there
                     is no control
of the mask          ``mask_size`` ``sparseness`` ``complexity`` ``energy_share`` ``roughness``
``curves=True``      ``insertion_area`` ``deletion_area`` ``area_difference`` (:mod:`otoscope.explain.curve`), beside
                     the first removal; null for controls that rank nothing
events known         ``localisation_auroc`` ``energy_in_events`` ``pointing_game`` of the energy passed per frame
parts known          ``target_share`` ``input_share`` ``target_kept`` ``improvement_db``
===================  ==========================================================================================

Cost: two passes of the network per row, and 18 more per row for curves. Means and intervals:
:mod:`otoscope.explain.summary`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from otoscope.audio.stft import magnitude as size_of
from otoscope.errors import InputError, UnknownNameError
from otoscope.explain import CONTROLS, REMOVALS, located
from otoscope.explain.cases import PREDICTED, Cases, Lenders, background, cases, donors
from otoscope.explain.controls import Case, control
from otoscope.explain.curve import SHARES, areas, ranks
from otoscope.explain.explanation import Explainer, Explanation
from otoscope.explain.hearing import outputs
from otoscope.explain.judge import MEASURES, OF_MASK, Judge, measures, probabilities
from otoscope.explain.removal import filling
from otoscope.explain.sounds import Sounds
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.windows import explain
from otoscope.models.audio_model import AudioModel
from otoscope.progress import track
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of
from otoscope.registry import known
from otoscope.stage_config import Seed, StageConfig

__all__ = ["MEASURES", "OF_MASK", "Masks", "ScoreConfig", "Scored", "donors", "explained", "score", "scored"]

RANKABLE = ("random-size", "random-smooth", "loudest", "rolled", "other-same", "other-different")
"""Controls that order all bins, so that bins can be put in or taken out by them."""
_BACKGROUND, _FILL, _CURVE = 2**16 - 1, 2**16, 2**17


class ScoreConfig(StageConfig):
    """How explanations are scored.

    Attributes
    ----------
    target : str
        Explained class, see :mod:`otoscope.explain.cases`.
    controls : tuple of str
        Rows of :data:`otoscope.explain.CONTROLS`.
    removals : tuple of str
        Rows of :data:`otoscope.explain.REMOVALS`.
    entry : {"sound", "magnitude"}
        How masked spectrograms re-enter; ``magnitude`` only with the removal ``zero``.
    activation : {"softmax", "sigmoid"}
        From outputs to probabilities; where it is not given, sigmoid for a network that was trained on several labels.
    curves : bool
        Also insertion and deletion.
    shares : tuple of float
        Of bins, where the curves are heard.
    batch_size : int
        Clips explained at a time, and sounds a forward pass.
    seed : int
        Of controls and fillings.
    """

    target: str = PREDICTED
    controls: tuple[str, ...] = tuple(CONTROLS)
    removals: tuple[str, ...] = tuple(REMOVALS)
    entry: Literal["sound", "magnitude"] = "sound"
    activation: Literal["softmax", "sigmoid"] = "softmax"
    curves: bool = False
    shares: tuple[float, ...] = SHARES
    batch_size: int = Field(16, ge=1)
    seed: Seed = 0

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        for kind, given, table in (
            ("control", self.controls, CONTROLS),
            ("removal", self.removals, REMOVALS),
        ):
            names = known(table, f"{kind}s")
            for name in given:
                if name not in names:
                    raise UnknownNameError.of(kind, name, names)
        if not self.removals:
            raise InputError(f"name at least one removal of {', '.join(REMOVALS)}")
        if self.entry == "magnitude" and self.removals != ("zero",):
            raise InputError("entry='magnitude' carries no phase: it goes with removals=('zero',) only")
        if self.curves and self.removals[0] == "background":
            raise InputError("curves stand beside the first removal, which is zero or noise-floor for them")
        return self


@dataclass(frozen=True)
class Scored:
    """The scores of a set.

    Attributes
    ----------
    table : polars.DataFrame
        One row per case, method, control and removal.
    seconds : dict of str to float
        Seconds that each method took to explain a case; a clock reading, so in no table.
    """

    table: pl.DataFrame
    seconds: dict[str, float]


def score(
    model: AudioModel, sounds: Sounds, explainers: Mapping[str, Explainer], config: ScoreConfig | None = None
) -> pl.DataFrame:
    """Return one row per case, method, control and removal; columns as in the module.

    Parameters
    ----------
    model : AudioModel
        With class outputs; given back as it was lent.
    sounds : Sounds
        The clips.
    explainers : mapping of str to Explainer
        Methods by the name that they have in the table.
    config : ScoreConfig, optional
        Controls, removals, seeds.
    """
    return scored(model, sounds, explainers, config).table


def scored(
    model: AudioModel, sounds: Sounds, explainers: Mapping[str, Explainer], config: ScoreConfig | None = None
) -> Scored:
    """Return the table of :func:`score` and the seconds that explaining took; parameters as there."""
    how = ScoreConfig.of(config)
    if not explainers:
        raise InputError("name at least one explainer to score")
    tables, seconds = [], {}
    with lent(model):
        p = probabilities(heard(model, sounds, how.batch_size), how.activation)
        chosen = cases(model, p, how.target, sounds.labels)
        lent_by = lenders(chosen, sounds.groups, how)
        for name, one in explainers.items():
            masks = explained(model, sounds, one, chosen, how.batch_size, ranking=how.curves)
            seconds[name] = masks.seconds / len(chosen)
            tables.append(table_of(model, sounds, chosen, lent_by, name, masks, how))
    return Scored(pl.concat(tables, how="vertical_relaxed"), seconds)


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


def explained(
    model: AudioModel,
    sounds: Sounds,
    explainer: Explainer,
    chosen: Cases,
    batch_size: int,
    *,
    ranking: bool = False,
) -> Masks:
    """Return the masks of all cases, explained ``batch_size`` at a time, in half precision."""
    values: list[NDArray[np.float16]] = []
    orders: list[NDArray[np.float32]] = []
    last: Explanation | None = None
    seconds = 0.0
    for batch in track(list(_batches(len(chosen), batch_size)), None, "explaining"):
        started = time.perf_counter()
        heard = _sound(model, sounds, chosen.clips[batch])
        last = explain(explainer, model, heard, torch.from_numpy(chosen.targets[batch]))
        values.append(last.mask.half().cpu().numpy())
        seconds += time.perf_counter() - started
        if ranking:
            orders.append((1 - ranks(last.ranks)).float().cpu().numpy())
    if last is None:
        raise InputError("there is no clip to explain")
    joined = np.concatenate(orders) if ranking else None
    return Masks(np.concatenate(values), last.spectrogram, last.domain, joined, seconds)


def heard(model: AudioModel, sounds: Sounds, batch_size: int) -> NDArray[np.float64]:
    """Return the network's output ``(clip, class)`` for the whole sounds."""
    with torch.no_grad():
        found = [
            outputs(model, _sound(model, sounds, np.arange(len(sounds))[batch])).double().cpu().numpy()
            for batch in _batches(len(sounds), batch_size)
        ]
    return np.concatenate(found)


def _sound(model: AudioModel, sounds: Sounds, places: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(sounds.waveforms[places])).to(device_of(model))


def lenders(chosen: Cases, groups: Sequence[Any], how: ScoreConfig) -> Lenders:
    """Return who lends a mask or a sound to each case of a whole set; ``groups`` of each clip."""
    masks, sounds = np.full((len(chosen), 2), -1, np.int64), np.full(len(chosen), -1, np.int64)
    asked = [one in how.controls for one in ("other-same", "other-different")]
    if any(asked):
        pairs = donors(chosen.targets, [groups[int(one)] for one in chosen.clips], how.seed)
        masks = np.where(asked, pairs, -1)
    if "background" in how.removals:
        seeds = (_seed(how, chosen, one, _BACKGROUND) for one in range(len(chosen)))
        sounds = np.array([background(chosen, one, seed) for one, seed in enumerate(seeds)], np.int64)
    return Lenders(masks, sounds)


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
    rows: list[dict[str, Any]] = []
    for case in track(range(len(chosen)), len(chosen), f"scoring {method}"):
        rows.extend(bench.rows(method, case))
    return pl.DataFrame(rows, infer_schema_length=None)


def _seed(how: ScoreConfig, chosen: Cases, case: int, place: int) -> int:
    """Return the seed of what is drawn for a case: by its clip's place in the whole set, and its class."""
    target = [int(chosen.targets[case])] if how.target != PREDICTED else []
    parts = [how.seed, chosen.place(case), place, *target]
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


@dataclass(frozen=True)
class _Bench:
    """Puts the masks of a case to the test, with its controls."""

    judge: Judge
    masks: Masks
    sounds: Sounds
    cases: Cases
    lenders: Lenders
    how: ScoreConfig

    def rows(self, method: str, case: int) -> Iterator[dict[str, Any]]:
        """Return the rows of one case."""
        spectrum = self._spectrum(int(self.cases.clips[case]))
        magnitude = size_of(spectrum)[0].mean(0).cpu().numpy()
        names = (None, *self.how.controls)
        made = self._controls(self.masks.values, case, magnitude)
        there = np.stack([one for one in made if one is not None])
        scores = {removal: self._measures(case, spectrum, there, removal) for removal in self.how.removals}
        common = self.judge.shapes(there, magnitude) | self._truth(case, there, magnitude)
        ranked = self._curves(case, magnitude)
        keys = {
            "clip": self.cases.place(case),
            "target": int(self.cases.targets[case]),
            "method": method,
        }
        for removal, found in scores.items():
            place, whole = 0, found | common
            for name, mask in zip(names, made):
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
            return [own]
        pair = self.lenders.masks[case]
        same, different = (values[one].astype(np.float32) if one >= 0 else None for one in pair)
        made = Case(own, magnitude, same, different)
        return [
            own if name is None else control(name, made, self._seed(case, place))
            for place, name in enumerate((None, *self.how.controls))
            if only is None or name in only
        ]

    def _seed(self, case: int, place: int) -> int:
        return _seed(self.how, self.cases, case, place)

    def _spectrum(self, clip: int) -> Tensor:
        return self.masks.on.spectrum(_sound(self.judge.model, self.sounds, np.array([clip])))

    def _background(self, case: int) -> Tensor | None:
        """Return the spectrum of a clip of another class, drawn for this case."""
        clip = int(self.lenders.backgrounds[case])
        return None if clip < 0 else self._spectrum(clip)

    def _measures(
        self, case: int, spectrum: Tensor, masks: NDArray[Any], removal: str
    ) -> dict[str, NDArray[np.float64]]:
        others = self._background(case) if removal == "background" else None
        if removal == "background" and others is None:
            return {one: np.full(len(masks), np.nan) for one in MEASURES}
        fill = filling(removal, spectrum, others, self._seed(case, _FILL)).to(spectrum)
        kept, left = self.judge.both(spectrum, masks, fill, self.sounds.waveforms.shape[2])
        p = np.repeat(self.cases.p[self.cases.clips[case]][None], len(masks), axis=0)
        target = np.full(len(masks), self.cases.targets[case])
        found = measures(p, self.judge.probabilities(kept), self.judge.probabilities(left), target)
        return {one: found[one] for one in MEASURES}

    def _truth(
        self, case: int, masks: NDArray[Any], magnitude: NDArray[Any]
    ) -> dict[str, NDArray[np.float64]]:
        """Return what is known of where the target is, measured for each mask; empty where nothing is known."""
        clip, target = int(self.cases.clips[case]), int(self.cases.targets[case])
        name = self.judge.model.classes[target] if self.judge.model.classes else str(target)
        return located.localised(self.judge, self.sounds, clip, name, masks, magnitude) | located.separated(
            self.judge, self.sounds, clip, name, masks, magnitude
        )

    def _curves(self, case: int, magnitude: NDArray[Any]) -> dict[str | None, dict[str, float]]:
        """Return the areas of each ranking by control; empty where they are not asked for."""
        if self.masks.ranking is None:
            return {}
        names = [None, *(one for one in self.how.controls if one in RANKABLE)]
        made = self._controls(self.masks.ranking, case, magnitude, only=names)
        there = [(name, one) for name, one in zip(names, made) if one is not None]
        waveform = _sound(self.judge.model, self.sounds, self.cases.clips[case : case + 1])
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


CURVES = ("insertion_area", "deletion_area", "area_difference")


def _batches(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
