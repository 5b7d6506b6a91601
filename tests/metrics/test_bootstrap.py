"""Group bootstrap: slow re-derivation, coverage, and what goes wrong without groups."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics import bootstrap
from otoscope.metrics.correlation import pearson


def test_whole_groups_are_drawn() -> None:
    groups = np.array(["b", "a", "b", "c", "a"])
    weights = bootstrap.group_weights(groups, 50, seed=1)
    assert weights.shape == (50, 5)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert (weights == bootstrap.group_weights(groups, 50, seed=1)).all()


def test_slow_pearson_interval() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 3)
    x = rng.normal(size=(60, 4))
    y = x + rng.normal(size=(60, 4))
    low, high = bootstrap.pearson_interval(x, y, groups, n_replicates=200, seed=3)
    weights = bootstrap.group_weights(groups, 200, seed=3).astype(int)
    slow = np.stack([pearson(np.repeat(x, w, axis=0), np.repeat(y, w, axis=0)) for w in weights])
    assert low == pytest.approx(np.quantile(slow, 0.025, axis=0))
    assert high == pytest.approx(np.quantile(slow, 0.975, axis=0))


def test_blocks_of_columns_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y, groups = rng.normal(size=(30, 7)), rng.normal(size=(30, 7)), np.arange(30) // 2
    whole = bootstrap.pearson_interval(x, y, groups, n_replicates=50)
    monkeypatch.setattr(bootstrap, "_CELLS", 100)
    assert np.allclose(bootstrap.pearson_interval(x, y, groups, n_replicates=50), whole)


def test_coverage_with_a_group_effect() -> None:
    """The mean of clips with a group effect: groups cover, clips do not."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    covered = {"group": 0, "clip": 0}
    for _ in range(200):
        values = rng.normal(size=40)[groups] + 0.3 * rng.normal(size=200)
        for name, unit in (("group", groups), ("clip", np.arange(200))):
            low, high = bootstrap.interval(
                lambda w, values=values: w @ values / w.sum(axis=1), unit, n_replicates=300
            )
            covered[name] += low <= 0 <= high
    assert covered["group"] >= 180
    assert covered["clip"] <= 140


def test_a_constant_column_has_no_interval() -> None:
    x = np.zeros((10, 1))
    y = np.arange(10.0)[:, None]
    low, high = bootstrap.pearson_interval(x, y, np.arange(10), n_replicates=20)
    assert np.isnan(low) and np.isnan(high)


def test_errors() -> None:
    with pytest.raises(EmptyDataError, match="one group a clip"):
        bootstrap.group_weights(np.array([]), 10, seed=0)
    with pytest.raises(InputError, match="at least 2 replicates, got 1"):
        bootstrap.group_weights(np.array([1]), 1, seed=0)
    with pytest.raises(InputError, match="between 0 and 1, got 95"):
        bootstrap.interval(lambda w: w, np.array([1, 2]), level=95)
