"""Average precision of several labels: by hand, by scikit-learn, chance by counting, intervals by slow resampling."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from otoscope.models.multilabel_scores import Ranking, class_average_precision, multilabel_scores

RNG = np.random.default_rng(0)


def ranking(truth, scores) -> Ranking:
    return Ranking.of(np.asarray(truth, float), np.asarray(scores, float), np.arange(len(truth)))


def test_by_hand():
    # found at ranks 1 and 3: (1/1 + 2/3) / 2
    assert ranking([1, 0, 1], [0.9, 0.8, 0.7]).area()[0] == pytest.approx(5 / 6)
    # two tied clips enter together
    assert ranking([1, 0], [0.5, 0.5]).area()[0] == pytest.approx(1 / 2)
    assert np.isnan(ranking([0, 0], [1, 2]).area()[0])
    assert np.isnan(ranking([], []).area()[0]) and np.isnan(ranking([], []).prevalence())


def test_equal_to_scikit_learn_with_ties_and_weights():
    for _ in range(20):
        truth, scores = RNG.random(30) < 0.3, RNG.integers(0, 8, 30) / 8
        truth[0] = True
        weights = RNG.integers(0, 4, (5, 30)).astype(float)
        weights[:, 0] = 1
        ours = ranking(truth, scores)
        assert ours.area()[0] == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
        theirs = [average_precision_score(truth, scores, sample_weight=one) for one in weights]
        np.testing.assert_allclose(ours.area(weights), theirs, atol=1e-12)


@pytest.mark.parametrize("n, n_positive", [(1, 1), (5, 1), (6, 2), (6, 5), (6, 6)])
def test_chance_is_the_mean_over_all_orders(n, n_positive):
    truth = np.arange(n) < n_positive
    areas = [average_precision_score(truth, np.asarray(order, float)) for order in permutations(range(n))]
    assert ranking(truth, np.zeros(n)).chance() == pytest.approx(np.mean(areas), abs=1e-12)
    assert np.isnan(ranking([0, 0], [0, 0]).chance())


def test_unknown_pairs_are_left_out():
    targets = np.array([[1, np.nan], [0, 1], [np.nan, 0], [1, 0]], float)
    logits = np.array([[3, 9], [2, 1], [5, 0], [1, 2]], float)
    found = multilabel_scores(logits, targets, list("abcd"), ("x", "y"), seed=0)
    x = average_precision_score([1, 0, 1], [3, 2, 1])
    y = average_precision_score([1, 0, 0], [1, 0, 2])
    assert found["class_average_precision"] == pytest.approx({"x": x, "y": y})
    assert class_average_precision(targets, logits) == pytest.approx([x, y])
    pooled = average_precision_score([1, 0, 1, 1, 0, 0], [3, 2, 1, 1, 0, 2])
    assert found["micro_average_precision"] == pytest.approx(pooled)
    assert found["mean_average_precision"] == pytest.approx((x + y) / 2)
    assert found["class_prevalence"] == pytest.approx({"x": 2 / 3, "y": 1 / 3})
    assert (found["n_unknown"], found["n_clips"], found["n_groups"]) == (2, 4, 4)


def test_intervals_resample_groups_as_a_slow_loop_does():
    groups = np.repeat(np.arange(12), 4)
    truth = (RNG.random((48, 3)) < 0.4).astype(float)
    logits = truth + RNG.normal(size=truth.shape)
    found = multilabel_scores(logits, truth, groups.astype(str).tolist(), ("a", "b", "c"), seed=3)
    rng, areas = np.random.default_rng(9), []
    for _ in range(1000):
        clips = np.concatenate([np.flatnonzero(groups == one) for one in rng.integers(0, 12, 12)])
        areas.append(average_precision_score(truth[clips], logits[clips]))
    assert found["mean_average_precision_95"] == pytest.approx(np.quantile(areas, [0.025, 0.975]), abs=0.02)
    again = multilabel_scores(logits, truth, groups.astype(str).tolist(), ("a", "b", "c"), seed=3)
    assert again == found


def test_without_a_positive_clip_there_is_no_score():
    found = multilabel_scores(np.zeros((3, 2)), np.zeros((3, 2)), list("abc"), ("x", "y"), seed=0)
    assert found["mean_average_precision"] is None and found["mean_average_precision_95"] is None
    assert found["micro_average_precision"] is None and found["class_chance"] == {"x": None, "y": None}
    assert found["class_prevalence"] == {"x": 0.0, "y": 0.0}
