"""Which sentences of a neuron's summary say something that is not true of its least activating clips, too?

Definition. With unit vectors h_i of the sentences about the high clips and l_j of those about the low clips, sentence
i survives iff

    max over j of  h_i . l_j  <=  t .

The published t are 0.5 (what the release's code uses), 0.6 (its option, which it never passes on) and 0.9 (the
paper's figure); cosines, and so t, mean something only for one encoder.

:func:`and_2024_deletion` does what the release does: for every pair above t it removes both sentences, from the very
lists that it walks, while their vectors stay where they were. After a removal each later sentence is judged by the
vector of the one before it, and the last ones by none.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models", ICML
2024, section 3.2 (module B).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError


@dataclass(frozen=True)
class Calibrated:
    """What became of the sentences about the high clips.

    Attributes
    ----------
    kept : array of bool (high,)
    cosine : array (high,)
        The largest cosine to a low sentence; NaN where there is none.
    match : array of int (high,)
        That low sentence; -1 where there is none.
    low_kept : array of bool (low,)
        Without a high sentence above t; in the published deletion, not removed.
    """

    kept: NDArray[np.bool_]
    cosine: NDArray[np.float64]
    match: NDArray[np.int64]
    low_kept: NDArray[np.bool_]


def validate(high: NDArray[np.float32], low: NDArray[np.float32], threshold: float) -> None:
    """Raise InputError if vectors are not of one width, or the threshold is no cosine."""
    if high.ndim != 2 or low.ndim != 2 or (len(high) and len(low) and high.shape[1] != low.shape[1]):
        raise InputError(f"expected two tables (sentence, dim), got {high.shape} and {low.shape}")
    if not -1 <= threshold <= 1:
        raise InputError(f"the threshold is a cosine in [-1, 1], got {threshold}")


def calibrate(high: NDArray[np.float32], low: NDArray[np.float32], threshold: float) -> Calibrated:
    """Return which sentences survive.

    Parameters
    ----------
    high, low : array (sentence, dim)
        Unit vectors.
    threshold : float
        t, in [-1, 1].

    Examples
    --------
    >>> found = calibrate(np.eye(2, dtype=np.float32), np.array([[0.0, 1.0]], dtype=np.float32), 0.6)
    >>> found.kept, found.cosine, found.match
    (array([ True, False]), array([0., 1.]), array([0, 0]))
    """
    validate(high, low, threshold)
    if not len(high) or not len(low):
        return Calibrated(
            np.ones(len(high), dtype=np.bool_),
            np.full(len(high), np.nan),
            np.full(len(high), -1, dtype=np.int64),
            np.ones(len(low), dtype=np.bool_),
        )
    cosines = np.asarray(high @ low.T, dtype=np.float64)  # (high, low)
    best = cosines.argmax(axis=1)
    largest = cosines.max(axis=1)
    return Calibrated(largest <= threshold, largest, best, cosines.max(axis=0) <= threshold)


def and_2024_deletion(
    high: NDArray[np.float32],
    low: NDArray[np.float32],
    threshold: float,
    high_texts: Sequence[str],
    low_texts: Sequence[str],
) -> Calibrated:
    """Return which sentences survive the released code, deleting while it walks.

    Parameters
    ----------
    high, low, threshold
        See :func:`calibrate`; ``cosine`` and ``match`` of the result are those of :func:`calibrate`.
    high_texts, low_texts : sequence of str
        The sentences: equal ones are one to the removal, which takes the first.
    """
    meant = calibrate(high, low, threshold)
    left, right = list(enumerate(high_texts)), list(enumerate(low_texts))
    cosines = np.asarray(high @ low.T, dtype=np.float64) if len(high) and len(low) else np.zeros((0, 0))
    for vector, (_, said) in zip(range(len(high_texts)), left):
        for other, (_, replied) in zip(range(len(low_texts)), right):
            if cosines[vector, other] > threshold:
                _remove(left, said)
                _remove(right, replied)
    kept, low_kept = ({place for place, _ in one} for one in (left, right))
    return Calibrated(
        np.asarray([place in kept for place in range(len(high_texts))], dtype=np.bool_),
        meant.cosine,
        meant.match,
        np.asarray([place in low_kept for place in range(len(low_texts))], dtype=np.bool_),
    )


def _remove(sentences: list[tuple[int, str]], text: str) -> None:
    """Remove the first sentence that reads so, in place: the caller is walking the list, as the release does."""
    for place, (_, said) in enumerate(sentences):
        if said == text:
            del sentences[place]
            return
