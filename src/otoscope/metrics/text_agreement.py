"""Does a description mean what the truth means?

Definition: the cosine of two sentence embeddings u and v, u.v / (|u| |v|); over items, the mean.

Conventions: arrays ``(item, dimension)``, row i of one against row i of the other, normalised here; an embedding of
zeros agrees with nothing (0). In [-1, 1], higher is better; the number depends on the encoder, so it is only
comparable under one encoder and beside chance (:func:`chance`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.classification import Floats


def validate(described: Floats, truth: Floats) -> None:
    """Raise if the embeddings are not two tables of the same shape."""
    if described.ndim != 2 or described.shape != truth.shape:
        raise InputError(f"expected two tables (item, dimension), got {described.shape} and {truth.shape}")
    if described.size == 0:
        raise EmptyDataError(f"nothing to compare: the tables are {described.shape}")


def cosine(described: Floats, truth: Floats) -> NDArray[np.float64]:
    """Return the cosine of each pair of embeddings, ``(item,)``.

    Examples
    --------
    >>> cosine(np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]]))
    array([0.6])
    """
    validate(described, truth)
    return np.asarray((_unit(described) * _unit(truth)).sum(axis=1), dtype=np.float64)


def mean_cosine(described: Floats, truth: Floats) -> float:
    """Return the mean cosine over the items."""
    return float(cosine(described, truth).mean())


def chance(described: Floats, truth: Floats) -> float:
    """Return the mean cosine of all pairs of *different* items: what a description of another item scores.

    NaN for a single item.
    """
    validate(described, truth)
    n = len(described)
    all_pairs = _unit(described).sum(axis=0) @ _unit(truth).sum(axis=0)
    return float((all_pairs - cosine(described, truth).sum()) / (n * (n - 1))) if n > 1 else float("nan")


def evaluate(described: Floats, truth: Floats) -> dict[str, float]:
    """Return the mean cosine and its chance by name."""
    return {"mean_cosine": mean_cosine(described, truth), "chance": chance(described, truth)}


def _unit(embeddings: Floats) -> NDArray[np.float64]:
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.where(length > 0, length, 1), dtype=np.float64)
