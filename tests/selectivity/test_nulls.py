"""Permuted labels: equal to plain loops, valid on simulated neurons, honest about what cannot be tested."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.data import open_data
from otoscope.errors import UnknownNameError
from otoscope.metrics.permutation import donor_maps
from otoscope.registry import load
from otoscope.selectivity import SELECTORS
from otoscope.selectivity.calibrate import calibrate
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.firing import from_arrays
from otoscope.selectivity.labels import Labelling
from otoscope.selectivity.measure import again, divisible, halves, measure, stability
from otoscope.selectivity.nulls import Reference, reference
from otoscope.selectivity.rules import significant, weigh
from otoscope.selectivity.statistics import task_statistics
from otoscope.selectivity.units import attainable, deal, exchangeable, true_deal
from tests.selectivity import worlds

QUICK = SelectConfig(n_permutations=200, n_chance=3, n_splits=2)


@pytest.mark.parametrize("whole", [True, False])
def test_equals_plain_loops(whole, monkeypatch) -> None:
    """Best of classes over permutations, one clip, class and neuron at a time; also in small blocks of columns."""
    labelling = worlds.task(20, 2, 3)
    if not whole:
        mixed = np.roll(labelling.weights, 1, axis=0)
        labelling = replace(labelling, weights=mixed)
    counts = np.random.default_rng(0).integers(0, 11, size=(40, 19))
    layer = from_arrays({"x": counts}, np.full(40, 10))[0]
    units = exchangeable(labelling)
    assert units.whole_groups is whole
    true, permuted = true_deal(labelling, units), deal(labelling, units, 30, 7)
    monkeypatch.setattr("otoscope.selectivity.nulls._CELLS", 1)
    monkeypatch.setattr("otoscope.selectivity.nulls.READ_WIDTH", 10)
    selector = load(SELECTORS["mean-difference"])
    sums, found = reference(layer, selector, units, true, permuted.after(true))
    share = counts / 10
    donors = np.concatenate([np.arange(40)[None], donor_maps(labelling.groups, 30, seed=7)])
    effects = np.empty((31, 3, 19))
    for number, one in enumerate(donors):
        label = labelling.weights[one].argmax(axis=1)
        for c in range(3):
            difference = share[label == c].mean(axis=0) - share[label != c].mean(axis=0)
            effects[number, c] = difference / share.std(axis=0)
    z = (effects - effects.mean(axis=0)) / effects.std(axis=0)
    assert found.best == pytest.approx(z.max(axis=1), abs=1e-3)
    assert selector.effect(sums)[0].numpy() == pytest.approx(effects[0], abs=1e-6)
    counted = (1 + (z[1:].max(axis=1)[:, None] >= z[0] - 1e-4).sum(axis=0)) / 31
    assert replace(found, kind="counted").p(effects[0]) == pytest.approx(counted)


def test_bags_sum_the_donors_weights() -> None:
    """The same as a product with dense memberships: whole, fractional and missing labels."""
    labelling = worlds.task(12, 2, 3)
    several = replace(labelling, weights=np.random.default_rng(0).random((24, 3)).astype(np.float32))
    unlabelled = replace(
        labelling, weights=labelling.weights * (np.arange(24) > 3)[:, None].astype(np.float32)
    )
    for one in (labelling, several, unlabelled):
        units = exchangeable(one)
        deals = deal(one, units, 5, 0)
        table = torch.from_numpy(np.random.default_rng(1).normal(size=(deals.donors.shape[1], 4)))
        members = deals.weights[deals.donors].transpose(1, 2).double()
        assert torch.allclose(deals.bags.sum(table), members @ table, atol=1e-6)
        both = deals.after(true_deal(one, units)).bags.sum(table.float())
        assert both.shape == (6, 3, 4) and torch.equal(both[1:], deals.bags.sum(table.float()))


def test_p_of_lesser_classes_is_skipped_where_none_can_stand() -> None:
    best = np.random.default_rng(0).normal(size=(101, 5)).astype(np.float32)
    some = Reference(np.zeros((3, 5)), np.ones((3, 5)), best, "counted")
    effect = np.stack([np.full(5, 9.0), np.full(5, -1.0), np.full(5, -9.0)])
    p = some.p(effect, most=0.05)
    assert (p[0] == 1 / 101).all() and (p[1] > 0.05).all() and (p[2] == 1).all()
    assert (some.p(effect)[2] == 1).all()
    with pytest.raises(UnknownNameError, match=r"unknown null 'pool'.*pooled"):
        Reference(np.zeros((1, 1)), np.ones((1, 1)), best, "pool")


@pytest.mark.parametrize("null", ["pooled", "tail", "counted"])
def test_selective_neurons_are_found_and_no_others(null) -> None:
    labelling = worlds.task()
    layers = worlds.layers(labelling, (12, 20), n_selective=4)
    found = measure(
        layers, labelling, SelectConfig(null=null, n_permutations=999 if null == "counted" else 200)
    )
    assert found.triples.tolist() == [[c, layer, c] for c in range(4) for layer in range(2)]
    assert (found.evidence.p > 0).all() and (found.evidence.q >= found.evidence.p).all()
    chance = list(again(found, QUICK, 10))
    assert np.mean([task_statistics(one.assigned)["n_pairs"] for one in chance]) < 0.5


def test_entropy_names_classes_that_stand_out() -> None:
    """A class of a selective neuron is judged against permuted labels, not by a bar over all neurons."""
    labelling = worlds.task()
    layers = worlds.layers(labelling, (12, 20), n_selective=4)
    found = measure(layers, labelling, SelectConfig(method="entropy", n_permutations=200))
    assert found.triples.tolist() == [[c, layer, c] for c in range(4) for layer in range(2)]
    standing, p = found.evidence.standing, found.evidence.class_p
    assert standing is not None and p is not None and standing.shape == p.shape == (4, 32)
    counts = layers[0].read(slice(None)).counts
    share = np.stack([counts[column > 0].mean(axis=0) for column in labelling.weights.T])
    assert standing[:, :12] == pytest.approx(share / share.mean(axis=0))
    assert (p.argmin(axis=0)[:4] == np.arange(4)).all() and p[:, :4].max(axis=0).min() > 0.05


def test_entropy_of_a_neuron_that_spares_one_class() -> None:
    """Selective, and three classes stand out by a third at most: none, or some of the three."""
    labelling = worlds.task()
    share = 0.3 * (labelling.weights[:, :1] == 0) + np.zeros((120, 8))
    counts = np.random.default_rng(0).binomial(100, np.where(np.arange(8) < 2, share, 0.3))
    found = measure(
        from_arrays({"x": counts}, np.full(120, 100)),
        labelling,
        SelectConfig(method="entropy", n_permutations=200),
    )
    assert found.choice.selected.nonzero()[0].tolist() == [0, 1]
    assert not found.choice.assigned[0].any()


def test_a_dead_neuron_is_no_test() -> None:
    labelling = worlds.task()
    counts = np.random.default_rng(0).integers(0, 9, size=(120, 6))
    counts[:, 2] = 0
    for method in ("entropy", "auroc"):
        layers = from_arrays({"x": counts}, np.full(120, 10))
        found = measure(layers, labelling, SelectConfig(method=method, n_permutations=50))
        assert not found.choice.selected[2]
        assert np.isnan(found.evidence.p[2]) if method == "entropy" else found.evidence.p[2] == 1


def test_a_class_per_group_cannot_be_tested() -> None:
    """Six speakers as six classes: every deal gives the same best class. Two against four: 15 deals; three against
    three: 20, of which each has a mirror image."""
    speakers = np.repeat(np.arange(6), 10)

    def of(label: np.ndarray) -> Labelling:
        weights = np.eye(int(label.max()) + 1, dtype=np.float32)[label]
        return Labelling(
            "t", tuple(map(str, range(weights.shape[1]))), np.arange(60), weights, speakers.astype(str)
        )

    assert attainable(of(speakers)) == pytest.approx(1)
    assert 1 / attainable(of((speakers < 2).astype(int))) == pytest.approx(15)
    assert 1 / attainable(of((speakers < 3).astype(int))) == pytest.approx(10)
    layers = from_arrays(
        {"x": np.random.default_rng(0).integers(0, 9, (60, 8)) + 3 * (speakers[:, None] < 2)}, np.full(60, 20)
    )
    found = measure(layers, of((speakers < 2).astype(int)), QUICK)
    assert not found.choice.selected.any() and found.evidence.p.min() >= 1 / 15


def test_a_thousand_classes_have_more_orders_than_a_float_can_count() -> None:
    group = np.repeat(np.arange(2000), 2)
    many = Labelling("made up", (), np.arange(4000), np.eye(1000)[group % 1000], group.astype(str))
    assert attainable(many) == 0.0
    own = Labelling("made up", (), np.arange(1000), np.eye(1000), np.arange(1000).astype(str))
    assert attainable(own) == pytest.approx(1), "each class is one clip: every deal is the same up to names"


def test_attainable_p_by_counting_the_deals() -> None:
    """Over all orders of five groups, how many different best-of-two tables are there?"""
    label = np.array([0, 0, 1, 1, 1])
    weights = np.eye(2, dtype=np.float32)[label]
    tables = {tuple(one) for one in itertools.permutations(label)}
    labelling = Labelling("t", ("a", "b"), np.arange(5), weights, np.arange(5).astype(str))
    assert 1 / attainable(labelling) == pytest.approx(len(tables)) == math.comb(5, 2)


def test_the_rule_by_hand() -> None:
    effect = np.array([[0.9, 0.9, 0.6, 0.9], [0.8, 0.2, 0.5, 0.1]])
    pair_p = np.array([[0.001, 0.01, 0.002, 0.9], [0.004, 0.5, 0.9, 0.9]])
    evidence = weigh(effect, pair_p, 0.0)
    assert evidence.q.tolist() == pytest.approx([0.004, 0.04 / 3, 0.004, 0.9])
    choice = significant(evidence, 0.05, 0.7)
    assert choice.assigned.tolist() == [[True, True, False, False], [True, False, False, False]]
    assert choice.thresholds == {"p_cut": pytest.approx(0.05 * 3 / 4), "min_effect": 0.7, "alpha": 0.05}
    assert not significant(
        weigh(effect, pair_p, 0.2), 0.05, 0.0
    ).selected.any()  # nothing below 0.2 is attainable


def test_size_and_power_on_the_sources_of_real_recordings(test_data: Path) -> None:
    """Null neurons with source effects, true labels: 5 % by group where dealing clips gives up to 20 %."""
    clips = open_data(f"esc50:{test_data / 'esc10'}")
    table = clips.table
    classes = clips.label_set().classes
    weights = np.eye(len(classes), dtype=np.float32)[clips.targets()]
    labelling = Labelling(
        "category", classes, np.arange(len(clips)), weights, table["group"].to_numpy().astype(str)
    )
    config = SelectConfig(method="mean-difference", n_permutations=300)
    calm, rough = calibrate(labelling, config, group_sds=(0.0, 1.0), n_null=600, n_selective=40)
    for one in (calm, rough):
        assert 0.025 < one["size"] < 0.085
        assert one["size_at_0.001"] <= 0.006
        assert one["power"] > 0.9 and one["false"] < 0.1
    assert rough["size_by_clip"] > 0.13 and 0.02 < calm["size_by_clip"] < 0.09


def test_halves_keep_groups_whole_and_classes_even() -> None:
    labelling = worlds.task(60, 2, 4)
    first, second = halves(labelling, 3)
    assert sorted([*first, *second]) == list(range(120))
    assert not {*labelling.groups[first]} & {*labelling.groups[second]}
    assert abs(labelling.weights[first].sum(axis=0) - labelling.weights[second].sum(axis=0)).max() <= 4
    speakers = replace(labelling, groups=np.repeat(np.arange(6), 20).astype(str))
    assert divisible(speakers) and len(halves(speakers, 0)[0]) == pytest.approx(
        60, abs=2
    )  # labels differ within: by clip
    one_each = replace(labelling, groups=labelling.weights.argmax(axis=1).astype(str))
    assert not divisible(one_each)


def test_stability_of_real_and_of_no_selectivity() -> None:
    labelling = worlds.task()
    config = QUICK.model_copy(update={"method": "mean-difference"})
    found = measure(worlds.layers(labelling), labelling, config)
    for first, second in stability(found, config):
        assert (first.assigned & second.assigned).sum() == 8
    quota = SelectConfig(
        method="mean-difference", rule="published", top_rate=0.1, n_permutations=0, n_splits=2
    )
    nothing = measure(worlds.layers(labelling, n_selective=0), labelling, quota)
    assert nothing.choice.selected.sum() == 3  # the quota is spent all the same
    shared = [(a.assigned & b.assigned).sum() for a, b in stability(nothing, quota)]
    assert np.mean(shared) <= 2


def test_a_seed_decides_everything() -> None:
    labelling = worlds.task()
    layers = worlds.layers(labelling)
    same = [measure(layers, labelling, QUICK).evidence.p for _ in range(2)]
    assert np.array_equal(*same)
    other = measure(layers, labelling, QUICK.model_copy(update={"seed": 1})).evidence.p
    assert not np.array_equal(same[0], other)
    before = torch.random.get_rng_state()
    list(again(measure(layers, labelling, QUICK), QUICK, 2))
    assert torch.equal(before, torch.random.get_rng_state())
