"""Captions and concepts as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.describe.affinity import as_affinity, cosine_affinity
from otoscope.errors import EmptyDataError, InputError


class Letters:
    """Encodes a text by its counts of a, b and c."""

    id = "letters-1"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts):
        self.seen += texts
        counts = np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_cosines_and_missing_captions() -> None:
    encoder = Letters()
    found = cosine_affinity(["aab", None, "c", "aab"], ["a", "bc"], encoder)
    assert found.dtype == np.float32
    assert found[0] == pytest.approx([2 / np.sqrt(5), 1 / np.sqrt(10)])
    assert np.isnan(found[1]).all()
    assert found[3].tolist() == found[0].tolist()
    assert sorted(encoder.seen) == ["a", "aab", "bc", "c"]  # each distinct text once


def test_softmax_of_scaled_cosines() -> None:
    cosines = np.array([[0.3, 0.1, 0.1], [np.nan] * 3], dtype=np.float32)
    found = as_affinity(cosines, "softmax", 100.0)
    grown = np.exp(100 * cosines[0] - 30)
    assert found[0] == pytest.approx(grown / grown.sum(), rel=1e-4)
    assert np.isnan(found[1]).all()
    assert as_affinity(cosines, "cosine", 100.0) is cosines


def test_errors() -> None:
    with pytest.raises(EmptyDataError, match="none of 2 clips has a caption"):
        cosine_affinity([None, None], ["a"], Letters())
    with pytest.raises(InputError, match="'cosine' or 'softmax', got 'dot'"):
        as_affinity(np.zeros((1, 1), np.float32), "dot", 1.0)
