from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from otoscope.record import moments, ranking
from otoscope.record.summary import EDGES, N_BINS, histogram, merge_ranked, no_ranks
from otoscope.record.summary import Ranked as RankedClips


def ranked(values: torch.Tensor, rows: torch.Tensor, pole: str, seed: int = 0) -> RankedClips:
    n = values.shape[1]
    keys = ranking.keys(values, rows, 0, seed, pole)
    spread = rows[:, None].expand(-1, n)
    return RankedClips(keys, spread, values[:, :, None].half(), values.float(), values.float())


@pytest.mark.parametrize("pole, sign", [("high", 1), ("low", -1)])
def test_keys_order_as_the_values_do(pole: str, sign: int) -> None:
    values = torch.tensor([-np.inf, -3.5, -1e-30, -0.0, 0.0, 1e-30, 2.0, 7e20, np.inf], dtype=torch.float32)[
        :, None
    ]
    keys = ranking.keys(values, torch.arange(9), 0, 0, pole)[:, 0]
    upper = keys >> 32
    assert torch.equal((sign * (upper[1:] - upper[:-1])) >= 0, torch.ones(8, dtype=torch.bool))
    assert upper[3] == upper[4], "both zeros are the same value"
    torch.testing.assert_close(ranking.values_of(keys, pole), values[:, 0])


@pytest.mark.parametrize("pole", ["high", "low"])
def test_merging_in_any_order_gives_the_true_extremes(pole: str) -> None:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(200, 11, generator=generator).relu()  # many ties at zero
    rows = torch.arange(200)
    expected = None
    for seed in range(3):
        order = torch.randperm(200, generator=torch.Generator().manual_seed(seed))
        state = no_ranks(7, 11, 1, torch.device("cpu"))
        for part in order.split(13):
            state = merge_ranked(state, ranked(values[part], rows[part], pole), 7)
        true = values.sort(dim=0, descending=pole == "high").values[:7]
        torch.testing.assert_close(ranking.values_of(state.keys, pole), true)
        picked = values.gather(0, state.rows)
        torch.testing.assert_close(picked, true)
        assert expected is None or torch.equal(state.rows, expected)
        expected = state.rows


def test_ties_are_drawn_by_seed_and_not_by_file_order() -> None:
    zeros = torch.zeros(1000, 50)
    rows = torch.arange(1000)
    first = merge_ranked(no_ranks(5, 50, 1, zeros.device), ranked(zeros, rows, "high"), 5).rows
    other = merge_ranked(no_ranks(5, 50, 1, zeros.device), ranked(zeros, rows, "high", seed=1), 5).rows
    assert not torch.equal(first, other)
    assert 350 < first.float().mean() < 650, "every clip has the same chance"
    assert len(first.unique()) > 180, "neurons draw different clips"


def test_fewer_clips_than_places_leaves_empty_ones() -> None:
    state = merge_ranked(
        no_ranks(4, 2, 1, torch.device("cpu")), ranked(torch.ones(2, 2), torch.arange(2), "high"), 4
    )
    assert sorted(state.rows[:, 0].tolist()) == [-1, -1, 0, 1]
    assert torch.isnan(ranking.values_of(state.keys, "high")[2:]).all()


def test_moments_by_hand() -> None:
    found = moments.summarise(moments.of_values(np.array([[1.0], [2.0], [6.0]])))
    assert found["mean"][0] == 3.0
    assert found["std"][0] == pytest.approx(np.sqrt(14 / 3))


def test_merged_moments_equal_those_of_everything() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=(301, 5)) + 1e4
    state = moments.empty(5)
    for part in np.array_split(values, [1, 7, 7, 100, 250]):
        state = moments.merge(state, moments.of_values(part))
    found = moments.summarise(state)
    np.testing.assert_allclose(found["mean"], values.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found["std"], values.std(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found["skewness"], scipy.stats.skew(values), rtol=1e-8)
    np.testing.assert_allclose(found["kurtosis"], scipy.stats.kurtosis(values), rtol=1e-7)
    assert state.minimum == pytest.approx(values.min(axis=0))


def test_moments_of_a_dead_neuron_and_of_nothing() -> None:
    dead = moments.summarise(moments.of_values(np.full((4, 1), 2.5)))
    assert dead["std"][0] == 0.0 and np.isnan(dead["skewness"][0])
    nothing = moments.summarise(moments.empty(1))
    assert np.isnan(nothing["mean"][0])


def test_histogram_counts_every_value_once() -> None:
    values = np.array([[0.0, -1e9], [EDGES[-1], 1.0], [1e9, -1.0]], dtype=np.float32)
    counts = histogram(values)
    assert counts.shape == (2, N_BINS)
    assert counts.sum(axis=1).tolist() == [3, 3]
    assert counts[0, len(EDGES) // 2] == 1, "zero lies in the middle"
    assert counts[1, 0] == 1, "below the lowest edge"
