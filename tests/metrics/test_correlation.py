"""Pearson and Spearman against numpy, scipy and their properties."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics import correlation


@pytest.fixture
def columns() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 7))
    return x, np.round(x + rng.normal(size=(50, 7)), 1)


def test_same_as_numpy_and_scipy(columns: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = columns
    assert correlation.pearson(x, y) == pytest.approx([np.corrcoef(x[:, c], y[:, c])[0, 1] for c in range(7)])
    assert correlation.spearman(x, y) == pytest.approx([spearmanr(x[:, c], y[:, c])[0] for c in range(7)])


def test_weights_are_repetitions(columns: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = columns
    times = np.random.default_rng(1).integers(0, 4, size=(3, len(x)))
    found = correlation.weighted_pearson(x, y, times)
    for row, counts in zip(found, times):
        assert row == pytest.approx(
            correlation.pearson(np.repeat(x, counts, axis=0), np.repeat(y, counts, axis=0))
        )


def test_shift_and_scale_change_nothing(columns: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = columns
    assert correlation.pearson(1e6 + 3 * x, -y) == pytest.approx(-correlation.pearson(x, y))


def test_one_column_meets_all(columns: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = columns
    assert correlation.pearson(x, y[:, :1])[0] == pytest.approx(correlation.pearson(x, y)[0])
    assert correlation.evaluate(x, y[:, :1])["spearman"].shape == (7,)


def test_a_constant_column_has_none() -> None:
    x = np.random.default_rng(0).normal(size=(20, 2))
    y = np.stack([np.full(20, 0.1), x[:, 1]], axis=1)
    found = correlation.pearson(x, y)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(1)


def test_errors() -> None:
    with pytest.raises(InputError, match="over the same clips"):
        correlation.pearson(np.ones((3, 1)), np.ones((4, 1)))
    with pytest.raises(InputError, match="columns must match"):
        correlation.pearson(np.ones((3, 2)), np.ones((3, 3)))
    with pytest.raises(InputError, match="hold NaN"):
        correlation.spearman(np.full((3, 1), np.nan), np.ones((3, 1)))
    with pytest.raises(EmptyDataError, match="no clip"):
        correlation.pearson(np.ones((0, 1)), np.ones((0, 1)))
