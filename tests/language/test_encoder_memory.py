"""A remembered encoder encodes each text once and changes nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.errors import InputError
from otoscope.language import remember


class Counting:
    """An encoder that counts."""

    id = "counting-1"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts):
        self.seen += list(texts)
        rows = np.array([[len(one), 1.0] for one in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_each_text_goes_through_once_and_rows_keep_their_order():
    inner = Counting()
    outer = remember(inner)
    first = outer.encode(["rain", "dog", "rain"])
    second = outer.encode(["wind", "dog"])
    assert inner.seen == ["rain", "dog", "wind"] and outer.n_encoded == 3
    np.testing.assert_array_equal(first, Counting().encode(["rain", "dog", "rain"]))
    np.testing.assert_array_equal(second, Counting().encode(["wind", "dog"]))
    assert outer.id == "counting-1"


def test_remembering_twice_is_once():
    outer = remember(Counting())
    assert remember(outer) is outer


def test_errors_come_before_the_encoder_inside():
    inner = Counting()
    with pytest.raises(InputError, match="text 0"):
        remember(inner).encode([""])
    assert inner.seen == []
