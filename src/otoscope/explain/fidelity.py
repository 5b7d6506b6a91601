"""Do explanations name the same set of classes as the network? AUPRC fidelity with several labels.

Every class of every clip is explained. The stand-in's score of class c is what the network gives c on the explanation
of c alone, and for a method with a head of its own (L2I's Theta) what that head gives. The truth is what the network
names: its probability above a threshold per class. :mod:`otoscope.metrics.label_fidelity` measures both by the
published eleven thresholds and by exact average precision; controls stand in for the explanation with masks of their
own.

Cost: classes x clips explanations, and as many passes per mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.errors import EmptyDataError
from otoscope.explain.cases import Cases
from otoscope.explain.controls import Case, control
from otoscope.explain.explanation import Explainer
from otoscope.explain.judge import Judge, probabilities
from otoscope.explain.removal import filling
from otoscope.explain.score import ScoreConfig, explained, heard
from otoscope.explain.sounds import Sounds
from otoscope.metrics import label_fidelity
from otoscope.metrics.faithfulness import top_k_fidelity
from otoscope.models.audio_model import AudioModel
from otoscope.progress import shown, track
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of

CONTROLS = ("random-size", "random-matched", "all-pass")
"""What stands beside the explanations."""
STAND_INS = ("explanation", *CONTROLS, "head")
"""What stands in for the network, in the order of the table."""


@runtime_checkable
class Copies(Protocol):
    """An explainer with a head that imitates the classifier."""

    def copied(self, model: AudioModel, waveform: Tensor) -> Tensor:
        """Return the head's output ``(clip, class)``."""


def auprc_fidelity(
    model: AudioModel,
    sounds: Sounds,
    explainers: Mapping[str, Explainer],
    config: ScoreConfig | None = None,
    *,
    threshold: float | NDArray[np.float64] = 0.5,
) -> pl.DataFrame:
    """Return one row per method and stand-in: ``explanation``, ``head`` where there is one, and the controls.

    Parameters
    ----------
    model : AudioModel
        Of several labels a clip; given back as it was lent.
    sounds : Sounds
    explainers : mapping of str to Explainer
    config : ScoreConfig, optional
        Its activation (sigmoid is meant), removal (the first), batch size and seed count.
    threshold : float or array (class,)
        Above which the network names a class.

    Returns
    -------
    polars.DataFrame
        method, stand_in, macro_auprc, micro_auprc, max_f1 (published protocol), macro_average_precision (exact), the
        macro means' 95 % intervals over groups (``_low``, ``_high``), n_classes (with a positive clip), n_clips,
        n_positive (pairs that the network names).

    Raises
    ------
    EmptyDataError
        If the network names no class on any clip.
    """
    how = ScoreConfig.of(config)
    with lent(model):
        truth = truth_of(probabilities(heard(model, sounds, how.batch_size), how.activation), threshold)
        rows = [
            {"method": name, "stand_in": stand_in, **evaluated(truth, scores, sounds.groups, how.seed)}
            for name, one in explainers.items()
            for stand_in, scores in stand_ins(model, sounds, one, truth.shape[1], how).items()
        ]
    return pl.DataFrame(rows)


def truth_of(p: NDArray[np.float64], threshold: float | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return what the network names ``(clip, class)`` by its probabilities; EmptyDataError where that is nothing."""
    truth: NDArray[np.bool_] = p > threshold
    if not truth.any():
        raise EmptyDataError(f"the network names no class above {threshold} on any of {len(p)} clips")
    return truth


def evaluated(
    truth: NDArray[np.bool_], scores: NDArray[np.float64], groups: Sequence[Any], seed: int
) -> dict[str, float | int]:
    """Return a stand-in's measures, its scores ``(clip, class)``: a row of :func:`auprc_fidelity`."""
    counts = {
        "n_classes": int(truth.any(axis=0).sum()),
        "n_clips": len(truth),
        "n_positive": int(truth.sum()),
    }
    found = label_fidelity.with_intervals(truth, scores, np.asarray([str(one) for one in groups]), seed=seed)
    return {**found, **counts}


def stand_ins(
    model: AudioModel,
    sounds: Sounds,
    explainer: Explainer,
    n_classes: int,
    how: ScoreConfig,
    places: NDArray[np.int64] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return the scores ``(clip, class)`` of each stand-in.

    The masks of one clip are in memory at a time. ``places``: of the clips in the whole set, where these are a part of
    it.
    """
    names = STAND_INS[:-1]
    found = {name: np.zeros((len(sounds), n_classes)) for name in names}
    for clip in track(range(len(sounds)), len(sounds), "hearing every class"):
        every = Cases(np.full(n_classes, clip), np.arange(n_classes), np.zeros((0, n_classes)))
        with shown(False):
            masks = explained(model, sounds, explainer, every, how.batch_size)
        judge = Judge(model, masks.on, masks.domain, activation=how.activation, batch_size=how.batch_size)
        place = clip if places is None else int(places[clip])
        scores = _of_clip(judge, sounds.waveforms[clip], place, masks.values, how)
        for name in names:
            found[name][clip] = scores[name]
    if isinstance(explainer, Copies):
        found["head"] = probabilities(_copied(explainer, model, sounds, how.batch_size), how.activation)
    return found


def _of_clip(
    judge: Judge, sound: NDArray[np.float32], place: int, masks: NDArray[Any], how: ScoreConfig
) -> dict[str, NDArray[np.float64]]:
    """Return, per stand-in, what the network gives each class on the mask of that class; ``place`` in the set."""
    waveform = torch.from_numpy(sound[None]).to(device_of(judge.model))
    spectrum = judge.on.spectrum(waveform)
    magnitude = spectrum.abs().mean(1)[0].cpu().numpy()
    fill = filling(how.removals[0], spectrum, None, how.seed + place).to(spectrum)
    found = {}
    for number, name in enumerate(STAND_INS[:-1]):
        made = [
            _mask(name, one.astype(np.float32), magnitude, [how.seed, place, c, number])
            for c, one in enumerate(masks)
        ]
        stack = torch.from_numpy(np.stack(made)).to(spectrum.device)
        heard_through = judge.probabilities(judge.heard(spectrum, stack, fill, waveform.shape[-1]))
        found[name] = np.diagonal(heard_through).copy()
    return found


def _mask(name: str, own: NDArray[Any], magnitude: NDArray[Any], seed: list[int]) -> NDArray[Any]:
    if name == "explanation":
        return own
    made = control(name, Case(own, magnitude), int(np.random.SeedSequence(seed).generate_state(1)[0]))
    return own if made is None else made


def _copied(explainer: Copies, model: AudioModel, sounds: Sounds, batch_size: int) -> NDArray[np.float64]:
    found = []
    with torch.no_grad():
        for start in range(0, len(sounds), batch_size):
            part = torch.from_numpy(sounds.waveforms[start : start + batch_size]).to(device_of(model))
            found.append(explainer.copied(model, part).double().cpu().numpy())
    return np.concatenate(found)


def head_fidelity(
    explainer: Explainer, model: AudioModel, sounds: Sounds, output: NDArray[np.float64], batch_size: int
) -> dict[str, NDArray[np.float64]]:
    """Return whether a method's own head names the network's class among its 1, 3, 5 first, ``(clip,)`` each.

    Empty for a method without such a head. Higher is better.
    """
    if not isinstance(explainer, Copies):
        return {}
    scores = _copied(explainer, model, sounds, batch_size)
    ks = [k for k in (1, 3, 5) if k < output.shape[1]]
    return {f"head_top_{k}": top_k_fidelity(output, scores, k).astype(np.float64) for k in ks}
