"""AUROC, AUPRC and reciprocal rank against slow definitions and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics import ranking


@pytest.fixture
def tables() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((60, 9)) < 0.3, np.round(rng.normal(size=(60, 9)), 1)  # rounded: many ties


def slow_auroc(truth: np.ndarray, scores: np.ndarray) -> float:
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[truth] for n in scores[~truth]]
    return float(np.mean(pairs))


def slow_auprc(truth: np.ndarray, scores: np.ndarray) -> float:
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = scores >= threshold
        now = truth[chosen].sum() / truth.sum()
        total += (now - recall) * truth[chosen].mean()
        recall = now
    return total


def test_slow_definitions(tables: tuple[np.ndarray, np.ndarray]) -> None:
    truth, scores = tables
    columns = range(truth.shape[1])
    assert ranking.auroc(truth, scores) == pytest.approx(
        [slow_auroc(truth[:, c], scores[:, c]) for c in columns]
    )
    assert ranking.auprc(truth, scores) == pytest.approx(
        [slow_auprc(truth[:, c], scores[:, c]) for c in columns]
    )


def test_same_as_scikit_learn(tables: tuple[np.ndarray, np.ndarray]) -> None:
    truth, scores = tables
    for column in range(truth.shape[1]):
        one = truth[:, column], scores[:, column]
        assert ranking.auroc(truth, scores)[column] == pytest.approx(roc_auc_score(*one))
        assert ranking.auprc(truth, scores)[column] == pytest.approx(average_precision_score(*one))


def test_constant_scores_are_chance(tables: tuple[np.ndarray, np.ndarray]) -> None:
    truth = tables[0]
    flat = np.zeros(truth.shape)
    assert ranking.auroc(truth, flat) == pytest.approx(0.5)
    assert ranking.auprc(truth, flat) == pytest.approx(ranking.prevalence(truth))
    assert ranking.evaluate(truth, flat)["auprc_gain"] == pytest.approx(0, abs=1e-12)


def test_invariances(tables: tuple[np.ndarray, np.ndarray]) -> None:
    truth, scores = tables
    assert ranking.auroc(truth, np.exp(scores)) == pytest.approx(ranking.auroc(truth, scores))
    assert ranking.auroc(truth, -scores) == pytest.approx(1 - ranking.auroc(truth, scores))
    order = np.random.default_rng(1).permutation(len(truth))
    assert ranking.auprc(truth[order], scores[order]) == pytest.approx(ranking.auprc(truth, scores))


def test_one_kind_of_clip_only() -> None:
    scores = np.arange(3.0)[:, None]
    assert np.isnan(ranking.auroc(np.ones((3, 1), bool), scores))
    assert ranking.auprc(np.ones((3, 1), bool), scores).tolist() == [1.0]
    assert np.isnan(ranking.auprc(np.zeros((3, 1), bool), scores))


def test_mean_reciprocal_rank_by_hand() -> None:
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    assert ranking.mean_reciprocal_rank(scores, np.array([0, 1])) == pytest.approx((1 + 1 / 2) / 2)


def test_errors() -> None:
    with pytest.raises(InputError, match="truth must be boolean"):
        ranking.auroc(np.ones((2, 1)), np.ones((2, 1)))
    with pytest.raises(InputError, match="leave failed clips out"):
        ranking.auprc(np.ones((2, 1), bool), np.full((2, 1), np.nan))
    with pytest.raises(InputError, match=r"expected truth and scores \(clip, column\)"):
        ranking.auroc(np.ones(2, bool), np.ones(2))
    with pytest.raises(EmptyDataError, match="nothing to rank"):
        ranking.auroc(np.ones((0, 1), bool), np.ones((0, 1)))
