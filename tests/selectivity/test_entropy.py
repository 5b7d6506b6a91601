"""Activation-probability entropy: the reference's numbers, a hand example, edges that the reference leaves open."""

from __future__ import annotations

import math

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError, UnknownNameError
from otoscope.selectivity.entropy import entropy, kth_smallest, select

CASES = ["A_7cls_verbatim", "C_6cls_zero_and_tie", "E_10cls_top2pct", "H_2cls"]


@pytest.mark.parametrize("case", CASES)
def test_equals_the_reference(case, parity) -> None:
    vectors = parity("lape")

    def of(name: str) -> np.ndarray:
        return vectors[f"{case}/{name}"]

    counts = of("over_zero")
    found = select(counts, of("n"), top_rate=float(of("top_rate")))
    width, n_classes = counts.shape[1:]
    wanted = set((of("row_index") * width + of("col_index")).tolist())
    assert set(np.flatnonzero(found.selected).tolist()) == wanted
    assert np.array_equal(found.triples, of("final_class_layer_neuron"))
    assert np.array_equal(found.probabilities, of("activation_probs").reshape(-1, n_classes))
    assert found.bar == float(of("activation_bar"))
    reference = of("entropy").reshape(-1)
    assert np.array_equal(found.eligible, np.isfinite(reference))
    assert found.entropy[found.eligible] == pytest.approx(reference[found.eligible], abs=1e-6)
    assert found.n_asked == int(of("top_entropy_value"))
    assert len(found.lists) == n_classes and {len(one) for one in found.lists} == {counts.shape[0]}


@pytest.mark.parametrize("eligibility", ["lape", "drop-lowest"])
def test_equals_plain_loops(eligibility) -> None:
    rng = np.random.default_rng(5)
    counts, n = rng.integers(0, 50, size=(3, 40, 5)), np.array([50, 60, 70, 55, 51])
    found = select(counts, n, top_rate=0.1, eligibility=eligibility, bar_rate=0.8, drop_rate=0.3)
    p = [[np.float32(c) / np.float32(m) for c, m in zip(row, n)] for row in counts.reshape(-1, 5)]
    heights = []
    for row in p:
        shares = [float(one) / sum(map(float, row)) for one in row]
        heights.append(-sum(one * math.log(one) for one in shares if one > 0))
    everything = sorted(one for row in p for one in row)
    bar = everything[round(0.8 * len(everything)) - 1]
    lowest = sorted(range(120), key=lambda i: (max(p[i]), -i))[: round(0.3 * 120)]
    fits = (
        [any(one > bar for one in row) for row in p]
        if eligibility == "lape"
        else [i not in lowest for i in range(120)]
    )
    order = sorted((i for i in range(120) if fits[i]), key=lambda i: (round(heights[i], 12), i))[
        : round(0.1 * 120)
    ]
    triples = sorted((c, i // 40, i % 40) for i in order for c in range(5) if p[i][c] > bar)
    assert found.triples.tolist() == [list(one) for one in triples]
    assert found.entropy == pytest.approx(heights, abs=1e-12)


def test_by_hand() -> None:
    counts = np.array([[[9, 0, 0], [3, 3, 3], [8, 1, 1], [1, 1, 1]]])
    found = select(counts, np.array([10, 10, 10]), top_rate=0.5, bar_rate=0.5)
    assert found.entropy[0] == 0 and found.entropy[1] == pytest.approx(math.log(3))
    assert found.bar == pytest.approx(0.1)  # the 6th of 12 probabilities
    assert found.triples.tolist() == [[0, 0, 0], [0, 0, 2]]
    assert found.n_asked == 2 and found.entropy_cut == pytest.approx(entropy(np.array([[0.8, 0.1, 0.1]]))[0])


def test_layers_by_name_and_with_their_own_positions() -> None:
    counts = {"a": np.array([[9, 1], [5, 5]]), "b": np.array([[1, 90]])}
    found = select(counts, {"a": np.array([10, 10]), "b": np.array([100, 100])}, top_rate=0.7, bar_rate=0.5)
    assert found.layers == ("a", "b") and found.widths == (2, 1)
    assert found.triples.tolist() == [[0, 0, 0], [1, 1, 0]]
    assert found.neurons(1).tolist() == [[1, 0]]


def test_scale_of_counts_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    counts, n = rng.integers(0, 30, size=(2, 50, 4)), np.full(4, 32)
    once, twice = select(counts, n, top_rate=0.1), select(counts * 4, n * 4, top_rate=0.1)
    assert np.array_equal(once.triples, twice.triples)
    order = np.array([2, 0, 3, 1])
    moved = select(counts[..., order], n, top_rate=0.1)
    renamed = sorted([int(order[c]), layer, i] for c, layer, i in moved.triples.tolist())
    assert renamed == once.triples.tolist()


def test_a_dead_neuron_is_never_selected() -> None:
    counts = np.zeros((1, 4, 2), dtype=int)
    counts[0, 0] = 5, 1
    for eligibility in ("lape", "drop-lowest"):
        found = select(counts, np.array([9, 9]), top_rate=1.0, eligibility=eligibility, bar_rate=0.5)
        assert found.selected.tolist() == [True, False, False, False] and found.n_asked == 4
    nothing = select(np.zeros((1, 4, 2)), np.array([9, 9]), top_rate=0.5)
    assert nothing.triples.shape == (0, 3) and math.isnan(nothing.entropy_cut)


def test_ties_at_the_cut_go_to_the_lower_layer_and_index() -> None:
    counts = np.tile(np.array([6, 2]), (2, 3, 1))
    counts[1, 1] = 2, 6  # the same two numbers: the same entropy
    found = select(counts, np.array([10, 10]), top_rate=4 / 6, bar_rate=0.4)
    assert np.flatnonzero(found.selected).tolist() == [0, 1, 2, 3]


def test_a_class_without_observations_has_an_empty_list() -> None:
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 20, size=(1, 40, 3))
    counts[..., 1] = 0
    found = select(counts, np.array([20, 0, 20]), top_rate=0.2)
    without = select(counts[..., [0, 2]], np.array([20, 20]), top_rate=0.2)
    assert np.array_equal(found.selected, without.selected) and found.bar == without.bar
    assert len(found.neurons(1)) == 0 and np.isnan(found.probabilities[:, 1]).all()


def test_one_class_selects_nothing() -> None:
    found = select(np.arange(6).reshape(1, 6, 1), np.array([9]), top_rate=0.5)
    assert found.triples.shape == (0, 3) and (found.entropy == 0).all() and len(found.lists) == 1


def test_kth_is_counted_from_one_and_rounds_half_to_even() -> None:
    assert kth_smallest(np.array([3.0, 1.0, 2.0, 4.0, 5.0]), 0.5) == 2.0  # round(2.5) = 2
    assert kth_smallest(np.array([7.0]), 0.01) == 7.0
    assert math.isnan(kth_smallest(np.array([]), 0.5))


def test_errors_say_what_is_wrong() -> None:
    counts, n = np.ones((1, 2, 2)), np.array([3, 3])
    with pytest.raises(UnknownNameError, match=r"unknown eligibility 'lap'.*lape"):
        select(counts, n, eligibility="lap")
    with pytest.raises(UnknownNameError, match=r"unknown unit 'frame'.*clip-any"):
        select(counts, n, unit="frame")
    with pytest.raises(InputError, match=r"top_rate is a share above 0 and at most 1, got 0"):
        select(counts, n, top_rate=0)
    with pytest.raises(InputError, match=r"got \(2, 2\) and \(3,\)"):
        select(counts, np.array([3, 3, 3]))
    with pytest.raises(InputError, match="positive more often than it was observed"):
        select(counts * 9, n)
    with pytest.raises(InputError, match="finite and not negative"):
        select(-counts, n)
    with pytest.raises(EmptyDataError, match="no neuron or no class"):
        select(np.ones((1, 0, 2)), n)
    with pytest.raises(EmptyDataError, match="no layer"):
        select({}, n)
    with pytest.raises(InputError, match=r"different numbers of classes: \[2, 1\]"):
        select({"a": np.ones((2, 2)), "b": np.ones((2, 1))}, {"a": n, "b": n[:1]})
    with pytest.raises(UnknownNameError, match="b"):
        select({"a": np.ones((2, 2)), "b": np.ones((2, 2))}, {"a": n})
