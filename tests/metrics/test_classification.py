"""Accuracy, ranks and confusion against hand counts."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics import classification

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
LABELS = np.array([1, 0, 1, 2])


def test_hand_counts() -> None:
    assert classification.true_ranks(SCORES, LABELS).tolist() == [1, 1, 2, 3]
    assert classification.accuracy(SCORES, LABELS) == 0.5
    assert classification.accuracy(SCORES, LABELS, 2) == 0.75
    assert classification.per_class_accuracy(SCORES, LABELS).tolist() == [1.0, 0.5, 0.0]
    assert classification.evaluate(SCORES, LABELS)["mean_class_accuracy"] == 0.5


def test_constant_scores_do_not_win() -> None:
    flat = np.zeros((4, 3))
    assert classification.true_ranks(flat, LABELS).tolist() == [2.0] * 4
    assert classification.accuracy(flat, LABELS) == 0.0


def test_nan_ranks_last() -> None:
    scores = np.array([[np.nan, 0.0], [np.nan, 0.0]])
    assert classification.true_ranks(scores, np.array([0, 1])).tolist() == [2.0, 1.0]


def test_confusion_is_true_by_predicted() -> None:
    found = classification.confusion(LABELS, classification.predictions(SCORES), 3)
    assert found.tolist() == [[1, 0, 0], [0, 1, 1], [1, 0, 0]]
    assert found.sum() == len(LABELS)


def test_a_class_without_clips_has_no_accuracy() -> None:
    found = classification.per_class_accuracy(SCORES, np.array([0, 0, 0, 0]))
    assert np.isnan(found[1:]).all()


def test_errors() -> None:
    with pytest.raises(InputError, match=r"labels must lie in 0 \.\. 2, got 0 \.\. 3"):
        classification.accuracy(SCORES, np.array([0, 1, 2, 3]))
    with pytest.raises(InputError, match="one label a clip"):
        classification.accuracy(SCORES, LABELS[:2])
    with pytest.raises(InputError, match="integers"):
        classification.accuracy(SCORES, LABELS.astype(float))
    with pytest.raises(EmptyDataError, match="no scores to judge"):
        classification.accuracy(np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(InputError, match="one prediction a label"):
        classification.confusion(LABELS, LABELS[:2], 3)
