"""One linear map on standardised embeddings, and what it is fitted on.

With m and s the mean and standard deviation of the training embeddings, logits = W (x - m) / s + b. The map is affine,
so the logits of a mean over windows are the mean of the logits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.metrics.classification import Floats

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """What a probe is fitted on.

    Attributes
    ----------
    train, valid : array (clip, dimension)
        Embeddings.
    train_labels, valid_labels : array
        int64 (clip,) for one class a clip, bool (clip, class) for several.
    n_classes : int
    """

    train: Floats
    train_labels: NDArray[Any]
    valid: Floats
    valid_labels: NDArray[Any]
    n_classes: int

    @property
    def several(self) -> bool:
        """Whether a clip may have several labels."""
        return self.train_labels.ndim == 2


@dataclass(frozen=True)
class Fitted:
    """A fitted probe.

    Attributes
    ----------
    mean, scale : array (dimension,)
        Of the standardisation.
    weight : array (class, dimension)
    bias : array (class,)
    account : dict
        JSON-able: what was chosen, and what the validation part said.
    """

    mean: Doubles
    scale: Doubles
    weight: Doubles
    bias: Doubles
    account: dict[str, Any] = field(default_factory=dict)

    def affine(self) -> tuple[Doubles, Doubles]:
        """Return weights ``(class, dimension)`` and bias ``(class,)`` for embeddings as they are."""
        weight = self.weight / self.scale
        return weight, self.bias - weight @ self.mean

    def logits(self, embeddings: Floats) -> Doubles:
        """Return the logits ``(..., class)`` of embeddings ``(..., dimension)``."""
        standard = (np.asarray(embeddings, dtype=np.float64) - self.mean) / self.scale
        return np.asarray(standard @ self.weight.T + self.bias)


def standardisation(train: Floats) -> tuple[Doubles, Doubles]:
    """Return mean and standard deviation of each column, 1 for a column that does not vary.

    Examples
    --------
    >>> standardisation(np.array([[1.0, 5.0], [3.0, 5.0]]))
    (array([2., 5.]), array([1., 1.]))
    """
    exact = np.asarray(train, dtype=np.float64)
    mean, spread = exact.mean(axis=0), exact.std(axis=0)
    varies = spread > 10 * np.finfo(np.float32).eps * np.abs(mean)
    return mean, np.where(varies & (spread > 0), spread, 1.0)


def cross_entropy(logits: Floats, labels: NDArray[Any]) -> float:
    """Return the mean cross-entropy in nats (of several labels: the mean binary one over clips and classes)."""
    if labels.ndim == 2:
        return float(np.mean(np.logaddexp(0, np.where(labels, -logits, logits))))
    shifted = logits - logits.max(axis=1, keepdims=True)
    normal = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(normal - shifted[np.arange(len(labels)), labels]))
