from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from otoscope.record import moments, ranking
from otoscope.record.evidence import Evidence
from otoscope.record.ranks import Ranks
from otoscope.record.reduce import Reduction, both_poles
from otoscope.record.summary import EDGES, N_BINS, histogram, merge_ranked
from otoscope.record.summary import Ranked as RankedClips


def reduction(values: torch.Tensor) -> Reduction:
    """Return what a layer would give whose trace and peaks are the pooled value itself."""
    poles = both_poles(values)
    clip, pole_neuron = torch.ones_like(poles).nonzero(as_tuple=True)
    flat = poles.flatten()
    evidence = Evidence(clip, pole_neuron, flat[:, None].half(), flat, flat, flat)
    return Reduction(values, torch.ones(len(values), dtype=torch.int64), None, evidence)


def rank(parts: list[tuple[torch.Tensor, torch.Tensor]], k: int, seed: int = 0) -> RankedClips:
    """Return the ranks after inserting ``(rows, values)`` part by part."""
    state = Ranks([reduction(parts[0][1])], [0], k, seed)
    for rows, values in parts:
        state.insert(rows, [reduction(values)])
    return state.ranked()[0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_keys_order_as_the_values_do(sign: float) -> None:
    values = torch.tensor([-np.inf, -3.5, -1e-30, -0.0, 0.0, 1e-30, 2.0, 7e20, np.inf], dtype=torch.float32)
    keys = ranking.keys(sign * values, torch.arange(9), torch.tensor(0), 0)
    upper = keys >> 32
    assert ((sign * (upper[1:] - upper[:-1])) >= 0).all()
    assert upper[3] == upper[4], "both zeros are the same value"
    torch.testing.assert_close(ranking.values_of(keys), sign * values)


def test_merging_in_any_order_gives_the_true_extremes_of_both_poles() -> None:
    values = torch.randn(200, 11, generator=torch.Generator().manual_seed(1)).relu()  # many ties at zero
    expected = None
    for seed in range(3):
        order = torch.randperm(200, generator=torch.Generator().manual_seed(seed))
        found = rank([(part, values[part]) for part in order.split(13)], 7)
        true = torch.cat(
            [values.sort(dim=0, descending=True).values[:7], -values.sort(dim=0).values[:7]], dim=1
        )
        torch.testing.assert_close(ranking.values_of(found.keys), true)
        torch.testing.assert_close(both_poles(values).gather(0, found.rows), true)
        torch.testing.assert_close(found.peak_s, true)  # what belongs to a clip moves with it
        torch.testing.assert_close(found.traces[..., 0].float(), true, atol=2e-3, rtol=1e-3)
        assert expected is None or torch.equal(found.rows, expected)
        expected = found.rows


def test_merging_summaries_equals_inserting_everything() -> None:
    values = torch.randn(90, 4, generator=torch.Generator().manual_seed(2))
    rows = torch.arange(90)
    whole = rank([(rows, values)], 6)
    halves = [rank([(rows[part], values[part])], 6) for part in (slice(0, 40), slice(40, 90))]
    merged = merge_ranked(halves[0], halves[1], 6)
    for name in ("keys", "rows", "peak_s", "traces"):
        assert torch.equal(getattr(merged, name), getattr(whole, name))


def test_ties_are_drawn_by_seed_and_not_by_file_order() -> None:
    zeros, rows = torch.zeros(1000, 50), torch.arange(1000)
    first, other = (rank([(rows, zeros)], 5, seed).rows for seed in (0, 1))
    assert not torch.equal(first, other)
    assert 350 < first.float().mean() < 650, "every clip has the same chance"
    assert len(first.unique()) > 300, "neurons and poles draw different clips"


def test_fewer_clips_than_places_leaves_empty_ones() -> None:
    found = rank([(torch.arange(2), torch.ones(2, 2))], 4)
    assert sorted(found.rows[:, 0].tolist()) == [-1, -1, 0, 1]
    assert torch.isnan(ranking.values_of(found.keys)[2:]).all()


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
