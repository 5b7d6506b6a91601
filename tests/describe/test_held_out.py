"""Scores of descriptions on other clips, against slow definitions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from otoscope.describe.held_out import another_neuron, score_descriptions
from otoscope.metrics.bootstrap import pearson_interval


@pytest.fixture
def scored(world):
    concept = np.where(world.truth >= 0, world.truth, 3)
    concept[20] = -1
    control = another_neuron(concept, seed=0)
    threshold = np.quantile(world.activations, 0.9, axis=0)
    found = score_descriptions(
        world.activations, world.affinities, concept, control, threshold, world.groups, n_replicates=100
    )
    return world, concept, control, threshold, found


def test_slow_definitions(scored) -> None:
    world, concept, control, threshold, found = scored
    for neuron in (0, 5, 23):
        x, y = world.activations[:, neuron], world.affinities[:, concept[neuron]]
        active = x > threshold[neuron]
        assert found.pearson[neuron] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-6)
        assert found.auroc[neuron] == pytest.approx(roc_auc_score(active, y))
        assert found.auprc_gain[neuron] == pytest.approx(average_precision_score(active, y) - active.mean())
        other = world.affinities[:, control[neuron]]
        assert found.control[neuron] == pytest.approx(np.corrcoef(x, other)[0, 1], abs=1e-6)
        low, high = pearson_interval(x[:, None], y[:, None], world.groups, n_replicates=100)
        assert (found.low[neuron], found.high[neuron]) == (pytest.approx(low[0]), pytest.approx(high[0]))


def test_true_neurons_beat_their_control(scored) -> None:
    found = scored[-1]
    assert (found.pearson[:12] > 0.4).all()
    assert (found.low[:12] > 0).all()
    assert np.abs(np.nanmean(found.control)) < 0.2
    assert np.nanmean(found.auprc_gain[:12]) > 0.2


def test_a_neuron_without_description_has_no_score(scored) -> None:
    assert all(np.isnan(values[20]) for values in vars(scored[-1]).values())


def test_controls_are_others_descriptions_each_once() -> None:
    concept = np.array([4, -1, 7, 9, 4])
    control = another_neuron(concept, seed=2)
    assert control[1] == -1
    assert sorted(control[control >= 0]) == [4, 4, 7, 9]
    distinct = np.arange(50)
    assert (another_neuron(distinct, seed=0) != distinct).all()
    assert another_neuron(np.array([3]), seed=0).tolist() == [-1]
    assert another_neuron(np.array([-1, -1]), seed=0).tolist() == [-1, -1]


def test_a_relu_s_zeros_are_not_active(world) -> None:
    activations = np.maximum(world.activations[:, :1] - 4, 0)
    found = score_descriptions(
        activations,
        world.affinities,
        np.array([0]),
        np.array([-1]),
        np.zeros(1),
        world.groups,
        n_replicates=10,
    )
    assert np.isnan(found.control[0])
    active = activations[:, 0] > 0
    assert found.auroc[0] == pytest.approx(roc_auc_score(active, world.affinities[:, 0]))
