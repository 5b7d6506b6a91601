"""Jaccard by hand, margins kept, and p-values that find what goes together."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError
from otoscope.selectivity.selector import Choice
from otoscope.selectivity.sharing import clustering_order, curveball, jaccard, sharing
from otoscope.selectivity.statistics import beside_chance, overlap, per_layer, task_statistics


def table(n: int = 60, seed: int = 0) -> np.ndarray:
    """Return six classes; 0 and 1 have the same neurons, some neurons have many classes."""
    rng = np.random.default_rng(seed)
    made = rng.random((6, n)) < np.linspace(0.05, 0.6, n)
    made[1] = made[0]
    return made


def test_jaccard_by_hand() -> None:
    a = np.array([[1, 1, 1, 0], [0, 0, 0, 0]], dtype=bool)
    b = np.array([[0, 1, 1, 1]], dtype=bool)
    assert jaccard(a, b).tolist() == [[0.5], [0.0]]
    found = sharing(a, b, [b, ~b])
    assert found.shared.tolist() == [[2], [0]] and found.union.tolist() == [[4], [3]]
    assert found.p_more[0, 0] == pytest.approx(2 / 3) and np.isnan(found.p_more[1, 0])
    assert found.expected[0, 0] == pytest.approx((0.5 + 1 / 3) / 2)


def test_curveball_keeps_both_margins_in_each_layer() -> None:
    made, layer = table(), np.repeat([0, 1, 2], 20)
    seen = set()
    for one in curveball(made, layer, 40, seed=1):
        assert np.array_equal(one.sum(axis=0), made.sum(axis=0))
        for number in range(3):
            assert np.array_equal(one[:, layer == number].sum(axis=1), made[:, layer == number].sum(axis=1))
        seen.add(one.tobytes())
    assert len(seen) == 40 and np.array_equal(made, table())


def test_curveball_is_uniform_on_a_small_case() -> None:
    """Two classes of one neuron each, among two neurons that have one class each: two tables, equally likely."""
    tables = [one[0, 0] for one in curveball(np.eye(2, dtype=bool), np.zeros(2, int), 2000, seed=0)]
    assert np.mean(tables) == pytest.approx(0.5, abs=0.04)
    square = np.eye(3, dtype=bool)
    kinds = {one.tobytes() for one in curveball(square, np.zeros(3, int), 300, seed=0)}
    assert len(kinds) == 6


def test_the_pair_that_goes_together_is_found() -> None:
    made = table()
    found = sharing(made, None, curveball(made, np.zeros(60, int), 199, seed=0))
    assert found.p_more[0, 1] == pytest.approx(1 / 200) and found.jaccard[0, 1] == 1
    assert np.isnan(np.diag(found.p_more)).all()
    others = found.p_more[np.triu_indices(6, 1)][1:]
    assert (others > 0.02).mean() > 0.8 and np.array_equal(found.shared, found.shared.T)


def test_neurons_of_many_classes_make_no_sharing() -> None:
    """Classes drawn independently, but more often from the same neurons: sharing is large, and p is not small."""
    small = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        made = rng.random((5, 80)) < rng.beta(0.3, 1.2, 80)
        found = sharing(made, None, curveball(made, np.zeros(80, int), 99, seed=0))
        small.extend(found.p_more[np.triu_indices(5, 1)] <= 0.05)
        independent = made.sum(axis=1).mean() ** 2 / 80
        assert found.shared[np.triu_indices(5, 1)].mean() > 1.3 * independent
    assert np.mean(small) < 0.12


def test_contrasts_by_hand() -> None:
    a = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=bool)
    b = np.array([[1, 1, 1, 0], [0, 0, 1, 1]], dtype=bool)
    same = np.eye(3, 2, dtype=bool)
    found = sharing(a, b, [b, b[:, ::-1], b[::-1]], {"same": same, "all": np.ones((3, 2), bool)}).contrasts
    one = found["same"]  # the class without neurons does not count
    assert (one.n_inside, one.n_outside) == (2, 2)
    assert one.inside == pytest.approx((2 / 3 + 1) / 2) and one.outside == pytest.approx((0 + 1 / 4) / 2)
    assert one.p == pytest.approx(2 / 4)  # the table itself; the turned ones give less
    assert np.isnan(found["all"].p) and found["all"].n_outside == 0
    made = table()
    pair = np.zeros((6, 6), dtype=bool)
    pair[0, 1] = pair[1, 0] = True
    (within,) = sharing(
        made, None, curveball(made, np.zeros(60, int), 99, 0), {"pair": pair}
    ).contrasts.values()
    assert (within.n_inside, within.n_outside, within.inside) == (1, 14, 1.0) and within.p == 0.01


def test_order_puts_alike_classes_side_by_side() -> None:
    made = np.zeros((4, 8), dtype=bool)
    made[0, :4] = made[2, :4] = made[1, 4:] = made[3, 4:] = True
    order = clustering_order(jaccard(made)).tolist()
    assert abs(order.index(0) - order.index(2)) == 1 and abs(order.index(1) - order.index(3)) == 1
    assert clustering_order(np.ones((2, 2))).tolist() == [0, 1]


def test_errors() -> None:
    with pytest.raises(InputError, match=r"over the same neurons, got \(2, 3\) and \(2, 4\)"):
        jaccard(np.ones((2, 3), bool), np.ones((2, 4), bool))
    with pytest.raises(EmptyDataError, match="at least one table of the null"):
        sharing(table(), None, [])
    with pytest.raises(InputError, match=r"one layer a neuron, got \(3,\)"):
        next(curveball(table(), np.zeros(3, int), 1, 0))
    with pytest.raises(InputError, match=r"at least one of each, got \(0, 3\)"):
        task_statistics(np.zeros((0, 3), bool))


def test_statistics_by_hand() -> None:
    made = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    selected = np.array([True, True, True, False])
    found = task_statistics(made, selected)
    assert found == {
        "n_selected": 3,
        "n_with_class": 2,
        "n_pairs": 3,
        "coverage": pytest.approx(2 / 3),
        "mean_per_class": 1.0,
        "median_per_class": 1.0,
        "min_per_class": 0,
        "max_per_class": 2,
        "classes_per_neuron": 1.5,
    }
    empty = task_statistics(np.zeros((3, 4), bool))
    assert empty["coverage"] == 0 and np.isnan(empty["classes_per_neuron"])
    chance = [
        Choice(selected, made),
        Choice(selected, np.zeros_like(made)),
        Choice(selected, np.ones_like(made)),
    ]
    beside = beside_chance(found, chance)
    assert beside["p_n_pairs"] == pytest.approx(3 / 4) and beside["chance_n_pairs"] == pytest.approx(5)
    assert np.isnan(beside_chance(found, [])["p_coverage"])
    rows = per_layer(made, selected, np.array([0, 0, 1, 1]), 2)
    assert rows[0] == {"n_neurons": 2, "n_selected": 2, "n_pairs": 3, "coverage": pytest.approx(2 / 3)}
    assert rows[1]["n_pairs"] == 0 and rows[1]["n_selected"] == 1


def test_overlap_by_hand() -> None:
    first = Choice(np.array([True, True, False]), np.array([[1, 1, 0]], dtype=bool))
    second = Choice(np.array([False, True, True]), np.array([[0, 1, 1]], dtype=bool))
    found = overlap(first, second)
    assert found["pair_jaccard"] == found["neuron_jaccard"] == pytest.approx(1 / 3)
    assert found["pair_jaccard_independent"] == pytest.approx((4 / 3) / (4 - 4 / 3))
