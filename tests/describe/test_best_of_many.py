"""The best-of-many test: slow re-derivation, size on null neurons, power on true ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.describe import best_of_many as room
from otoscope.describe import bind, similarity
from otoscope.describe.best_of_many import best_of_many
from otoscope.errors import InputError, UnknownNameError
from otoscope.metrics.permutation import donor_maps
from tests.describe.conftest import make_world

BUILDS = {
    "cos": bind.bind_cos(),
    "cos_cubed": bind.bind_cos_cubed(),
    "wpmi": bind.bind_wpmi(),
    "soft_wpmi": bind.bind_soft_wpmi(top_k=20),
    "rank_reorder": bind.bind_rank_reorder(top_fraction=0.1),
}


@pytest.mark.parametrize("name", ["cos", "cos_cubed", "rank_reorder"])
def test_slow_null(world, name: str) -> None:
    """Functions without a marginal: the null is the function on dealt affinities."""
    found = best_of_many(
        world.activations, world.affinities, BUILDS[name], groups=world.groups, n_permutations=5, seed=3
    )
    function = getattr(similarity, name)
    parameters = {"top_fraction": 0.1} if name == "rank_reorder" else {}
    for donors, null in zip(donor_maps(world.groups, 5, seed=3), found.null):
        expected = function(world.activations, world.affinities[donors], seed=3, **parameters)
        assert null == pytest.approx(np.nan_to_num(expected, nan=-np.inf).max(axis=1), rel=1e-4, abs=1e-5)
    best = function(world.activations, world.affinities, seed=3, **parameters)
    assert found.statistic == pytest.approx(np.nan_to_num(best, nan=-np.inf).max(axis=1), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", ["wpmi", "soft_wpmi"])
def test_slow_null_with_a_marginal(world, name: str) -> None:
    """The marginal is that of the other neurons, as observed, in every deal."""
    found = best_of_many(
        world.activations, world.affinities, BUILDS[name], groups=world.groups, n_permutations=3, seed=3
    )
    parameters = {"top_k": 20} if name == "soft_wpmi" else {}
    lam = 1.0 if name == "soft_wpmi" else 0.6
    raw = getattr(similarity, name)
    observed = raw(world.activations, world.affinities, lam=0.0, seed=3, **parameters).astype(np.float64)
    dealt = donor_maps(world.groups, 3, seed=3)
    for neuron in (0, 11, 23):
        rest = np.delete(observed, neuron, axis=0)
        against = lam * (np.log(np.exp(rest - rest.max(0)).mean(0)) + rest.max(0))
        assert found.statistic[neuron] == pytest.approx((observed[neuron] - against).max(), abs=1e-3)
        for donors, null in zip(dealt, found.null):
            again = raw(
                world.activations[:, [neuron]], world.affinities[donors], lam=0.0, seed=3, **parameters
            )
            assert null[neuron] == pytest.approx((again[0] - against).max(), abs=1e-3)


@pytest.mark.parametrize("name", BUILDS)
def test_blocks_and_portions_change_nothing(world, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def run(block):
        return best_of_many(
            world.activations,
            world.affinities,
            BUILDS[name],
            groups=world.groups,
            n_permutations=7,
            block=block,
        )

    whole = run(None)
    monkeypatch.setattr(room, "_SCORES_AT_ONCE", 1)
    assert np.allclose(run(5).null, whole.null, atol=1e-4)
    assert np.array_equal(run(5).concept, whole.concept)


@pytest.mark.parametrize("name", ["cos", "cos_cubed", "wpmi", "soft_wpmi"])
@pytest.mark.parametrize("null", ["pooled", "tail"])
def test_true_neurons_pass_and_null_neurons_do_not(name: str, null: str) -> None:
    world = make_world(n_neurons=120, n_true=20)
    found = best_of_many(world.activations, world.affinities, BUILDS[name], groups=world.groups, null=null)
    assert np.mean(found.q[:20] <= 0.05) >= 0.8
    assert np.mean(found.concept[:20] == np.arange(20)) >= 0.8
    assert np.mean(found.q[20:] <= 0.05) <= 0.03


@pytest.mark.real
@pytest.mark.parametrize("name", BUILDS)
def test_size_on_the_sources_of_esc10(test_data: Path, name: str) -> None:
    """Null neurons with source effects, captions with class and source effects, true labels."""
    table = pl.read_csv(test_data / "esc10" / "meta" / "esc50.csv")
    groups = np.unique(table["src_file"].to_numpy(), return_inverse=True)[1]
    classes = np.unique(table["category"].to_numpy(), return_inverse=True)[1]
    rejected = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        source = rng.normal(size=(groups.max() + 1, 30))[groups]
        caption = rng.normal(size=(10, 30))[classes] + 0.7 * source + 0.3 * rng.normal(size=(400, 30))
        concept = rng.normal(size=(30, 60))
        affinities = (
            caption @ concept / np.linalg.norm(caption, axis=1)[:, None] / np.linalg.norm(concept, axis=0)
        )
        shared = rng.normal(size=(groups.max() + 1, 5)) @ rng.normal(size=(5, 200)) / np.sqrt(5)
        effect = 0.7 * shared + 0.7 * rng.normal(size=(groups.max() + 1, 200))
        null = 0.9 * effect[groups] + rng.normal(size=(400, 200))
        found = best_of_many(null, affinities, BUILDS[name], groups=groups, n_permutations=100, seed=seed)
        rejected.append(np.mean(found.p <= 0.05))
    assert np.mean(rejected) <= 0.08


def test_a_layer_of_one_neuron_has_no_marginal_to_stand_against(world) -> None:
    found = best_of_many(
        world.activations[:, :1],
        world.affinities,
        BUILDS["soft_wpmi"],
        groups=world.groups,
        n_permutations=20,
    )
    raw = similarity.soft_wpmi(world.activations[:, :1], world.affinities, top_k=20, lam=0.0)
    assert found.statistic[0] == pytest.approx(raw.max(), abs=1e-4)


def test_dead_neurons_and_failed_clips(world) -> None:
    activations, affinities = world.activations.copy(), world.affinities.copy()
    activations[:, 4] = 1.0
    activations[[0, 9]] = np.nan
    found = best_of_many(activations, affinities, BUILDS["cos"], groups=world.groups, n_permutations=9)
    assert found.concept[4] == -1
    assert np.isnan(found.p[4]) and np.isnan(found.q[4])
    assert np.isfinite(np.delete(found.p, 4)).all()


def test_errors(world) -> None:
    given = world.activations, world.affinities, BUILDS["cos"]
    with pytest.raises(UnknownNameError, match=r"unknown null 'poolde'. Did you mean 'pooled'"):
        best_of_many(*given, groups=world.groups, null="poolde")
    with pytest.raises(InputError, match="one group a clip, got 3 for 200 clips"):
        best_of_many(*given, groups=world.groups[:3])
