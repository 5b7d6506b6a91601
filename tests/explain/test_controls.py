"""Controls are equal to the mask in what they say they are equal in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from otoscope.errors import UnknownNameError
from otoscope.explain import CONTROLS
from otoscope.explain.controls import Blur, Case, control, dealt, passed_energy, roughness, surrogate

RNG = np.random.default_rng(4)
LOUD = np.exp(gaussian_filter(RNG.standard_normal((120, 90)), 3) * 8).astype(np.float32)


def smooth_mask(share: float = 0.1, soft: bool = False) -> np.ndarray:
    field = gaussian_filter(np.random.default_rng(7).standard_normal(LOUD.shape), 5)
    if soft:
        return ((field - field.min()) / np.ptp(field)).astype(np.float32)
    return (field >= np.quantile(field, 1 - share)).astype(np.float32)


CASE = Case(smooth_mask(), LOUD, same=smooth_mask(0.2), different=None)


@pytest.mark.parametrize("name", ["random-size", "random-smooth", "random-matched", "loudest", "rolled"])
@pytest.mark.parametrize("soft", [False, True])
def test_the_same_values_elsewhere(name, soft) -> None:
    case = Case(smooth_mask(soft=soft), LOUD)
    found = control(name, case, 1)
    assert np.array_equal(np.sort(found, axis=None), np.sort(case.mask, axis=None))
    assert not np.array_equal(found, case.mask)
    assert np.array_equal(found, control(name, case, 1))


def test_random_energy_passes_as_much() -> None:
    found = control("random-energy", CASE, 1)
    wanted = passed_energy(CASE.mask, LOUD)
    assert abs(passed_energy(found, LOUD) - wanted) <= float(LOUD.max()) ** 2
    assert set(np.unique(found)) <= {0, 1}


def test_random_smooth_is_about_as_smooth() -> None:
    rough = roughness(CASE.mask)
    found = [roughness(control("random-smooth", CASE, seed)) for seed in range(5)]
    assert np.mean(found) == pytest.approx(rough, rel=0.35)
    assert roughness(control("random-size", CASE, 1)) > 5 * rough


def test_random_matched_has_size_energy_and_nearly_the_smoothness() -> None:
    wanted = passed_energy(CASE.mask, LOUD)
    for seed in range(3):
        found = control("random-matched", CASE, seed)
        assert found.sum() == CASE.mask.sum()
        assert passed_energy(found, LOUD) == pytest.approx(wanted, rel=0.05)
        assert roughness(found) < roughness(control("random-size", CASE, seed)) / 3


def test_random_matches_know_nothing_of_the_mask() -> None:
    overlaps = [float((control("random-matched", CASE, seed) * CASE.mask).sum()) for seed in range(20)]
    assert np.mean(overlaps) / CASE.mask.sum() < 0.35


def test_loudest_by_hand() -> None:
    magnitude = np.array([[1.0, 5, 3], [2, 4, 0]])
    found = control("loudest", Case(np.array([[1.0, 0, 0], [0, 0, 1]]), magnitude), 0)
    assert found.tolist() == [[0, 1, 0], [0, 1, 0]]


def test_rolled_moves_a_quarter_at_least() -> None:
    mask = np.zeros((3, 40), np.float32)
    mask[:, 0] = 1
    moves = [int(control("rolled", Case(mask, mask + 1), seed)[0].argmax()) for seed in range(30)]
    assert min(moves) >= 10 and max(moves) < 30 and len(set(moves)) > 5


def test_others_and_all_pass() -> None:
    assert np.array_equal(control("other-same", CASE, 0), CASE.same)
    assert control("other-different", CASE, 0) is None
    assert control("all-pass", CASE, 0).min() == 1


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("mask", [np.zeros((8, 6), np.float32), np.ones((8, 6), np.float32)])
def test_edges_silence_nothing_and_everything(name, mask) -> None:
    for magnitude in (np.zeros((8, 6), np.float32), np.ones((8, 6), np.float32)):
        found = control(name, Case(mask, magnitude, mask, mask), 0)
        assert np.isfinite(found).all() and found.shape == mask.shape


def test_one_frame() -> None:
    mask = np.array([[1.0], [0.0], [0.0]], np.float32)
    for name in CONTROLS:
        assert control(name, Case(mask, mask + 1, mask, mask), 0).shape == (3, 1)


def test_pieces() -> None:
    assert dealt(np.array([[0.1, 0.7]]), np.array([[5.0, 2.0]])).tolist() == [[0.7, 0.1]]
    assert roughness(np.array([[0.0, 1.0], [0.0, 1.0]])) == 1.0
    field = surrogate(CASE.mask, np.random.default_rng(0))
    sizes = [np.abs(np.fft.rfft2(one - one.mean())) for one in (field, CASE.mask)]
    assert sizes[0] / sizes[0].sum() == pytest.approx(sizes[1] / sizes[1].sum(), abs=1e-4)
    with pytest.raises(UnknownNameError, match=r"unknown control 'random'\. Did you mean"):
        control("random", CASE, 0)


@pytest.mark.parametrize("width", [0.0, 2.0, 8.0, 32.0])
def test_blurs_are_gaussian_with_mirrored_edges(width) -> None:
    plain = gaussian_filter(LOUD.astype(np.float64), width) if width else LOUD.astype(np.float64)
    assert Blur(LOUD).by(width) == pytest.approx((plain - plain.mean()) / plain.std(), abs=1e-9)
    assert not Blur(np.full((40, 30), 0.3)).by(width).any()  # rounding of a constant is no field


def test_equal_bins_are_dealt_to_in_their_own_order() -> None:
    field = np.zeros((30, 40))
    field[3] = 1.0
    values = np.arange(1200.0).reshape(30, 40)
    found = dealt(values, field).ravel()
    assert np.array_equal(found[120:160], np.arange(1160.0, 1200)) and np.array_equal(
        found[:120], np.arange(120.0)
    )
    assert np.array_equal(dealt(values, field), dealt(values, field.astype(np.float32)))
