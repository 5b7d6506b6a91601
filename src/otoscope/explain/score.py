"""How good is an explanation, and how much of that would any mask of its kind achieve?

For each clip and each method, the method's mask and every control (:mod:`otoscope.explain.controls`) are put to the
same test: under each removal operator (:mod:`otoscope.explain.removal`) the network hears what the mask keeps and what
it leaves, and the measures of :mod:`otoscope.metrics.faithfulness` compare its probabilities with those for the whole
sound. Size, sparseness, complexity and the share of energy that passes stand beside them. The explained class is the
one that the network names, and the same for every row of a clip.

One row of the table per clip, method, control and removal:

===================  ==========================================================================================
``clip``             place of the clip in what was given
``target``           explained class
``method``           the explainer
``control``          a row of :data:`otoscope.explain.CONTROLS`; null: the explanation itself
``removal``          a row of :data:`otoscope.explain.REMOVALS`
measures             ``average_increase`` ``average_drop`` ``average_gain`` ``faithfulness`` ``input_fidelity``
                     ``average_drop_published`` (double softmax); null where the control does not exist
of the mask          ``mask_size`` ``sparseness`` ``complexity`` ``energy_share`` ``roughness``
===================  ==========================================================================================

Cost: two passes of the network per row. Means and intervals: :mod:`otoscope.explain.summary`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain import CONTROLS, REMOVALS
from otoscope.explain.controls import Case, control, roughness
from otoscope.explain.explanation import Explainer, Explanation, gain
from otoscope.explain.hearing import Reentry, outputs
from otoscope.explain.removal import edited, filling
from otoscope.explain.sounds import Sounds
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.windows import explain
from otoscope.metrics import faithfulness, sparsity
from otoscope.models.audio_model import AudioModel
from otoscope.progress import track
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of
from otoscope.registry import known
from otoscope.stage_config import Seed, StageConfig

MEASURES = (
    "average_increase",
    "average_drop",
    "average_drop_published",
    "average_gain",
    "faithfulness",
    "input_fidelity",
)
ROUNDING = 1e-4
"""A class's probability has increased where it did by more than this: resynthesis alone changes it by about 1e-6."""
OF_MASK = ("mask_size", "sparseness", "complexity", "energy_share", "roughness")


class ScoreConfig(StageConfig):
    """How explanations are scored.

    Attributes
    ----------
    controls : tuple of str
        Rows of :data:`otoscope.explain.CONTROLS`.
    removals : tuple of str
        Rows of :data:`otoscope.explain.REMOVALS`.
    entry : {"sound", "magnitude"}
        How masked spectrograms re-enter; ``magnitude`` only with the removal ``zero``.
    activation : {"softmax", "sigmoid"}
        From outputs to probabilities.
    batch_size : int
        Clips explained at a time, and sounds a forward pass.
    seed : int
        Of controls and fillings.
    """

    controls: tuple[str, ...] = tuple(CONTROLS)
    removals: tuple[str, ...] = tuple(REMOVALS)
    entry: Literal["sound", "magnitude"] = "sound"
    activation: Literal["softmax", "sigmoid"] = "softmax"
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
        return self


@dataclass(frozen=True)
class _Heard:
    """What the network says of the whole sounds, and the spectra that masks act on."""

    probabilities: NDArray[np.float64]
    targets: NDArray[np.int64]


def score(
    model: AudioModel, sounds: Sounds, explainers: Mapping[str, Explainer], config: ScoreConfig | None = None
) -> pl.DataFrame:
    """Return one row per clip, method, control and removal; columns as in the module.

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
    how = ScoreConfig.of(config)
    if not explainers:
        raise InputError("name at least one explainer to score")
    with lent(model):
        heard = _whole(model, sounds, how)
        tables = [
            _scored(
                model, sounds, heard, name, explained(model, sounds, one, heard.targets, how.batch_size), how
            )
            for name, one in explainers.items()
        ]
    return pl.concat(tables)


@dataclass(frozen=True)
class Masks:
    """The masks of a set.

    Attributes
    ----------
    values : float16 array (clip, frequency, frame)
        In [0, 1].
    on : Spectrogram
        What they lie on.
    domain : str
        What they multiply.
    """

    values: NDArray[np.float16]
    on: Spectrogram
    domain: str


def explained(
    model: AudioModel, sounds: Sounds, explainer: Explainer, targets: NDArray[np.int64], batch_size: int
) -> Masks:
    """Return the masks of all clips, explained ``batch_size`` at a time, in half precision."""
    values: list[NDArray[np.float16]] = []
    last: Explanation | None = None
    for batch in track(list(_batches(len(targets), batch_size)), None, "explaining"):
        last = explain(explainer, model, _sound(model, sounds, batch), torch.from_numpy(targets[batch]))
        values.append(last.mask.half().cpu().numpy())
    if last is None:
        raise InputError("there is no clip to explain")
    return Masks(np.concatenate(values), last.spectrogram, last.domain)


def _sound(model: AudioModel, sounds: Sounds, batch: slice) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(sounds.waveforms[batch])).to(device_of(model))


def _whole(model: AudioModel, sounds: Sounds, how: ScoreConfig) -> _Heard:
    found = []
    with torch.no_grad():
        for batch in _batches(len(sounds.waveforms), how.batch_size):
            found.append(
                outputs(model, torch.from_numpy(np.ascontiguousarray(sounds.waveforms[batch]))).numpy()
            )
    logits = np.concatenate(found)
    return _Heard(_probabilities(logits, how), logits.argmax(1).astype(np.int64))


def _probabilities(logits: NDArray[Any], how: ScoreConfig) -> NDArray[np.float64]:
    return faithfulness.softmax(logits) if how.activation == "softmax" else faithfulness.sigmoid(logits)


def _scored(
    model: AudioModel, sounds: Sounds, heard: _Heard, method: str, masks: Masks, how: ScoreConfig
) -> pl.DataFrame:
    """Return the rows of one method."""
    pairs = donors(heard.targets, sounds.groups, how.seed)
    judge = _Judge(model, masks, sounds, heard, how)
    rows: list[dict[str, Any]] = []
    for clip in track(range(len(masks.values)), len(masks.values), f"scoring {method}"):
        rows.extend(judge.rows(method, clip, pairs))
    return pl.DataFrame(rows, infer_schema_length=None)


def donors(targets: NDArray[np.int64], groups: Sequence[Any], seed: int) -> NDArray[np.int64]:
    """Return, for each clip, another clip of the same class and one of another class, ``(clip, 2)``; -1: there is none.

    Both are drawn from other groups, so that a mask of the same recording is no "other" clip.
    """
    rng = np.random.default_rng(seed)
    code = np.unique(np.asarray(groups), return_inverse=True)[1]
    pairs = np.full((len(targets), 2), -1, np.int64)
    for clip, (target, group) in enumerate(zip(targets, code)):
        for place, alike in enumerate((targets == target, targets != target)):
            candidates = np.flatnonzero(alike & (code != group))
            if candidates.size:
                pairs[clip, place] = rng.choice(candidates)
    return pairs


@dataclass(frozen=True)
class _Judge:
    """Puts the masks of a clip to the test."""

    model: AudioModel
    masks: Masks
    sounds: Sounds
    heard: _Heard
    how: ScoreConfig

    def rows(self, method: str, clip: int, pairs: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
        """Return the rows of one clip."""
        spectrum = self._spectrum(clip)
        magnitude, masks = spectrum.abs().mean(1)[0].cpu().numpy(), self.masks.values
        same, different = (masks[one].astype(np.float32) if one >= 0 else None for one in pairs[clip])
        case = Case(masks[clip].astype(np.float32), magnitude, same, different)
        names = (None, *self.how.controls)
        made = [
            case.mask if one is None else control(one, case, self._seed(clip, i))
            for i, one in enumerate(names)
        ]
        there = [one for one in made if one is not None]
        scores = {removal: self._measures(clip, spectrum, there, removal) for removal in self.how.removals}
        shapes = self._shapes(there, magnitude)
        keys = {"clip": clip, "target": int(self.heard.targets[clip]), "method": method}
        for removal, found in scores.items():
            place = 0
            for name, mask in zip(names, made):
                row = {**keys, "control": name, "removal": removal}
                if mask is None:
                    yield row | dict.fromkeys((*MEASURES, *OF_MASK))
                    continue
                yield row | {one: float(values[place]) for one, values in (found | shapes).items()}
                place += 1

    def _seed(self, clip: int, place: int) -> int:
        return int(np.random.SeedSequence([self.how.seed, clip, place]).generate_state(1)[0])

    def _spectrum(self, clip: int) -> Tensor:
        return self.masks.on.spectrum(_sound(self.model, self.sounds, slice(clip, clip + 1)))

    def _background(self, clip: int) -> Tensor | None:
        """Return the spectrum of a clip of another class, drawn for this clip."""
        others = np.flatnonzero(self.heard.targets != self.heard.targets[clip])
        if not others.size:
            return None
        rng = np.random.default_rng(self._seed(clip, -1 % 2**16))
        return self._spectrum(int(rng.choice(others)))

    def _measures(
        self, clip: int, spectrum: Tensor, masks: list[NDArray[Any]], removal: str
    ) -> dict[str, NDArray[np.float64]]:
        others = self._background(clip) if removal == "background" else None
        if removal == "background" and others is None:
            return {one: np.full(len(masks), np.nan) for one in MEASURES}
        fill = filling(removal, spectrum, others, self._seed(clip, 2**16))
        stack = torch.from_numpy(np.stack(masks)).to(spectrum.device)
        p_in, p_out = (self._heard_through(spectrum, one, fill) for one in (stack, 1 - stack))
        p = np.repeat(self.heard.probabilities[clip : clip + 1], len(masks), axis=0)
        target = np.full(len(masks), self.heard.targets[clip])
        published = faithfulness.average_drop(p, p_in, target, variant="double-softmax")
        measures = faithfulness.evaluate(p, p_in, p_out, target, tolerance=ROUNDING)
        return {one: published if one == "average_drop_published" else measures[one] for one in MEASURES}

    def _heard_through(self, spectrum: Tensor, masks: Tensor, fill: Tensor) -> NDArray[np.float64]:
        found = []
        on, n_samples = self.masks.on, self.sounds.waveforms.shape[2]
        reentry = Reentry(self.model, on, self.how.entry, n_samples)
        with torch.no_grad():
            for start in range(0, len(masks), self.how.batch_size):
                part = masks[start : start + self.how.batch_size, None]
                kept = edited(spectrum, gain(part, spectrum.abs(), self.masks.domain), fill)
                if reentry.by_magnitude:
                    found.append(reentry.output(kept.abs().mean(1), kept.mean(1)))
                else:
                    found.append(outputs(self.model, on.sound(kept, n_samples)))
        return _probabilities(torch.cat(found).cpu().numpy(), self.how)

    def _shapes(self, masks: list[NDArray[Any]], magnitude: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        stack = np.stack(masks)
        gains = gain(torch.from_numpy(stack), torch.from_numpy(magnitude)[None], self.masks.domain).numpy()
        energy = np.square(magnitude, dtype=np.float64)
        total = energy.sum()
        share = (
            (np.square(gains, dtype=np.float64) * energy).sum((1, 2)) / total
            if total
            else np.full(len(stack), np.nan)
        )
        return {
            **sparsity.evaluate(stack),
            "energy_share": share,
            "roughness": np.array([roughness(m) for m in stack]),
        }


def _batches(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
