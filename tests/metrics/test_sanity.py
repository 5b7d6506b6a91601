"""Which scores pass the two sanity tests of neuron explanations."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.errors import InputError
from otoscope.metrics import sanity
from otoscope.metrics.correlation import pearson
from otoscope.metrics.ranking import auprc, auroc


@pytest.fixture
def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    presence = rng.random((500, 40)) < 0.1
    return 2.0 * presence + rng.normal(size=presence.shape), presence


def recall(activations: np.ndarray, presence: np.ndarray) -> np.ndarray:
    active = activations > 1
    return (active & presence).sum(axis=0) / presence.sum(axis=0)


def area_of_concept(activations: np.ndarray, presence: np.ndarray) -> np.ndarray:
    return auroc(presence, activations)


def precision_of_concept(activations: np.ndarray, presence: np.ndarray) -> np.ndarray:
    return auprc(presence, activations)


def cosine(activations: np.ndarray, presence: np.ndarray) -> np.ndarray:
    return (
        (activations * presence).sum(axis=0)
        / np.linalg.norm(activations, axis=0)
        / np.sqrt(presence.sum(axis=0))
    )


def verdicts(metric, pairs) -> tuple[bool, bool]:
    found = sanity.evaluate(metric, *pairs)
    return found["missing_labels"].passed, found["extra_labels"].passed


def test_headline_scores_pass(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    assert verdicts(lambda a, c: pearson(a, c.astype(float)), pairs) == (True, True)
    assert verdicts(cosine, pairs) == (True, True)
    assert verdicts(precision_of_concept, pairs)[0]


def test_recall_and_auroc_fail(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    assert not verdicts(recall, pairs)[0]
    assert not verdicts(area_of_concept, pairs)[0]


def test_spoiling_counts(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    presence, rng = pairs[1], np.random.default_rng(0)
    fewer, more = sanity.missing_labels(presence, rng), sanity.extra_labels(presence, rng)
    assert (fewer <= presence).all() and (more >= presence).all()
    assert (np.abs(fewer.sum(axis=0) - presence.sum(axis=0) / 2) <= 0.5).all()
    assert (more.sum(axis=0) == 2 * presence.sum(axis=0)).all()


def test_a_constant_score_fails(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    found = sanity.evaluate(lambda a, c: np.ones(c.shape[1]), *pairs)
    assert found["missing_labels"] == sanity.Verdict(0.0, 0.0, False)


def test_errors(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    activations, presence = pairs
    with pytest.raises(InputError, match="presence must be boolean"):
        sanity.evaluate(recall, activations, presence.astype(float))
    with pytest.raises(InputError, match="at most half"):
        sanity.evaluate(recall, activations, ~presence)
    with pytest.raises(InputError, match=r"\(clip, pair\)"):
        sanity.evaluate(recall, activations[:3], presence)
