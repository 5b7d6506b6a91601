"""What happened to each clip under each set: its own class's logit and probability, and whether it was named right.

A clip's logits are the mean over its windows, weighted by the seconds each answers for. Clips are heard once, all
sets on each; of the logits only what concerns the clip's own class is kept, so thousands of sets fit in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.ablate.config import MEASURES
from otoscope.ablate.hearing import Hearing
from otoscope.ablate.lesion import Lesion
from otoscope.ablate.places import Place
from otoscope.errors import InputError
from otoscope.progress import track

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labelled:
    """The classes of the network, and those of the clips among them.

    Attributes
    ----------
    classes : tuple of str
        Of the label set.
    logit : array of int64 (class,)
        Which logit stands for each.
    targets : array of int64 (clip of the run,)
        Class of each clip, -1 where unlabelled.
    groups : array of str (clip of the run,)
    """

    classes: tuple[str, ...]
    logit: Integers
    targets: Integers
    groups: NDArray[Any]


@dataclass(frozen=True)
class Outcome:
    """What each set did to each clip.

    Attributes
    ----------
    values : array of float32 (measure, set, clip)
        See :data:`~otoscope.ablate.config.MEASURES`; the first set is the empty one.
    targets : array of int64 (clip,)
        Class of each clip.
    groups : array (clip,)
    rows : array of int64 (clip,)
        Row of each clip in the run.
    named : array of int16 (set, clip)
        Which class each clip is named, -1 for an output that is none of them.
    mass : array of float64 (some set, class, class)
        Sum over the clips of each true class of the probabilities of each class, for the first sets only.
    """

    values: NDArray[np.float32]
    targets: Integers
    groups: NDArray[Any]
    rows: Integers
    named: NDArray[np.int16]
    mass: NDArray[np.float64]

    def measure(self, name: str) -> Floats:
        """Return one measure, ``(set, clip)``."""
        found: Floats = self.values[MEASURES.index(name)].astype(np.float64)
        return found


def hear(lesion: Lesion, hearing: Hearing, masks: Tensor, labelled: Labelled, *, n_whole: int = 1) -> Outcome:
    """Return what each set does to each clip of ``hearing``.

    Parameters
    ----------
    lesion : Lesion
    hearing : Hearing
    masks : Tensor of bool (set, neuron)
        The first must be empty: the network as it is.
    labelled : Labelled
    n_whole : int
        For how many of the first sets the probabilities of all classes are kept.

    Raises
    ------
    EmptyDataError
        If no clip can be heard.
    """
    if bool(masks[0].any()):
        raise InputError("the first set must be empty: it is what the others are compared with")
    rows, found, named = [], [], []
    n_classes = len(labelled.classes)
    mass = np.zeros((min(n_whole, len(masks)), n_classes, n_classes))
    windows = groupby(hearing, key=lambda window: window.row)
    for row, own in track(windows, len(hearing), "ablating"):
        total, seconds = torch.zeros(()), 0.0
        for window in own:
            total = total + window.seconds * lesion.logits(window, masks)
            seconds += window.seconds
        rows.append(row)
        logits, target = total / seconds, int(labelled.targets[row])
        found.append(of_own_class(logits, labelled, target))
        named.append(_named(logits, labelled))
        mass[:, target] += torch.softmax(logits[: len(mass)].double(), dim=1)[:, labelled.logit].numpy()
    kept = np.array(rows, dtype=np.int64)
    values, names = np.stack(found, axis=2), np.stack(named, axis=1)
    return Outcome(values, labelled.targets[kept], labelled.groups[kept], kept, names, mass)


def _named(logits: Tensor, labelled: Labelled) -> NDArray[np.int16]:
    """Return which class each set names, ``(set,)``."""
    class_of = np.full(logits.shape[1], -1, dtype=np.int16)
    class_of[labelled.logit] = np.arange(len(labelled.logit))
    return np.asarray(class_of[logits.argmax(dim=1).numpy()])


def of_own_class(logits: Tensor, labelled: Labelled, target: int) -> NDArray[np.float32]:
    """Return logit and probability of a clip's own class and whether it is named, ``(measure, set)``."""
    own = int(labelled.logit[target])
    probability = torch.softmax(logits.double(), dim=1)[:, own]
    right = logits.argmax(dim=1) == own
    return torch.stack([logits[:, own].double(), probability, right.double()]).float().numpy()


def embed(
    lesion: Lesion, hearing: Hearing, masks: Tensor, place: Place
) -> tuple[NDArray[np.float32], Integers]:
    """Return a layer's mean over positions under each set, ``(set, clip, neuron)``, and the clips' rows."""
    rows, found = [], []
    for row, own in groupby(hearing, key=lambda window: window.row):
        total, seconds = torch.zeros(()), 0.0
        for window in own:
            total = total + window.seconds * lesion.embeddings(window, masks, place)[1]
            seconds += window.seconds
        rows.append(row)
        found.append((total / seconds).numpy())
    return np.stack(found, axis=1), np.array(rows, dtype=np.int64)


def match_classes(classes: Sequence[str], outputs: Sequence[str], same: Any) -> Integers:
    """Return which output stands for each class.

    Parameters
    ----------
    classes : sequence of str
        Of the clips.
    outputs : sequence of str
        Names of the network's outputs.
    same : callable
        What names are compared by.

    Raises
    ------
    InputError
        If a class is not among the outputs.
    """
    known = {same(name): at for at, name in enumerate(outputs)}
    missing = [name for name in classes if same(name) not in known]
    if missing:
        raise InputError(
            f"the network has no output for {', '.join(missing[:10])}; its outputs are "
            f"{', '.join(outputs[:30]) or 'without names'}. Ablation is judged on classes that the network names"
        )
    return np.array([known[same(name)] for name in classes], dtype=np.int64)
