"""Which class of which clip is explained? One case a clip and explained class.

=====================  =============================================================================================
``predicted``          the class that the network names (one case a clip)
``label``              the clip's own labels, where the network has such a class
``all-above:0.5``      each class whose probability is above 0.5 (networks of several labels)
``all-above:0.6,0.3``  each class whose probability is above its own threshold; one a class, in the network's order
a class                its name, or its index: the same for every clip
=====================  =============================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError, UnknownNameError
from otoscope.models.audio_model import AudioModel

PREDICTED, LABEL, ABOVE = "predicted", "label", "all-above"


@dataclass(frozen=True)
class Cases:
    """What is explained.

    Attributes
    ----------
    clips, targets : array of int (case,)
        Place of the clip in the set, and the explained class.
    p : array (clip, class)
        Probabilities of the whole sounds.
    places : array of int (clip,), optional
        Place of each clip in the whole set, where these are a part of it: what is drawn for a clip hangs on it.
    """

    clips: NDArray[np.int64]
    targets: NDArray[np.int64]
    p: NDArray[np.float64]
    places: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.clips)

    def place(self, case: int) -> int:
        """Return the place of a case's clip in the whole set."""
        clip = int(self.clips[case])
        return clip if self.places is None else int(self.places[clip])


@dataclass(frozen=True)
class Lenders:
    """Who lends something to each case; -1: nobody can.

    Attributes
    ----------
    masks : array of int (case, 2)
        Cases whose masks are the controls ``other-same`` and ``other-different``, see :mod:`otoscope.explain.lending`.
    backgrounds : array of int (case,)
        Clips whose sound stands where something was removed.
    """

    masks: NDArray[np.int64]
    backgrounds: NDArray[np.int64]


def cases(
    model: AudioModel, p: NDArray[np.float64], target: str, labels: Sequence[Sequence[str]] | None = None
) -> Cases:
    """Return the cases of a set.

    Parameters
    ----------
    model : AudioModel
        For the names of its classes.
    p : array (clip, class)
        Probabilities.
    target : str
        See the module.
    labels : sequence of sequence of str, optional
        Labels of each clip.

    Raises
    ------
    EmptyDataError
        If no clip has a class to explain.
    """
    found = cases_of_part(model, p, target, labels)
    if not len(found):
        raise no_case(target)
    return found


def cases_of_part(
    model: AudioModel, p: NDArray[np.float64], target: str, labels: Sequence[Sequence[str]] | None = None
) -> Cases:
    """Return the cases of a part of a set, perhaps none; parameters as for :func:`cases`."""
    member = np.zeros(p.shape, np.bool_)
    for clip, chosen in enumerate(_chosen(model, p, target, labels)):
        member[clip, chosen] = True
    clips, targets = np.nonzero(member)
    return Cases(clips.astype(np.int64), targets.astype(np.int64), p)


def no_case(target: str) -> EmptyDataError:
    """Return the error of a set without a case."""
    return EmptyDataError(f"no clip has a class to explain with target {target!r}")


def _chosen(
    model: AudioModel, p: NDArray[np.float64], target: str, labels: Sequence[Sequence[str]] | None
) -> list[list[int]]:
    kind, colon, _ = target.partition(":")
    if target == PREDICTED:
        return [[int(one)] for one in p.argmax(1)]
    if kind == ABOVE and colon:
        level = thresholds_of(target, p.shape[1])
        return [np.flatnonzero(one > level).tolist() for one in p]
    if target == LABEL:
        if labels is None:
            raise InputError("target 'label' needs labelled clips: these carry none")
        place = {name: index for index, name in enumerate(model.classes)}
        return [[place[name] for name in one if name in place] for one in labels]
    return [[index_of(model, target, p.shape[1])]] * len(p)


def thresholds_of(target: str, n_classes: int) -> NDArray[np.float64]:
    """Return the threshold of each class ``(class,)`` of ``all-above:NUMBER`` or ``all-above:NUMBER,NUMBER,...``.

    Raises
    ------
    InputError
        If it is neither one number nor one a class, each in [0, 1).
    """
    try:
        levels = np.array([float(one) for one in target.partition(":")[2].split(",")])
    except ValueError:
        levels = np.array([-1.0])
    if not ((levels >= 0) & (levels < 1)).all():
        raise InputError(f"expected a target all-above:NUMBER with a number in [0, 1), got {target!r}")
    if len(levels) not in (1, n_classes):
        raise InputError(
            f"expected one threshold, or one for each of the network's {n_classes} classes, got {len(levels)} in "
            f"{target!r}"
        )
    return np.broadcast_to(levels, (n_classes,)).copy()


def index_of(model: AudioModel, target: str, n_classes: int) -> int:
    """Return the index of a class given by its name or number.

    Raises
    ------
    UnknownNameError
        If the network has no such class.
    """
    if target in model.classes:
        return model.classes.index(target)
    if target.isascii() and target.isdigit() and int(target) < n_classes:
        return int(target)
    raise UnknownNameError.of(
        "target", target, (PREDICTED, LABEL, f"{ABOVE}:0.5", *(model.classes or map(str, range(n_classes))))
    )
