"""Size, Gini index and entropy of masks against hand numbers, loops and the reference vectors."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics import sparsity

RNG = np.random.default_rng(1)


def test_hand_numbers() -> None:
    masks = np.array([[[0.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]])
    found = sparsity.evaluate(masks)
    assert found["mask_size"].tolist() == [0.25, 1]
    assert found["sparseness"].tolist() == [0.75, 0]
    assert found["complexity"] == pytest.approx([0, np.log(4)])


def test_a_loop_says_the_same() -> None:
    masks = RNG.random((3, 5, 4))
    for mask, gini, entropy in zip(masks, sparsity.sparseness(masks), sparsity.complexity(masks)):
        flat = sorted(mask.ravel())
        differences = sum(abs(a - b) for a in flat for b in flat)
        assert gini == pytest.approx(differences / (2 * len(flat) * sum(flat)))
        shares = [one / sum(flat) for one in flat]
        assert entropy == pytest.approx(-sum(one * np.log(one) for one in shares))


def test_neither_order_nor_scale_nor_the_rest_of_the_batch_matters() -> None:
    masks = RNG.random((2, 6, 7))
    shuffled = RNG.permuted(masks.reshape(2, -1), axis=1) * np.array([[0.5], [3.0]])
    for measure in (sparsity.sparseness, sparsity.complexity):
        assert measure(shuffled) == pytest.approx(measure(masks))
        assert measure(masks[1:]) == pytest.approx(measure(masks)[1:])


def test_a_mask_that_passes_nothing_has_no_sparseness() -> None:
    masks = np.stack([np.zeros((3, 3)), np.eye(3)])
    assert np.isnan(sparsity.sparseness(masks)).tolist() == [True, False]
    assert np.isnan(sparsity.complexity(masks)).tolist() == [True, False]


def test_errors() -> None:
    with pytest.raises(InputError, match="finite and not negative"):
        sparsity.sparseness(-np.ones((1, 2, 2)))
    with pytest.raises(InputError, match="expected masks"):
        sparsity.complexity(np.ones(3))
    with pytest.raises(EmptyDataError, match="no masks"):
        sparsity.mask_size(np.zeros((0, 2, 2)))
    with pytest.raises(InputError, match=r"all masks of the batch are 0\.5"):
        sparsity.as_published(np.full((2, 2, 2), 0.5))


def test_reference_vectors(parity) -> None:
    given = parity("posthoc")
    for name in ("", "_binary", "_onezero"):
        sps, comp = sparsity.as_published(given[f"quantus/attr{name}_BFT"])
        key = name or "_batch"
        assert sps == pytest.approx(given[f"quantus/SPS{key}"][0], rel=1e-5)
        assert comp == pytest.approx(given[f"quantus/COMP{key}"][0], rel=1e-5, nan_ok=True)
    for clip in range(3):
        sps, comp = sparsity.as_published(given["quantus/attr_BFT"][clip : clip + 1])
        assert sps == pytest.approx(given[f"quantus/SPS_single{clip}"][0], rel=1e-5)
        assert comp == pytest.approx(given[f"quantus/COMP_single{clip}"][0], rel=1e-5)
    assert sparsity.as_published(np.zeros((3, 9, 12))) == (None, None)


def test_reference_instances(parity) -> None:
    given, n = parity("posthoc"), 108
    half = np.r_[np.zeros(n - 54), np.ones(54)]
    cases = {"const": np.ones(n), "onehot": np.eye(n)[5], "ramp": np.arange(n) / (n - 1), "half": half}
    for name, values in cases.items():
        sps = sparsity.sparseness(values[None], eps=sparsity.PUBLISHED_EPS)[0]
        assert sps == pytest.approx(float(given[f"quantus/inst_SPS_{name}"]), abs=1e-9)
        comp = sparsity.complexity(values[None])[0]
        assert comp == pytest.approx(float(given[f"quantus/inst_COMP_{name}"]), abs=1e-9)


def test_masks_in_half_precision_are_counted_to_the_same_measures() -> None:
    rng = np.random.default_rng(3)
    masks = np.stack(
        [rng.random((9, 7)), rng.random((9, 7)) > 0.5, np.zeros((9, 7)), np.ones((9, 7))]
    ).astype(np.float16)
    masks[0, 0, 0] = -0.0
    other = rng.random((4, 9, 7))
    assert sparsity._halves(masks.astype(np.float32)) is not None and sparsity._halves(other) is None
    for given in (masks, masks.astype(np.float32), masks.astype(np.float64), other):
        found, exact = sparsity.evaluate(given), given.astype(np.float64)
        for name in ("mask_size", "sparseness", "complexity"):
            assert np.allclose(found[name], getattr(sparsity, name)(exact), atol=1e-12, equal_nan=True), name
