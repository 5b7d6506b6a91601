"""Dealing whole groups: what a deal is, the smallest p, and size and power on real source structures."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.permutation import attainable_p, donor_maps, permutation_p


def test_equal_groups_change_places_whole() -> None:
    groups = np.repeat(np.arange(10), 4)
    for donors in donor_maps(groups, 30, seed=0):
        assert sorted(donors) == list(range(40))
        for group in range(10):
            assert len(set(groups[donors[groups == group]])) == 1


def test_sizes_keep_apart() -> None:
    groups = np.concatenate([np.arange(12), np.repeat(np.arange(12, 24), 3)])
    sizes = np.bincount(groups)
    for donors in donor_maps(groups, 20, seed=0):
        assert (sizes[groups[donors]] == sizes[groups]).all()
        assert sorted(donors) == list(range(len(groups)))


def test_rare_sizes_join_and_stay_within_a_group() -> None:
    groups = np.repeat(np.arange(9), [2, 3, 4, 5, 6, 7, 8, 9, 10])
    moved = 0
    for donors in donor_maps(groups, 20, seed=0):
        for group in range(9):
            own = donors[groups == group]
            counts = np.bincount(own, minlength=len(groups))[groups == groups[own[0]]]
            assert len(set(groups[own])) == 1
            assert counts.max() - counts.min() <= 1  # dealt evenly
        moved += (groups[donors] != groups).any()
    assert moved >= 19


def test_strata_are_kept() -> None:
    groups = np.repeat(np.arange(20), 2)
    strata = groups % 2
    donors = donor_maps(groups, 20, seed=0, strata=strata)
    assert (strata[donors] == strata).all()
    with pytest.raises(InputError, match=r"group '0' lies in more than one stratum.*finer groups"):
        donor_maps(groups, 2, seed=0, strata=np.arange(40) % 2)
    with pytest.raises(InputError, match="one stratum a clip"):
        donor_maps(groups, 2, seed=0, strata=strata[:3])


def test_seeded() -> None:
    groups = np.arange(30) // 2
    assert (donor_maps(groups, 5, seed=1) == donor_maps(groups, 5, seed=1)).all()
    assert (donor_maps(groups, 5, seed=1) != donor_maps(groups, 5, seed=2)).any()


def test_p_is_never_zero() -> None:
    assert permutation_p(np.array([9.0, 1.0, np.nan]), np.array([[0.0, 2.0, 1.0]] * 3)).tolist()[:2] == [
        0.25,
        1.0,
    ]
    assert np.isnan(permutation_p(np.array(np.nan), np.zeros(3)))
    with pytest.raises(EmptyDataError, match="at least one permutation"):
        permutation_p(np.array(1.0), np.zeros(0))


def test_smallest_p_by_counting() -> None:
    groups = np.repeat(np.arange(5), 2)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0])  # groups aa, aa, bb, bb, ba
    deals = set()
    for order in itertools.permutations(range(5)):
        for turns in itertools.product((1, -1), repeat=5):
            rows = [labels[groups == g][::turn] for g, turn in zip(order, turns)]
            deals.add(tuple(np.concatenate(rows)))
    assert attainable_p(groups, labels) == pytest.approx(1 / len(deals))


def test_six_speakers_can_not_go_below_one_fifteenth() -> None:
    speakers = np.repeat(np.arange(6), 50)
    assert attainable_p(speakers, speakers < 2) == pytest.approx(1 / 15)
    assert attainable_p(speakers, np.arange(300) % 10) < 1e-6  # digits vary within speakers
    assert attainable_p(speakers, speakers * 0) == 1.0
    assert attainable_p(speakers, speakers < 2, strata=speakers < 3) == pytest.approx(1 / 3)


def test_attainable_p_is_attained() -> None:
    speakers = np.repeat(np.arange(6), 5)
    label = speakers < 2
    values = label + np.zeros(30)
    donors = donor_maps(speakers, 600, seed=0)
    p = permutation_p(np.array(values[label].mean()), np.array([values[label[d]].mean() for d in donors]))
    assert p == pytest.approx(1 / 15, abs=0.03)


def test_errors() -> None:
    with pytest.raises(EmptyDataError, match="one group a clip"):
        donor_maps(np.array([]), 3, seed=0)
    with pytest.raises(InputError, match="one row of content a clip"):
        attainable_p(np.arange(3), np.arange(4))


def esc10(test_data: Path) -> tuple[np.ndarray, np.ndarray]:
    table = pl.read_csv(test_data / "esc10" / "meta" / "esc50.csv")
    groups = np.unique(table["src_file"].to_numpy(), return_inverse=True)[1]
    return groups, np.unique(table["category"].to_numpy(), return_inverse=True)[1]


def rejections(
    activations: np.ndarray, classes: np.ndarray, donors: np.ndarray, smallest: float = 0.0
) -> np.ndarray:
    """Return the p of the largest class difference of each neuron."""
    presence = np.eye(classes.max() + 1)[classes]

    def largest(dealt: np.ndarray) -> np.ndarray:
        spread = np.maximum(dealt.std(axis=0), 1e-9)
        return np.abs(activations.T @ ((dealt - dealt.mean(axis=0)) / spread)).max(axis=1)

    null = np.stack([largest(presence[d]) for d in donors])
    return permutation_p(largest(presence), null, smallest)


@pytest.mark.real
@pytest.mark.parametrize("effect", [0.6, 2.0])
def test_size_on_the_sources_of_esc10(test_data: Path, effect: float) -> None:
    """Null neurons with a source effect: the whole-group deal holds its level, the deal by clip does not."""
    groups, classes = esc10(test_data)
    rng = np.random.default_rng(0)
    null = effect * rng.normal(size=(groups.max() + 1, 1500))[groups] + rng.normal(size=(400, 1500))
    by_group = rejections(null, classes, donor_maps(groups, 199, seed=1))
    by_clip = rejections(null, classes, donor_maps(np.arange(400), 199, seed=1))
    assert 0.03 <= np.mean(by_group <= 0.05) <= 0.07
    assert np.mean(by_clip <= 0.05) > (0.09 if effect < 1 else 0.2)


@pytest.mark.real
def test_power_on_the_sources_of_esc10(test_data: Path) -> None:
    groups, classes = esc10(test_data)
    rng = np.random.default_rng(0)
    noise = 0.6 * rng.normal(size=(groups.max() + 1, 300))[groups] + rng.normal(size=(400, 300))
    p = rejections(noise + 1.0 * (classes == 4)[:, None], classes, donor_maps(groups, 199, seed=1))
    assert np.mean(p <= 0.05) > 0.9


@pytest.mark.real
def test_size_on_the_speakers_of_fsdd(test_data: Path) -> None:
    """A label of speakers: by clip most null neurons are significant; by speaker none can be."""
    names = sorted(path.stem.split("_") for path in (test_data / "fsdd" / "recordings").glob("*.wav"))
    speakers = np.unique([one[1] for one in names[::10]], return_inverse=True)[1]
    female = np.isin(speakers, [0, 1]).astype(int)
    rng = np.random.default_rng(0)
    null = 0.6 * rng.normal(size=(6, 400))[speakers] + rng.normal(size=(len(speakers), 400))
    smallest = attainable_p(speakers, female)
    assert smallest == pytest.approx(1 / 15)
    assert np.mean(rejections(null, female, donor_maps(np.arange(len(speakers)), 99, seed=0)) <= 0.05) > 0.5
    by_speaker = rejections(null, female, donor_maps(speakers, 99, seed=0), smallest)
    assert by_speaker.min() == pytest.approx(1 / 15)
    assert np.mean(by_speaker <= 0.1) == pytest.approx(0.1, abs=0.05)


def test_rows_of_content_count_as_their_codes_do() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 40)
    groups = np.arange(40) // 2
    rows = np.eye(3)[codes] * 0.5
    rows[rows == 0] *= -1  # -0 is 0
    rows[::2] = np.abs(rows[::2])
    assert attainable_p(groups, rows) == pytest.approx(attainable_p(groups, codes))
