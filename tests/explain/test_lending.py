"""Who lends to whom: the places that are counted are those of the lists that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.explain.cases import Cases
from otoscope.explain.lending import backgrounds, donors


def donors_by_lists(targets, groups, seed):
    rng, code = np.random.default_rng(seed), np.unique(np.asarray(groups), return_inverse=True)[1]
    pairs = np.full((len(targets), 2), -1, np.int64)
    for case, (target, group) in enumerate(zip(targets, code, strict=True)):
        for kind, alike in enumerate((targets == target, targets != target)):
            candidates = np.flatnonzero(alike & (code != group))
            if candidates.size:
                pairs[case, kind] = rng.choice(candidates)
    return pairs


def background_by_lists(chosen, case, seed):
    others = np.unique(chosen.clips[chosen.targets != chosen.targets[case]])
    others = others[others != chosen.clips[case]]
    return int(np.random.default_rng(seed).choice(others)) if others.size else -1


@pytest.mark.parametrize(
    "n, n_classes, n_groups", [(1, 1, 1), (5, 1, 3), (7, 2, 1), (40, 3, 25), (300, 7, 60)]
)
def test_the_same_draws_as_from_lists(n: int, n_classes: int, n_groups: int) -> None:
    rng = np.random.default_rng(n)
    targets, groups = rng.integers(0, n_classes, n), [f"g{one}" for one in rng.integers(0, n_groups, n)]
    np.testing.assert_array_equal(donors(targets, groups, 3), donors_by_lists(targets, groups, 3))
    for clips in (
        np.arange(n),
        np.sort(rng.integers(0, max(1, n // 2), n)),
    ):  # also several cases of one clip
        chosen = Cases(clips, targets, rng.random((n, n_classes)))
        expected = [background_by_lists(chosen, case, case) for case in range(n)]
        assert backgrounds(chosen, list(range(n))).tolist() == expected
