"""Every selector: hand numbers, plain numpy, and the one contract they share."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from otoscope.metrics.ranking import auroc as ranked
from otoscope.registry import load
from otoscope.selectivity import SELECTORS
from otoscope.selectivity.entropy import select
from otoscope.selectivity.firing import Block, from_arrays
from otoscope.selectivity.labels import Labelling
from otoscope.selectivity.nulls import across, class_sums
from otoscope.selectivity.selector import RuleOptions
from otoscope.selectivity.units import exchangeable, true_deal
from tests.selectivity import worlds

SHARES = np.array([0.1, 0.3, 0.5, 0.9, 0.7, 0.7])
CLASS = np.array([0, 0, 1, 1, 2, 2])


def effect(name: str, counts: np.ndarray, labelling: Labelling, positions: int = 10) -> np.ndarray:
    """Return the true effects ``(class, neuron)``."""
    selector, units = load(SELECTORS[name]), exchangeable(labelling)
    layer = from_arrays({"x": counts}, np.full(len(counts), positions))[0]
    return selector.effect(class_sums(layer, selector, units, true_deal(labelling, units), torch.float64))[
        0
    ].numpy()


def six() -> Labelling:
    weights = np.eye(3, dtype=np.float32)[CLASS]
    return Labelling("six", ("a", "b", "c"), np.arange(6), weights, np.arange(6).astype(str))


def test_mean_difference_and_contrast_by_hand() -> None:
    counts = (10 * SHARES)[:, None]
    spread = SHARES.std()
    wanted = [(SHARES[c == CLASS].mean() - SHARES[c != CLASS].mean()) / spread for c in range(3)]
    assert effect("mean-difference", counts, six())[:, 0] == pytest.approx(wanted, abs=1e-6)
    means = np.array([0.2, 0.7, 0.7])
    best_other = np.array([0.7, 0.7, 0.7])
    assert effect("contrastive", counts, six())[:, 0] == pytest.approx(
        (means - best_other) / spread, abs=1e-6
    )


def test_auroc_is_the_metric() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 8, size=(60, 9))
    labelling = worlds.task(30, 2, 3)
    found = effect("auroc", counts, labelling)
    for one in range(3):
        truth = np.repeat(labelling.weights[:, one : one + 1] > 0, 9, axis=1)
        assert found[one] == pytest.approx(ranked(truth, counts.astype(float)))


def test_auroc_of_split_labels_counts_pairs_by_their_weights() -> None:
    values, w = np.array([3, 1, 2, 2]), np.array([1.0, 0.5, 0.0, 0.5])
    labelling = Labelling(
        "two",
        ("a", "b"),
        np.arange(4),
        np.stack([w, 1 - w], axis=1).astype(np.float32),
        np.arange(4).astype(str),
    )
    won = sum(
        w[i] * (1 - w[j]) * (1.0 if values[i] > values[j] else 0.5 if values[i] == values[j] else 0.0)
        for i in range(4)
        for j in range(4)
    )
    assert effect("auroc", values[:, None], labelling)[0, 0] == pytest.approx(won / (w.sum() * (1 - w).sum()))


def test_mutual_information_by_hand() -> None:
    """Two classes of 10 positions: a neuron positive in exactly one of them answers all; one at 8 and 2 some."""
    weights = np.eye(2, dtype=np.float32)
    labelling = Labelling("two", ("a", "b"), np.arange(2), weights, np.array(["x", "y"]))
    found = effect("mutual-information", np.array([[10, 8, 5], [0, 2, 5]]), labelling)
    some = (math.log(2) + 0.8 * math.log(0.8) + 0.2 * math.log(0.2)) / math.log(2)
    assert found[0] == pytest.approx([1, some, 0], abs=1e-9) and found[1] == pytest.approx(
        [-1, -some, 0], abs=1e-9
    )


def test_fisher_by_hand() -> None:
    found = effect("fisher", (10 * SHARES)[:, None], six())
    for one in range(3):
        own, rest = SHARES[one == CLASS], SHARES[one != CLASS]
        difference = own.mean() - rest.mean()
        wanted = math.copysign(difference**2, difference) / (own.var() + rest.var())
        assert found[one, 0] == pytest.approx(wanted, rel=1e-4)


def test_entropy_is_that_of_the_counts() -> None:
    rng = np.random.default_rng(3)
    labelling = worlds.task(40, 2, 5)
    counts = rng.integers(0, 11, size=(80, 30))
    by_class = counts.T @ labelling.weights
    reference = select(by_class[None], 10 * labelling.weights.sum(axis=0), top_rate=0.2)
    assert effect("entropy", counts, labelling)[0] == pytest.approx(1 - reference.entropy / math.log(5))
    selector, units = load(SELECTORS["entropy"]), exchangeable(labelling)
    layers = from_arrays({"a": counts[:, :12], "b": counts[:, 12:]}, np.full(80, 10))
    sums = [class_sums(one, selector, units, true_deal(labelling, units), torch.float64) for one in layers]
    choice = selector.published(across(sums), np.zeros((1, 30)), RuleOptions(0.2))
    assert np.array_equal(choice.assigned.T, reference.assigned)
    assert choice.thresholds["bar"] == reference.bar


def test_property_neurons_by_hand() -> None:
    """Of 200 neurons the 2 highest of a clip are activated: 0 always in a, 1 in a and b, 2 in half of b."""
    counts = np.zeros((6, 200))
    counts[:2, 0] = counts[:4, 1] = counts[2, 2] = 9
    found = effect("property", counts, six())
    assert found[:, 0].tolist() == [1, -1, -1] and found[:, 1].tolist() == [0, 0, -1]
    assert found[:, 2].tolist() == [-0.5, 0.5, -0.5] and (found[:, 3:] == 0).all()


@pytest.mark.parametrize("name", SELECTORS)
class TestContract:
    def test_a_selective_neuron_stands_out(self, name) -> None:
        labelling = worlds.task(80, 2, 4)
        rng = np.random.default_rng(0)
        share = np.full((160, 60), 0.3) + 0.2 * rng.random((160, 60))
        share[:, 7] = 0.05 + 0.9 * labelling.weights[:, 2]
        found = effect(name, rng.binomial(100, share), labelling, 100)
        assert np.nanargmax(np.nanmax(found, axis=0)) == 7
        if len(found) > 1:
            assert found[:, 7].argmax() == 2

    def test_renaming_classes_renames_effects(self, name) -> None:
        labelling = worlds.task(30, 2, 3)
        counts = np.random.default_rng(1).integers(0, 11, size=(60, 8))
        order = np.array([2, 0, 1])
        turned = Labelling(
            "t", labelling.classes, labelling.rows, labelling.weights[:, order].copy(), labelling.groups
        )
        once, twice = effect(name, counts, labelling), effect(name, counts, turned)
        assert twice == pytest.approx(once[order] if len(once) > 1 else once, abs=1e-9)

    def test_dead_and_constant_neurons_are_never_selected(self, name) -> None:
        labelling = worlds.task(40, 2, 4)
        counts = np.random.default_rng(2).integers(0, 11, size=(80, 300))
        counts[:, 0], counts[:, 1] = 0, 10
        selector = load(SELECTORS[name])
        found = effect(name, counts, labelling)[:, :2]
        assert not (found > max(selector.min_effect, 1e-9)).any()
        units = exchangeable(labelling)
        sums = [
            class_sums(one, selector, units, true_deal(labelling, units), torch.float64)
            for one in from_arrays({"x": counts}, np.full(80, 10))
        ]
        choice = selector.published(across(sums), effect(name, counts, labelling), RuleOptions(0.05))
        assert not choice.selected[:2].any() and choice.assigned.shape == (4, 300)
        assert choice.selected.sum() <= 15 and (choice.assigned.any(axis=0) <= choice.selected).all()

    def test_a_class_without_clips_gets_nothing(self, name) -> None:
        labelling = worlds.task(30, 2, 3)
        weights = np.concatenate([labelling.weights, np.zeros((60, 1), np.float32)], axis=1)
        wide = Labelling("w", (*labelling.classes, "none"), labelling.rows, weights, labelling.groups)
        counts = np.random.default_rng(4).integers(0, 11, size=(60, 8))
        found, bare = effect(name, counts, wide), effect(name, counts, labelling)
        if len(found) > 1:
            assert np.isnan(found[3]).all()
            assert found[:3] == pytest.approx(bare, abs=1e-9)
        else:
            assert found == pytest.approx(bare)


def test_features_are_summed_over_groups_once() -> None:
    labelling = worlds.task(10, 3, 2)
    units = exchangeable(labelling)
    assert units.whole_groups and len(units.first) == 10
    values = np.random.default_rng(0).random((30, 4)).astype(np.float32)
    assert units.sum(values) == pytest.approx(values.reshape(10, 3, 4).sum(axis=1))
    block = Block((10 * values).astype(np.float32), np.full(30, 10, np.float32))
    for name in SELECTORS:
        assert load(SELECTORS[name]).features(block, units).shape[1:] == (10, 4)


@pytest.mark.parametrize("method", ["entropy", "mutual-information"])
def test_weak_effects_keep_their_digits_in_single_precision(method) -> None:
    """Permuted effects are float32, the true one float64: they must agree far below the spread of chance."""
    labelling = worlds.task(60, 2, 5)
    counts = np.random.default_rng(0).binomial(5000, 0.3, size=(120, 200))
    (layer,) = from_arrays({"x": counts}, np.full(120, 5000))
    selector, units = load(SELECTORS[method]), exchangeable(labelling)
    found = [
        selector.effect(class_sums(layer, selector, units, true_deal(labelling, units), dtype))[0]
        .double()
        .numpy()
        for dtype in (torch.float32, torch.float64)
    ]
    assert found[1].max() < 1e-3 and np.abs(found[0] - found[1]).max() < 2e-3 * found[1].std()
