"""What does a classifier learn of a clip's labels: one class, or several?

``single``   cross-entropy of the softmax, targets are shares of the classes
``multi``    binary cross-entropy of the sigmoid of each class, targets y in [0, 1] per class:
             L = mean over known (clip, class) of  -y log s(f) - (1 - y) log(1 - s(f))

The label set's kind decides. With several labels a class of a clip may be *unknown* (nobody was asked, or annotators
could not say): the column ``NAME_unknown`` of the clips' table names the unknown classes of label set ``NAME``
(:mod:`otoscope.data.sonyc_ust` has it). An unknown class is NaN in the targets; it enters neither loss nor score, and
what is mixed with it is unknown, too. A clip with an empty list of labels has none of the classes; a clip without a
list (null), or all of whose classes are unknown, is unlabelled and takes no part.

Reference: Q. Kong et al. (2020), PANNs, IEEE/ACM TASLP 28, section III (binary cross-entropy, mixup of its targets).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from otoscope.data.clips import Clips
from otoscope.errors import EmptyDataError
from otoscope.models.evaluate import scores
from otoscope.models.multilabel_scores import class_average_precision, multilabel_scores

UNKNOWN = "_unknown"


class Objective(Protocol):
    """What is learnt, how it is measured on the validation part, and how the test part is scored."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Measures of the validation part that can choose the best epoch."""

    def targets(self, clips: Clips, label_set: str | None) -> NDArray[Any]:
        """Return the labels of every clip as numbers, clips first."""

    def labelled(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which clips take part, bool ``(clip,)``."""

    def shares(self, targets: NDArray[Any], n_classes: int, smoothing: float) -> Tensor:
        """Return what is learnt of each clip, float32 ``(clip, class)``; NaN: unknown."""

    def loss(self, logits: Tensor, shares: Tensor) -> Tensor:
        """Return the mean loss ``()`` of logits ``(clip, class)``."""

    def measures(self, logits: Tensor, truth: Tensor) -> Mapping[str, float]:
        """Return the measures of the validation part."""

    def scores(
        self,
        logits: NDArray[Any],
        targets: NDArray[Any],
        groups: Sequence[str],
        classes: Sequence[str],
        seed: int,
    ) -> dict[str, Any]:
        """Return the scores of the test part, JSON-able."""


class OneClass:
    """One class a clip: targets are int64 ``(clip,)``, -1 where unlabelled."""

    metrics = ("valid_accuracy", "valid_cross_entropy")
    scores = staticmethod(scores)

    def targets(self, clips: Clips, label_set: str | None) -> NDArray[Any]:
        """Return class indices."""
        return np.asarray(clips.targets(label_set), np.int64)

    def labelled(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which clips have a class."""
        return np.asarray(targets >= 0)

    def shares(self, targets: NDArray[Any], n_classes: int, smoothing: float) -> Tensor:
        """Return one-hot rows; ``smoothing`` of each is spread over all classes."""
        one_hot = functional.one_hot(torch.from_numpy(targets), n_classes).float()
        return one_hot * (1.0 - smoothing) + smoothing / n_classes

    def loss(self, logits: Tensor, shares: Tensor) -> Tensor:
        """Return the cross-entropy in nats."""
        return functional.cross_entropy(logits, shares)

    def measures(self, logits: Tensor, truth: Tensor) -> Mapping[str, float]:
        """Return ``valid_accuracy`` and ``valid_cross_entropy``."""
        right = (logits.argmax(1) == truth).double().mean()
        return {
            "valid_accuracy": float(right),
            "valid_cross_entropy": float(functional.cross_entropy(logits, truth)),
        }


class SeveralLabels:
    """Any number of classes a clip: targets are float32 ``(clip, class)``, 1 present, 0 absent, NaN unknown."""

    metrics = ("valid_mean_average_precision", "valid_cross_entropy")
    scores = staticmethod(multilabel_scores)

    def targets(self, clips: Clips, label_set: str | None) -> NDArray[Any]:
        """Return membership; NaN for unknown classes, and for all of a clip without a list of labels."""
        labels = clips.label_set(label_set)
        member = clips.targets(labels.name).astype(np.float32)
        member[clips.table[labels.name].is_null().to_numpy()] = np.nan
        if (column := f"{labels.name}{UNKNOWN}") in clips.table.columns:
            place = {name: index for index, name in enumerate(labels.classes)}
            for row, names in enumerate(clips.table[column].to_list()):
                member[row, [place[one] for one in names or () if one in place]] = np.nan
        return member

    def labelled(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which clips have a known class."""
        return np.asarray(~np.isnan(targets).all(axis=1))

    def shares(self, targets: NDArray[Any], n_classes: int, smoothing: float) -> Tensor:
        """Return the targets; ``smoothing`` of each lies halfway between present and absent."""
        return torch.from_numpy(targets).float() * (1.0 - smoothing) + smoothing / 2

    def loss(self, logits: Tensor, shares: Tensor) -> Tensor:
        """Return the binary cross-entropy in nats, the mean over known (clip, class); 0 where none is known."""
        known = ~shares.isnan()
        each = functional.binary_cross_entropy_with_logits(logits, shares.nan_to_num(0.0), reduction="none")
        return (each * known).sum() / known.sum().clamp_min(1)

    def measures(self, logits: Tensor, truth: Tensor) -> Mapping[str, float]:
        """Return ``valid_mean_average_precision`` and ``valid_cross_entropy`` (binary).

        Raises
        ------
        EmptyDataError
            If no clip has any of the classes.
        """
        areas = class_average_precision(truth.numpy(), logits.double().numpy())
        if not np.isfinite(areas).any():
            raise EmptyDataError(
                f"none of the {len(truth)} validation clips has any of the labels: nothing can choose the epoch. "
                "Give the validation part a larger share (--valid)"
            )
        return {
            "valid_mean_average_precision": float(np.nanmean(areas)),
            "valid_cross_entropy": float(self.loss(logits, truth)),
        }


def objective_of(kind: str) -> Objective:
    """Return what is learnt of a label set of this kind, ``single`` or ``multi``.

    Examples
    --------
    >>> objective_of("multi").metrics
    ('valid_mean_average_precision', 'valid_cross_entropy')
    """
    return SeveralLabels() if kind == "multi" else OneClass()
