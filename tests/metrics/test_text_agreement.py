"""Cosines of embeddings and their chance level."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics import text_agreement


def test_by_hand() -> None:
    a, b = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 4.0], [0.0, -1.0]])
    assert text_agreement.cosine(a, b).tolist() == pytest.approx([0.6, -1.0])
    assert text_agreement.mean_cosine(a, b) == pytest.approx(-0.2)
    assert text_agreement.chance(a, b) == pytest.approx((0.0 + 0.8) / 2)


def test_slow_chance() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    pairs = [
        a[i] @ b[j] / np.linalg.norm(a[i]) / np.linalg.norm(b[j])
        for i in range(6)
        for j in range(6)
        if i != j
    ]
    assert text_agreement.evaluate(a, b)["chance"] == pytest.approx(np.mean(pairs))


def test_an_embedding_of_zeros_agrees_with_nothing() -> None:
    assert text_agreement.cosine(np.zeros((1, 3)), np.ones((1, 3))).tolist() == [0.0]
    assert np.isnan(text_agreement.chance(np.ones((1, 3)), np.ones((1, 3))))


def test_errors() -> None:
    with pytest.raises(InputError, match=r"\(item, dimension\)"):
        text_agreement.cosine(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(EmptyDataError, match="nothing to compare"):
        text_agreement.cosine(np.ones((0, 3)), np.ones((0, 3)))
