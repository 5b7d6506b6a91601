"""Paired tests: hand numbers, slow counts, size with a group effect."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.paired import lost_and_gained, mcnemar_p, sign_flip_p


def pair(both: int, lost: int, gained: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    before = np.repeat([True, True, False, False], [both, lost, gained, neither])
    return before, np.repeat([True, False, True, False], [both, lost, gained, neither])


def test_mcnemar_is_the_binomial_sum() -> None:
    for lost, gained in ((4, 0), (0, 4), (3, 9), (5, 5), (1, 0)):
        tail = sum(comb(lost + gained, k) for k in range(min(lost, gained) + 1)) / 2 ** (lost + gained)
        before, after = pair(7, lost, gained, 3)
        assert lost_and_gained(before, after) == (lost, gained)
        assert mcnemar_p(before, after) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar_p(*pair(7, 0, 0, 3)) == 1.0


def test_the_published_difference_of_four_clips_is_no_finding() -> None:
    """AAPE's largest effect, 4 of 265 clips of one class, could at best be p = 0.125."""
    assert mcnemar_p(*pair(219, 4, 0, 42)) == 0.125


def test_sign_flips_are_counted_over_all_deals() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(7), 3)
    differences = rng.normal(0.4, 1, 21)
    sums = np.bincount(groups, differences)
    totals = [abs(np.dot(signs, sums)) for signs in itertools.product((-1, 1), repeat=7)]
    expected = np.mean([one >= abs(sums.sum()) - 1e-12 for one in totals])
    assert sign_flip_p(differences, groups) == pytest.approx(expected)
    assert sign_flip_p(-differences, groups) == pytest.approx(expected)


def test_many_groups_are_dealt_at_random_and_agree_with_the_normal_tail() -> None:
    rng = np.random.default_rng(1)
    groups, differences = np.arange(200), rng.normal(0.2, 1, 200)
    p = sign_flip_p(differences, groups, n_deals=4000, seed=3)
    z = differences.sum() / np.sqrt((differences**2).sum())
    from scipy.stats import norm

    assert p == pytest.approx(2 * norm.sf(z), abs=0.01)
    assert p == sign_flip_p(differences, groups, n_deals=4000, seed=3)


def test_groups_keep_the_size_that_mcnemar_loses() -> None:
    """Null changes that whole groups of ten share: by group at most alpha (and a bit), by clip far more."""
    rng = np.random.default_rng(2)
    groups, by_group, by_clip = np.repeat(np.arange(12), 10), 0, 0
    for _ in range(200):
        change = rng.choice([-1, 0, 1], 12)[groups]
        before, after = change == -1, change == 1
        by_group += sign_flip_p(change.astype(float), groups) <= 0.05
        by_clip += mcnemar_p(before, after) <= 0.05
    assert by_group <= 20 and by_clip >= 80


def test_nothing_changed_and_bad_input() -> None:
    assert sign_flip_p(np.zeros(4), np.arange(4)) == 1.0
    with pytest.raises(EmptyDataError, match="no clip"):
        sign_flip_p(np.zeros(0), np.zeros(0))
    with pytest.raises(InputError, match="one group a difference"):
        sign_flip_p(np.zeros(3), np.zeros(2))
    with pytest.raises(InputError, match="right or wrong"):
        mcnemar_p(np.zeros(3), np.zeros(3))
    with pytest.raises(InputError, match="two outcomes"):
        mcnemar_p(np.zeros(3, bool), np.zeros(2, bool))
