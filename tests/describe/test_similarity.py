"""The five similarity functions: reference numbers, slow re-derivation, hand numbers, edges and errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.describe import SIMILARITIES, pmi, similarity
from otoscope.describe.bind import bind_soft_wpmi, bind_wpmi
from otoscope.errors import EmptyDataError, InputError, UnknownNameError
from tests.describe import slow

ALL = [similarity.cos, similarity.cos_cubed, similarity.wpmi, similarity.soft_wpmi, similarity.rank_reorder]
NEW = {"top_k": 50, "a": 5, "lam": 0.6, "p_start": 0.99, "p_end": 0.9, "min_prob": 1e-7}
REFERENCE = {
    "cos_similarity": (similarity.cos, {}, 5e-6),
    "cos_similarity_cubed": (similarity.cos_cubed, {}, 5e-6),
    "soft_wpmi": (similarity.soft_wpmi, {}, 5e-4),
    "soft_wpmi_k50_a5_lam0.6": (similarity.soft_wpmi, NEW, 5e-4),
    "wpmi": (similarity.wpmi, {}, 1e-4),
    "wpmi_k10_a4_lam1": (similarity.wpmi, {"top_k": 10, "a": 4, "lam": 1}, 1e-4),
}
ULP = 5e-5
"""Rounding of a float32 sum of 100 logarithms."""
CASES = ["s0_n200", "s1_n200"]
PUBLISHED = ["cos_similarity", "cos_similarity_cubed", "soft_wpmi", "wpmi"]
KEYS = [
    *((case, release, name) for case in CASES for release in ("cd", "and") for name in REFERENCE),
    *((case, "cd_f64", name) for case in CASES for name in PUBLISHED),
    *((case, "and", name) for case in ("s7_n5_and", "s8_n40_and") for name in PUBLISHED),
]


@pytest.fixture(scope="module")
def numbers(parity) -> dict[str, np.ndarray]:
    with parity("similarity") as found:
        return dict(found)


@pytest.fixture
def made() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    activations = rng.normal(size=(60, 9)).astype(np.float32)
    return activations, rng.uniform(0.05, 1, size=(60, 7)).astype(np.float32)


@pytest.mark.parametrize(("case", "release", "name"), KEYS)
def test_parity(numbers: dict[str, np.ndarray], case: str, release: str, name: str) -> None:
    function, parameters, tolerance = REFERENCE[name]
    kind = np.float64 if release == "cd_f64" else np.float32
    activations, affinities = (
        numbers[f"{case}/in/{one}"].astype(kind) for one in ("target_feats", "clip_feats")
    )
    found = function(activations, affinities, **parameters)
    assert found.dtype == kind
    assert np.allclose(found, numbers[f"{case}/{release}/{name}"], atol=tolerance, rtol=0)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("release", "variant"), [("cd", "clip-dissect"), ("and", "and-2024")])
def test_parity_of_rank_reorder(
    numbers: dict[str, np.ndarray], case: str, release: str, variant: str
) -> None:
    activations, affinities = numbers[f"{case}/in/target_feats"], numbers[f"{case}/in/clip_feats"]
    permutations = numbers[f"{case}/{release}/rank_reorder_perms"]
    expected = numbers[f"{case}/{release}/rank_reorder"]
    for block in (None, 5):
        found = similarity.rank_reorder(
            activations, affinities, permutations=permutations, variant=variant, block=block
        )
        assert (np.isnan(found) == np.isnan(expected)).all()
        assert (np.isneginf(found) == np.isneginf(expected)).all()
        finite = np.isfinite(expected)
        assert found[finite] == pytest.approx(expected[finite], rel=1e-4)


def test_rank_reorder_of_too_few_clips_is_undefined(numbers: dict[str, np.ndarray]) -> None:
    found = similarity.rank_reorder(numbers["s7_n5_and/in/target_feats"], numbers["s7_n5_and/in/clip_feats"])
    assert np.isnan(found).all()
    assert np.isnan(numbers["s7_n5_and/and/rank_reorder"]).all()


@pytest.mark.parametrize("name", ["cos", "cos_cubed", "wpmi", "soft_wpmi"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_slow_re_derivation(made: tuple[np.ndarray, np.ndarray], name: str, kind: type) -> None:
    activations, affinities = (one.astype(kind) for one in made)
    expected = getattr(slow, name)(*(one.astype(np.float64) for one in made))
    tolerance = 2e-4 if kind is np.float32 else 1e-9
    assert np.allclose(getattr(similarity, name)(activations, affinities), expected, atol=tolerance)


def test_slow_rank_reorder(made: tuple[np.ndarray, np.ndarray]) -> None:
    permutations = np.stack([np.random.default_rng(0).permutation(12) for _ in range(5)])
    found = similarity.rank_reorder(*made, top_fraction=0.2, permutations=permutations)
    assert np.allclose(found, slow.rank_reorder(*made, permutations, top_fraction=0.2), rtol=1e-4)


def test_hand_numbers() -> None:
    activations, affinities = np.array([[2.0], [1.0], [0.0]]), np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    e = np.exp(2.0)
    s = np.array([[e, 1], [1, 1], [1, e]]) / np.array([[1 + e], [2], [1 + e]])
    found = similarity.wpmi(activations, affinities, top_k=2, lam=0.0, min_prob=0.0)
    assert found[0] == pytest.approx(np.log(s[0]) + np.log(s[1]))
    weights = np.array([[0.9], [0.7]])  # from 0.9 half way down to 0.5
    soft = similarity.soft_wpmi(
        activations, affinities, top_k=2, a=2, lam=0.0, min_prob=0.0, p_start=0.9, p_end=0.5
    )
    assert soft[0] == pytest.approx(np.log(1 + weights * (s[:2] - 1)).sum(axis=0))
    assert similarity.cos(activations, affinities)[0] == pytest.approx([2 / np.sqrt(5), 0])


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("block", [1, 4, 9, 100])
def test_blocks_change_nothing(made: tuple[np.ndarray, np.ndarray], function, block: int) -> None:
    assert np.allclose(function(*made, block=block), function(*made), atol=ULP)


@pytest.mark.parametrize("function", ALL)
def test_torch_in_torch_out(made: tuple[np.ndarray, np.ndarray], function) -> None:
    found = function(*(torch.from_numpy(one) for one in made))
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float32
    assert np.array_equal(found.numpy(), function(*made), equal_nan=True)


@pytest.mark.parametrize("function", ALL)
def test_inputs_are_left_as_they_were(made: tuple[np.ndarray, np.ndarray], function) -> None:
    copies = [one.copy() for one in made]
    for one in made:
        one.flags.writeable = False
    function(*made)
    assert all(np.array_equal(one, copy) for one, copy in zip(made, copies))


@pytest.mark.parametrize("function", ALL)
def test_threads_change_nothing(made: tuple[np.ndarray, np.ndarray], function) -> None:
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(function(*made))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*found, equal_nan=True)


@pytest.mark.parametrize("function", ALL)
def test_failed_clips_are_left_out(made: tuple[np.ndarray, np.ndarray], function) -> None:
    activations, affinities = made
    without = np.ones(60, bool)
    without[[3, 40]] = False
    expected = function(activations[without], affinities[without], seed=0)
    activations, affinities = activations.copy(), affinities.copy()
    activations[3, 2] = np.nan
    affinities[40] = np.nan
    assert np.allclose(function(activations, affinities, block=4), expected, atol=ULP)


@pytest.mark.parametrize("function", ALL)
def test_dead_neurons_have_no_score_and_no_part(made: tuple[np.ndarray, np.ndarray], function) -> None:
    activations, affinities = made
    dead = activations.copy()
    dead[:, [0, 5]] = 0.25
    found = function(dead, affinities, block=3)
    assert np.isnan(found[[0, 5]]).all()
    alive = np.delete(np.arange(9), [0, 5])
    assert np.allclose(found[alive], function(activations[:, alive], affinities), atol=ULP)


@pytest.mark.parametrize("function", ALL)
def test_a_layer_of_dead_neurons(function) -> None:
    assert np.isnan(function(np.zeros((60, 3)), np.random.default_rng(0).random((60, 4)))).all()


@pytest.mark.parametrize("function", [similarity.wpmi, similarity.soft_wpmi])
def test_the_layer_s_prior(made: tuple[np.ndarray, np.ndarray], function) -> None:
    activations, affinities = made
    build = bind_wpmi() if function is similarity.wpmi else bind_soft_wpmi()
    prior = similarity.layer_prior(activations, affinities, build, block=4)
    parts = [function(activations[:, some], affinities, prior=prior) for some in (slice(0, 4), slice(4, 9))]
    assert np.allclose(np.concatenate(parts), function(activations, affinities), atol=ULP)


def test_one_neuron_is_its_own_marginal(made: tuple[np.ndarray, np.ndarray], caplog) -> None:
    activations, affinities = made
    with caplog.at_level("INFO"):
        assert (similarity.soft_wpmi(activations[:, :1], affinities) == 0).all()
        assert (similarity.wpmi(activations[:, :1], affinities, lam=1.0) == 0).all()
    assert "0 by definition" in caplog.text
    raw = similarity.wpmi(activations[:, :1], affinities, lam=0.0)
    assert similarity.wpmi(activations[:, :1], affinities) == pytest.approx(0.4 * raw, rel=1e-5)


def test_few_clips_clamp_top_k(made: tuple[np.ndarray, np.ndarray], caplog) -> None:
    activations, affinities = (one[:20] for one in made)
    with caplog.at_level("INFO"):
        found = similarity.soft_wpmi(activations, affinities)
    assert "top_k = 100 is clamped to the 20 usable clips" in caplog.text
    assert np.array_equal(found, similarity.soft_wpmi(activations, affinities, top_k=20))


def test_ties_are_broken_by_seed_not_by_file_order() -> None:
    rng = np.random.default_rng(0)
    activations = np.maximum(rng.normal(size=(200, 5)) - 1.5, 0).astype(np.float32)
    activations[::7] *= -0.0  # both zeros tie
    affinities = rng.random((200, 6)).astype(np.float32)
    first = similarity.wpmi(activations, affinities, seed=1)
    assert np.array_equal(first, similarity.wpmi(activations, affinities, seed=1, block=2))
    assert not np.allclose(first, similarity.wpmi(activations, affinities, seed=2))
    shares = [
        np.mean(pmi.top_ranked(torch.zeros(200, 1), 50, torch.from_numpy(rng.permutation(200))).numpy() < 100)
        for _ in range(40)
    ]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)


def test_tied_affinities_are_no_worse_than_chance() -> None:
    """A concept that says the same of all clips gets a middling rank_reorder score on average, not the worst."""
    rng = np.random.default_rng(0)
    activations = rng.normal(size=(400, 200)).astype(np.float32)
    flat = similarity.rank_reorder(activations, np.full((400, 1), 0.5, np.float32), top_fraction=0.1)
    noise = similarity.rank_reorder(
        activations, rng.uniform(0.4, 0.6, (400, 1)).astype(np.float32), top_fraction=0.1
    )
    assert np.median(flat) == pytest.approx(np.median(noise), rel=0.3)


def test_a_concept_that_never_occurs(made: tuple[np.ndarray, np.ndarray]) -> None:
    affinities = made[1].copy()
    affinities[:, 2] = 0
    assert (similarity.cos(made[0], affinities)[:, 2] == 0).all()
    assert (similarity.cos_cubed(made[0], affinities)[:, 2] == 0).all()


def test_order_of_clips_and_scale_do_not_matter(made: tuple[np.ndarray, np.ndarray]) -> None:
    activations, affinities = made
    order = np.random.default_rng(1).permutation(60)
    for function in ALL:
        found = function(activations, affinities)
        assert np.allclose(function(activations[order], affinities[order]), found, atol=2e-5)
        scaled = function(4 * activations + (0 if function is similarity.cos else 1), affinities)
        assert np.allclose(scaled, found, atol=1e-4, rtol=1e-4)


def test_integers_and_half_precision_are_taken(made: tuple[np.ndarray, np.ndarray]) -> None:
    activations, affinities = made
    half = activations.astype(np.float16)
    assert np.array_equal(
        similarity.wpmi(half, affinities), similarity.wpmi(half.astype(np.float32), affinities)
    )
    assert similarity.cos((10 * activations).astype(int), affinities).dtype == np.float32


def test_names_in_the_table_are_the_functions() -> None:
    assert sorted(SIMILARITIES) == sorted(function.__name__ for function in ALL)


@pytest.mark.parametrize("function", ALL)
def test_errors(function) -> None:
    good = np.random.default_rng(0).random((40, 3))
    with pytest.raises(
        InputError, match=r"one row for each clip, got activations \(40, 3\) and affinities \(39, 3\)"
    ):
        function(good, good[1:])
    with pytest.raises(InputError, match=r"expected activations \(clip, neuron\)"):
        function(good[:, 0], good)
    with pytest.raises(EmptyDataError, match="all 40 clips have a NaN"):
        function(np.full((40, 3), np.nan), good)
    with pytest.raises(EmptyDataError, match="at least one clip, one neuron and one concept"):
        function(good[:, :0], good)
    with pytest.raises(InputError, match="activations hold an infinite value"):
        function(np.where(good == good.max(), np.inf, good), good)
    with pytest.raises(InputError, match="block is a number of neurons, at least 1, got 0"):
        function(good, good, block=0)


def test_errors_of_parameters(made: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(InputError, match="top_k is a number of clips, at least 1, got 0"):
        similarity.wpmi(*made, top_k=0)
    with pytest.raises(InputError, match="0 <= p_end <= p_start <= 1"):
        similarity.soft_wpmi(*made, p_start=0.5, p_end=0.9)
    with pytest.raises(UnknownNameError, match=r"unknown variant of rank_reorder 'and'.*and-2024"):
        similarity.rank_reorder(*made, variant="and")
    with pytest.raises(InputError, match=r"top_fraction is a share of the clips in \(0, 1\], got 5"):
        similarity.rank_reorder(*made, top_fraction=5)
    with pytest.raises(InputError, match="permutations must be of the 3 top clips"):
        similarity.rank_reorder(*made, permutations=np.zeros((5, 4), int))


def test_no_floor_under_the_membership(made: tuple[np.ndarray, np.ndarray]) -> None:
    """min_prob = 0 with a membership that underflows to 0: a very bad fit, not a crash."""
    for function in (similarity.wpmi, similarity.soft_wpmi):
        found = function(*made, a=1e4, min_prob=0.0, top_k=10)
        assert np.isfinite(found).all()


def test_weights_of_zero_and_one_are_exact(made: tuple[np.ndarray, np.ndarray]) -> None:
    found = similarity.soft_wpmi(*made, top_k=10, p_start=1.0, p_end=0.0)
    assert np.allclose(found, slow.soft_wpmi(*made, top_k=10, p_start=1.0, p_end=0.0), atol=2e-4)
    nothing = similarity.soft_wpmi(*made, top_k=10, p_start=0.0, p_end=0.0)
    assert np.allclose(nothing, 0, atol=1e-4)
