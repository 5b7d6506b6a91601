"""Alignment of layers: slow re-derivation, invariances, and unrelated layers at 0."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.alignment import correlations, linear_cka, matching


def slow_hsic(k: np.ndarray, m: np.ndarray) -> float:
    """The unbiased estimator as an average over quadruples of distinct clips (Song et al., 2012, equation 4)."""
    n, total, count = len(k), 0.0, 0
    for i, j, q, r in itertools.permutations(range(n), 4):
        total += k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
        count += 1
    return total / count


def test_cka_is_the_average_over_quadruples() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    y[:, 0] += x[:, 1]
    k, m = x @ x.T, y @ y.T
    slow = slow_hsic(k, m) / np.sqrt(slow_hsic(k, k) * slow_hsic(m, m))
    assert linear_cka(x, y) == pytest.approx(slow)


def test_rotation_shift_and_factor_change_nothing_and_unrelated_layers_give_zero() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 8))
    turned = 3 * x @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 5
    assert linear_cka(x, turned) == pytest.approx(1)
    wide = [linear_cka(rng.normal(size=(60, 300)), rng.normal(size=(60, 300))) for _ in range(20)]
    assert abs(np.mean(wide)) < 0.02


def test_matching_finds_a_hidden_order_and_is_the_best_of_all() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 6))
    order = rng.permutation(6)
    rows, columns = matching(x, x[:, order] + 0.1 * rng.normal(size=(40, 6)))
    assert (order[columns] == rows).all()
    y = rng.normal(size=(40, 4))
    found = correlations(x, y)
    rows, columns = matching(x, y)
    best = max(
        sum(found[row, place] for place, row in enumerate(some))
        for some in itertools.permutations(range(6), 4)
    )
    assert found[rows, columns].sum() == pytest.approx(best) and len(rows) == 4


def test_correlations_are_numpys_and_dead_neurons_have_none() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    x[:, 1] = 0.7
    found = correlations(x.astype(np.float32), y)
    assert np.isnan(found[1]).all()
    assert found[0, 1] == pytest.approx(np.corrcoef(x[:, 0], y[:, 1])[0, 1], abs=1e-6)
    assert set(matching(x, y)[0]) <= {0, 1, 2}
    assert np.isnan(linear_cka(np.ones((10, 2)), y[:10]))


def test_bad_input() -> None:
    with pytest.raises(EmptyDataError, match="at least 4"):
        linear_cka(np.ones((3, 2)), np.ones((3, 2)))
    with pytest.raises(InputError, match="same clips"):
        matching(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(InputError, match="NaN"):
        matching(np.full((5, 2), np.nan), np.ones((5, 2)))
    with pytest.raises(EmptyDataError, match="without neurons"):
        matching(np.ones((5, 0)), np.ones((5, 2)))
