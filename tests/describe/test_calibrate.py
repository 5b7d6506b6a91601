"""Calibration: hand numbers, the published deletion against its own code walked by hand, and how often it errs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from otoscope.describe.calibrate import and_2024_deletion, calibrate
from otoscope.errors import InputError


def unit(rng: np.random.Generator, n: int, dim: int = 3) -> np.ndarray:
    rows = rng.normal(size=(n, dim)) + 0.6
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_hand_numbers() -> None:
    high = np.array([[1, 0], [0, 1], [0.5, 0.75**0.5]], dtype=np.float32)
    low = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    found = calibrate(high, low, 0.5)
    assert found.kept.tolist() == [False, True, True]  # a cosine equal to t survives
    assert found.cosine.round(6).tolist() == [1.0, 0.0, 0.5] and found.match.tolist() == [0, 0, 0]
    assert found.low_kept.tolist() == [False, True]


def test_without_low_sentences_everything_survives() -> None:
    nothing = np.zeros((0, 1), np.float32)
    found = calibrate(np.eye(2, dtype=np.float32), nothing, 0.5)
    assert found.kept.all() and np.isnan(found.cosine).all() and (found.match == -1).all()
    assert calibrate(nothing, np.eye(2, dtype=np.float32), 0.5).kept.shape == (0,)
    assert and_2024_deletion(nothing, nothing, 0.5, [], []).kept.shape == (0,)


def test_more_is_removed_the_lower_t() -> None:
    rng = np.random.default_rng(0)
    high, low = unit(rng, 9), unit(rng, 7)
    kept = [calibrate(high, low, t).kept for t in (-1.0, 0.0, 0.5, 0.9, 1.0)]
    assert all((one <= two).all() for one, two in pairwise(kept))


def released(high, low, t, left, right):
    """The released loop, written down as its description says: lists change under the walk."""
    left, right = list(left), list(right)
    for sentence, vector in zip(left, high):
        for reply, other in zip(right, low):
            if float(vector @ other) > t:
                if sentence in left:
                    left.remove(sentence)
                if reply in right:
                    right.remove(reply)
    return left, right


def test_published_deletion_is_the_walk_over_changing_lists() -> None:
    rng = np.random.default_rng(1)
    wrong = []
    for _ in range(300):
        high, low = unit(rng, 6), unit(rng, 6)
        left, right = [f"h{n}" for n in range(6)], [f"l{n}" for n in range(6)]
        found = and_2024_deletion(high, low, 0.5, left, right)
        expected = released(high, low, 0.5, left, right)
        assert [one for one, kept in zip(left, found.kept) if kept] == expected[0]
        assert [one for one, kept in zip(right, found.low_kept) if kept] == expected[1]
        wrong.append((found.kept != calibrate(high, low, 0.5).kept).any())
    assert np.mean(wrong) > 0.5


def test_published_deletion_skips_after_a_removal() -> None:
    same = np.array([[1.0, 0.0]] * 3, dtype=np.float32)
    low = np.array([[1.0, 0.0]], dtype=np.float32)
    assert not calibrate(same, low, 0.5).kept.any()
    assert and_2024_deletion(same, low, 0.5, ["a", "b", "c"], ["x"]).kept.tolist() == [False, True, True]


def test_errors() -> None:
    with pytest.raises(InputError, match=r"cosine in \[-1, 1\], got 2"):
        calibrate(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), 2)
    with pytest.raises(InputError, match=r"got \(2, 2\) and \(3, 3\)"):
        calibrate(np.eye(2, dtype=np.float32), np.eye(3, dtype=np.float32), 0.5)
