"""Matched random sets: what they match, how many there are, and that p is right when nothing is to be found."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from otoscope.ablate.matched import attainable_p, draws, imbalance, strata
from otoscope.ablate.outgoing import outgoing_norms
from otoscope.ablate.places import Place
from otoscope.ablate.random_sets import how_many, shuffled
from otoscope.errors import InputError, ModelError
from otoscope.metrics.permutation import permutation_p
from otoscope.record.layers import Layer
from tests.ablate.conftest import make_model
from tests.ablate.test_lesion import ACT, FIRST, sound, window_of

PLACES = (Place(Layer("a", "a"), 0, 64, "BC"), Place(Layer("b", "b"), 70, 30, "BC"))


def test_strata_stay_within_layers_and_rank_rate_then_importance() -> None:
    rng = np.random.default_rng(0)
    rate, weight = rng.random(100), rng.random(100)
    found = strata(PLACES, rate, weight, 8)
    assert (found[64:70] == -1).all() and not set(found[:64]) & set(found[70:])
    sizes = np.bincount(found[found >= 0])
    assert set(sizes[sizes > 0]) <= set(range(5, 16))
    for one in np.unique(found[:64]):
        inside = found[:64] == one
        others = found[:64] != one
        same_rate = (rate[:64] >= rate[:64][inside].min()) & (rate[:64] <= rate[:64][inside].max())
        between = (weight[:64] > weight[:64][inside].min()) & (weight[:64] < weight[:64][inside].max())
        strangers = np.flatnonzero(others & same_rate & between)
        bins = {int(np.searchsorted(np.sort(rate[:64]), rate[k]) * 3 // 64) for k in np.flatnonzero(inside)}
        assert len(bins) == 1  # three bins of firing rate
        assert all(int(np.searchsorted(np.sort(rate[:64]), rate[k]) * 3 // 64) not in bins for k in strangers)


def test_draws_match_every_stratum() -> None:
    stratum = strata(PLACES, np.random.default_rng(1).random(100), None, 10)
    given = np.array([0, 5, 9, 33, 71, 80])
    drawn = draws(given, stratum, 50, seed=3)
    for one in drawn:
        assert np.array_equal(
            np.bincount(stratum[one], minlength=9), np.bincount(stratum[given], minlength=9)
        )
        assert len(set(one)) == len(given)
    assert len({tuple(one) for one in drawn}) > 40
    assert all(np.array_equal(a, b) for a, b in zip(drawn, draws(given, stratum, 50, seed=3)))


def test_the_smallest_p_is_one_over_the_number_of_sets() -> None:
    stratum = np.array([0] * 5 + [1] * 4 + [-1])
    assert 1 / attainable_p(np.array([0, 1, 5]), stratum) == pytest.approx(math.comb(5, 2) * 4)
    assert attainable_p(np.array([], dtype=np.int64), stratum) == 1.0
    assert draws(np.array([], dtype=np.int64), stratum, 2, 0)[0].size == 0


def test_p_is_uniform_where_sets_mean_nothing() -> None:
    """Statistic = sum of neurons' worths, which differ by stratum; sets are drawn by chance within strata."""
    rng = np.random.default_rng(0)
    stratum = np.repeat(np.arange(10), 10)
    worth = rng.normal(size=100) + 3 * stratum
    p = []
    for trial in range(400):
        given = np.concatenate(
            [rng.choice(np.flatnonzero(stratum == s), 3, replace=False) for s in (1, 4, 8)]
        )
        null = np.array([worth[one].sum() for one in draws(given, stratum, 39, seed=trial)])
        p.append(float(permutation_p(np.array(worth[given].sum()), null)))
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.085 and 0.44 < np.mean(p) < 0.57


def test_imbalance_is_in_standard_deviations() -> None:
    values = np.array([0.0, 0.0, 2.0, 2.0])
    assert imbalance(np.array([2, 3]), [np.array([0, 1])], values) == pytest.approx(2.0)
    assert imbalance(np.array([2]), [], values) == 0.0


def test_a_stratum_of_one_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        strata(PLACES, np.zeros(100), None, 1)


def test_outgoing_norm_is_that_of_the_weights_read() -> None:
    """Logit c reads neuron i with weight w over the mean of 100 frames: the norm is |w| / sqrt(100)."""
    model = make_model()
    with torch.no_grad():
        model.net.head.weight[0, 0], model.net.head.weight[2, 5] = 4.0, 0.0
    found = outgoing_norms(model, (FIRST, ACT), [window_of(model, sound(row)) for row in range(3)], 12)
    assert found[6:].numpy() == pytest.approx(np.array([0.4, 0.1, 0.1, 0.1, 0.1, 0.0]), rel=1e-4)
    assert found[5] == 0 and all(parameter.grad is None for parameter in model.parameters())


def test_a_network_without_gradients_says_what_to_do() -> None:
    model = make_model()
    hidden = model.net.forward
    model.net.forward = lambda x: hidden(x).detach()
    with pytest.raises(ModelError, match="matching=rate"):
        outgoing_norms(model, (ACT,), [window_of(model, sound())], 12)


def test_the_published_shuffle() -> None:
    import random

    keys = list(range(50))
    random.Random(20).shuffle(keys)
    assert shuffled(np.arange(50), 20).tolist() == keys
    assert how_many(0.5, 7) == 4 and how_many(3, 7) == 3
    with pytest.raises(InputError, match="only 7 can be ablated"):
        how_many(3000, 7)
