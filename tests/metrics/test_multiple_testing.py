"""q-values and the three nulls: by hand, against scipy, and calibrated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, norm

from otoscope.errors import InputError
from otoscope.metrics import multiple_testing as mt


def test_q_values_as_scipy_has_them() -> None:
    p = np.random.default_rng(0).random(200) ** 2
    assert mt.benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))


def test_q_values_leave_out_nan_and_keep_the_shape() -> None:
    p = np.array([[0.01, np.nan], [0.04, 0.02]])
    q = mt.benjamini_hochberg(p)
    assert np.isnan(q[0, 1])
    assert q[[0, 1, 1], [0, 0, 1]] == pytest.approx(false_discovery_control([0.01, 0.04, 0.02]))
    assert np.isnan(mt.benjamini_hochberg(np.full(3, np.nan))).all()
    with pytest.raises(InputError, match=r"lie in \[0, 1\]"):
        mt.benjamini_hochberg(np.array([1.5]))


@pytest.mark.parametrize("name", mt.NULLS)
def test_null_neurons_get_uniform_p(name: str) -> None:
    rng = np.random.default_rng(0)
    centre, spread = rng.normal(size=15000), rng.uniform(0.5, 3, size=15000)
    draws = centre + spread * np.abs(rng.normal(size=(201, 15000)))
    p = mt.NULLS[name](draws[0], draws[1:])
    for level in (0.5, 0.1, 0.05, 0.01):
        assert np.mean(p <= level) == pytest.approx(level, rel=0.2)


def test_pooling_survives_correction_where_counting_cannot() -> None:
    rng = np.random.default_rng(0)
    null = rng.normal(size=(100, 2000))
    observed = rng.normal(size=2000)
    observed[:20] += 8
    q = {name: mt.benjamini_hochberg(one(observed, null)) for name, one in mt.NULLS.items()}
    assert (q["counted"] <= 0.05).sum() == 0
    assert (q["pooled"][:20] <= 0.05).all()
    assert (q["tail"][:20] <= 0.05).mean() > 0.9
    assert (q["pooled"][20:] <= 0.05).sum() <= 3


def test_the_tail_reaches_beyond_the_permutations() -> None:
    null = np.random.default_rng(0).normal(size=(2000, 300))
    p = mt.tail_p(np.full(300, 4.0), null)
    assert norm.sf(4.0) < np.median(p) < 20 * norm.sf(4.0)  # far below 1 / 2001, and on the safe side
    assert (p > 0).all()


def test_slow_leave_one_out() -> None:
    null = np.random.default_rng(0).normal(size=(9, 2))
    slow = np.empty_like(null)
    for b in range(9):
        rest = np.delete(null, b, axis=0)
        slow[b] = (null[b] - rest.mean(axis=0)) / rest.std(axis=0, ddof=1)
    assert mt._left_out(null - null.mean(axis=0)) == pytest.approx(slow)


def test_edges() -> None:
    null = np.ones((10, 2))
    null[:, 1] = np.arange(10)
    assert mt.pooled_p(np.array([5.0, 100.0]), null)[0] == 1.0  # a null that does not vary
    assert np.isnan(mt.pooled_p(np.array([np.nan, 1.0]), null)[0])
    assert mt.counted_p(np.array([5.0, 100.0]), null).tolist() == [1 / 11, 1 / 11]
    with pytest.raises(InputError, match="at least 3 permutations"):
        mt.pooled_p(np.array([1.0]), np.ones((2, 1)))
    with pytest.raises(InputError, match=r"\(permutation, neuron\)"):
        mt.tail_p(np.ones(3), np.ones((5, 2)))
