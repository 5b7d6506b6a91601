"""Splitting clips into describing and scoring ones, group by group."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.describe.halves import halves
from otoscope.errors import InputError


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_groups_stay_whole_and_shares_are_met(share: float) -> None:
    groups = np.random.default_rng(0).integers(0, 60, 400)
    describing, scoring = halves(groups, share, seed=1)
    assert sorted([*describing, *scoring]) == list(range(400))
    assert not set(groups[describing]) & set(groups[scoring])
    assert len(describing) == pytest.approx(400 * share, abs=12)


def test_two_groups_give_two_sides() -> None:
    for seed in range(5):
        sides = halves(np.array(["a"] * 9 + ["b"]), 0.5, seed)
        assert sorted(map(len, sides)) == [1, 9]


def test_seeded() -> None:
    groups = np.arange(50)
    assert np.array_equal(halves(groups, 0.5, 3)[0], halves(groups, 0.5, 3)[0])
    assert not np.array_equal(halves(groups, 0.5, 3)[0], halves(groups, 0.5, 4)[0])


def test_one_group_is_an_error() -> None:
    with pytest.raises(
        InputError,
        match=r"the 10 clips that can be used are of one group.*never cut in two\. Describe.*same_clips",
    ):
        halves(np.zeros(10), 0.5, 0)
    with pytest.raises(
        InputError,
        match=r"the 1 clip of 100 that can be used is of one group.*99 have no caption or no activations\. Caption",
    ):
        halves(np.zeros(1), 0.5, 0, 100)
