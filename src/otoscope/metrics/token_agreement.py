"""Do two texts say the same, word by word in context (BERTScore)?

Definition: x_i and y_j are the contextual embeddings of the tokens of a candidate and of a reference, unit length,

    recall = mean_j max_i x_i.y_j,   precision = mean_i max_j x_i.y_j,   F1 = 2 P R / (P + R).

Conventions: one array ``(token, dimension)`` per text, special tokens left out by whoever made it, normalised here. A
text without tokens agrees with nothing (0). No weights by rarity and no rescaling, so scores are high and narrow: only
comparable under one encoder and layer, and beside a control.

Reference: T. Zhang, V. Kishore, F. Wu, K. Q. Weinberger, Y. Artzi, "BERTScore: Evaluating Text Generation with BERT",
ICLR 2020, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError
from otoscope.metrics.classification import Floats

Scores = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def validate(candidates: Sequence[Floats], references: Sequence[Floats]) -> None:
    """Raise if there is not one reference a candidate, or an embedding is no table."""
    if len(candidates) != len(references):
        raise InputError(f"expected one reference a candidate, got {len(references)} for {len(candidates)}")
    for one in (*candidates, *references):
        if one.ndim != 2:
            raise InputError(f"expected one array (token, dimension) a text, got shape {one.shape}")


def bert_score(candidates: Sequence[Floats], references: Sequence[Floats]) -> Scores:
    """Return precision, recall and F1 of each pair of texts, ``(text,)`` each, in [-1, 1]; higher is better.

    Parameters
    ----------
    candidates, references : sequence of array (token, dimension)
        Contextual token embeddings of one text each.

    Examples
    --------
    >>> words = np.eye(3)
    >>> [float(one[0]) for one in bert_score([words[:2]], [words])]
    [1.0, 0.6666666666666666, 0.8]
    """
    validate(candidates, references)
    pairs = [_greedy(one, other) for one, other in zip(candidates, references, strict=True)]
    precision = np.array([p for p, _ in pairs], dtype=np.float64)
    recall = np.array([r for _, r in pairs], dtype=np.float64)
    both = precision + recall
    f1 = np.where(both != 0, 2 * precision * recall / np.where(both != 0, both, 1), 0.0)
    return precision, recall, f1


def _greedy(candidate: Floats, reference: Floats) -> tuple[float, float]:
    if not len(candidate) or not len(reference):
        return 0.0, 0.0
    cosines = _unit(candidate) @ _unit(reference).T
    return float(cosines.max(axis=1).mean()), float(cosines.max(axis=0).mean())


def _unit(tokens: Floats) -> Floats:
    length = np.linalg.norm(tokens, axis=1, keepdims=True)
    return np.asarray(tokens / np.where(length > 0, length, 1))
