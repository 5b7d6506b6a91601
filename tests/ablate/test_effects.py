"""dA, dR, selectivity and their intervals by hand and by slow loops; related classes by enumeration; fresh probes."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from otoscope.ablate.effects import changes, class_means, effect
from otoscope.ablate.plan import curve_sizes
from otoscope.ablate.related import by_name, by_table, concept_p, difference, overall_p, relation
from otoscope.ablate.relearn import probed
from otoscope.errors import EmptyDataError, FormatError, InputError, UnknownNameError

RNG = np.random.default_rng(0)


def test_effects_by_hand() -> None:
    values = np.array([[2.0, 4.0, 1.0, 1.0, 5.0], [0.0, 0.0, 1.0, 0.0, 5.0]])  # before; after
    targets = np.array([0, 0, 1, 1, 2])
    found = changes(values, targets, 4, np.arange(5), with_intervals=1, n_replicates=50, seed=0)
    assert found.before[:3].tolist() == [3, 1, 5] and math.isnan(found.before[3])
    assert found.change[0, :3].tolist() == [-3, -0.5, 0]
    judged = effect(found.change[0], 0)
    assert judged.ablated == -3 and judged.rest == -0.25 and judged.selectivity == 2.75


def test_intervals_are_slow_loops_over_groups() -> None:
    from otoscope.metrics.bootstrap import group_weights

    values = RNG.normal(size=(3, 12))
    targets, groups = np.arange(12) % 3, np.arange(12) // 2
    found = changes(values, targets, 3, groups, with_intervals=2, n_replicates=20, seed=4)
    weights = group_weights(groups, 20, 4)
    for replicate in range(20):
        for place in range(2):
            for one in range(3):
                w = weights[replicate] * (targets == one)
                delta = values[1 + place] - values[0]
                expected = (w * delta).sum() / w.sum() if w.sum() else np.nan
                assert found.replicates[replicate, place, one] == pytest.approx(expected, nan_ok=True)


def test_class_means_refuse_other_clips() -> None:
    with pytest.raises(InputError, match="3 clips"):
        class_means(np.ones(2), np.array([0, 1, 1]), 2)


def test_curve_sizes_rise_to_below_all() -> None:
    assert curve_sizes(1, 5) == [] and curve_sizes(0, 5) == [] and curve_sizes(50, 0) == []
    sizes = curve_sizes(3000, 6)
    assert sizes[0] == 1 and sizes == sorted(set(sizes)) and sizes[-1] < 3000


def test_related_p_is_the_share_of_all_ways() -> None:
    change = np.array([-9.0, -4.0, -3.0, 0.0, 1.0, np.nan, 0.5])
    related = np.array(
        [True, True, True, False, False, True, False]
    )  # itself and a class without clips do not count
    p, floor = concept_p(change, related, 0, seed=0)
    others = [-4.0, -3.0, 0.0, 1.0, 0.5]
    sums = [sum(one) for one in itertools.combinations(others, 2)]
    assert p == pytest.approx(np.mean([one <= -7.0 for one in sums])) == floor == 0.1
    assert difference(change, related, 0) == pytest.approx(-3.5 - 0.5)
    assert math.isnan(concept_p(change, np.zeros(7, bool), 0, 0)[0])


def test_related_p_is_drawn_where_there_are_too_many_ways() -> None:
    change = np.concatenate([[0.0], np.full(8, -1.0), np.zeros(40)])
    related = np.arange(49) < 9
    p, floor = concept_p(change, related, 0, seed=0)
    assert p == floor == 1 / 10000
    assert 0.2 < concept_p(RNG.normal(size=49), related, 0, seed=1)[0] <= 1


def test_overall_p_finds_related_classes_and_nothing_in_noise() -> None:
    blocks = np.arange(12) // 3
    table = (blocks[:, None] == blocks) & ~np.eye(12, dtype=bool)
    change = np.where(blocks[:, None] == blocks, -1.0, 0.0) + 0.1 * RNG.normal(size=(12, 12))
    observed, p = overall_p(change, range(12), table, n_permutations=199, seed=0)
    assert observed == pytest.approx(-1, abs=0.1) and p == pytest.approx(1 / 200)
    ps = [
        overall_p(RNG.normal(size=(12, 12)), range(12), table, n_permutations=39, seed=s)[1]
        for s in range(60)
    ]
    assert np.mean(np.array(ps) <= 0.05) <= 0.15 and 0.35 < np.mean(ps) < 0.65


def test_relations_by_name_and_by_table(tmp_path) -> None:
    names = ("dog", "rain", "barking", "drizzle", "xylophone")
    found = by_name(names, 2, "lexical")
    assert found[0, 2] and found[1, 3] and not found.diagonal().any() and found.sum(axis=1).max() <= 2
    path = tmp_path / "related.json"
    path.write_text(json.dumps({"dog": ["barking", "dog"], "rain": []}))
    given = relation(f"file:{path}", names, 3)
    assert given.sum() == 1 and given[0, 2]
    with pytest.raises(UnknownNameError, match="drizzle"):
        by_table({"drizzel": ["rain"]}, names)
    path.write_text("[1]")
    with pytest.raises(FormatError, match="class -> list"):
        relation(f"file:{path}", names, 3)
    for wrong in ("dog", "text:", "file:/nowhere.json"):
        with pytest.raises(InputError):
            relation(wrong, names, 3)


def test_a_fresh_probe_recovers_what_is_there_and_not_what_is_gone() -> None:
    targets, groups = np.arange(90) % 3, np.arange(90) // 3
    there = RNG.normal(size=(90, 5)) * 0.3 + np.eye(3)[targets] @ RNG.normal(size=(3, 5)) * 3
    right = probed(there, targets, groups, n_folds=5, seed=0)
    gone = probed(np.zeros((90, 5)), targets, groups, n_folds=5, seed=0)
    assert right.mean() > 0.95 and gone.mean() < 0.5


def test_a_probe_never_sees_a_group_twice() -> None:
    """Labels that hang on the group alone cannot be learnt from the group's own features."""
    groups = np.repeat(np.arange(20), 4)
    targets = (np.arange(20) % 2)[groups]
    features = RNG.normal(size=(20, 30))[groups] + 1e-3 * RNG.normal(size=(80, 30))
    assert probed(features, targets, groups, n_folds=5, seed=0).mean() < 0.8
    with pytest.raises(InputError, match="groups as folds"):
        probed(features[:8], targets[:8], groups[:8], n_folds=5, seed=0)
    with pytest.raises(EmptyDataError):
        probed(features[:0], targets[:0], groups[:0], n_folds=5, seed=0)
