"""Codes of classes against the recipe's own numbers, straight-through gradients, dead codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain.quantise import Quantiser, allowed, nearest, owners, quantise


@pytest.fixture
def case(parity):
    """Return the vectors of quantisation by name, as tensors."""
    file = parity("posthoc")
    return lambda name: torch.from_numpy(file[f"vq/{name}"])


class TestOwners:
    """Which class owns which code."""

    @pytest.mark.parametrize("codes, classes", [(1024, 50), (20, 3), (64, 5), (7, 5)])
    def test_as_published(self, case, codes, classes) -> None:
        found = allowed(owners(codes, classes), torch.arange(classes))
        assert torch.equal(found, case(f"relevant_K{codes}_C{classes}"))
        assert torch.equal(found.sum(1), case(f"codes_per_class_K{codes}_C{classes}"))

    def test_shared_codes_are_upside_down_in_the_published_recipe(self, case) -> None:
        quantiser = Quantiser(20, 4, 3, 5, "forbidden-in-training")
        assert torch.equal(quantiser.usable(torch.arange(3)), case("relevant_K20_C3_shared5_TRAIN"))
        assert torch.equal(quantiser.eval().usable(torch.arange(3)), case("relevant_K20_C3_shared5_VALID"))

    def test_shared_codes_are_learnt_here(self) -> None:
        quantiser = Quantiser(20, 4, 3, 5)
        training = quantiser.usable(torch.arange(3))
        assert training[:, 15:].all()
        assert torch.equal(training, quantiser.eval().usable(torch.arange(3)))

    def test_every_class_owns_a_code(self) -> None:
        with pytest.raises(InputError, match="leave 2 for 3 classes"):
            owners(5, 3, n_shared=3)
        assert set(owners(3, 3).tolist()) == {0, 1, 2}

    def test_unknown_rule(self) -> None:
        with pytest.raises(UnknownNameError, match="rule for shared codes"):
            Quantiser(20, 4, 3, 5, "alowed")


class TestQuantise:
    """Nearest codes."""

    @pytest.mark.parametrize("divided", [False, True])
    def test_values_and_gradients_are_the_recipes(self, case, divided) -> None:
        maps, codebook = (case(one).clone().requires_grad_() for one in ("z_e", "codebook"))
        usable = allowed(owners(64, 5), case("labels")) if divided else None
        found, name = quantise(maps, codebook, usable), f"part{int(divided)}"
        assert torch.equal(found.indices, case(f"{name}_indices"))
        assert torch.equal(found.codes, case(f"{name}_z_q"))
        assert torch.equal(found.passed, found.codes)
        slope = torch.arange(found.passed.numel()).reshape(found.passed.shape) / 100
        ((found.passed * slope).sum() + found.codebook_loss + found.commitment_loss).backward()
        for loss, wanted in ((found.codebook_loss, "vq"), (found.commitment_loss, "commit")):
            assert float(loss.detach()) == pytest.approx(float(case(f"{name}_loss_{wanted}")), rel=1e-6)
        assert torch.allclose(maps.grad, case(f"{name}_grad_z"), atol=1e-6)
        assert torch.allclose(codebook.grad, case(f"{name}_grad_codebook"), atol=1e-6)

    def test_nearest_by_hand(self) -> None:
        rng = np.random.default_rng(0)
        maps, codebook = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(7, 3))
        usable = rng.random((2, 7)) < 0.5
        usable[:, 2] = True
        distance = ((maps[:, None] - codebook[None, :, :, None, None]) ** 2).sum(2)
        distance[~usable] = np.inf
        found = nearest(torch.from_numpy(maps), torch.from_numpy(codebook), torch.from_numpy(usable))
        assert np.array_equal(found, distance.argmin(1))

    def test_no_usable_code(self) -> None:
        with pytest.raises(InputError, match="no code at all"):
            nearest(torch.zeros(1, 2, 1, 1), torch.zeros(3, 2), torch.zeros(1, 3, dtype=torch.bool))


class TestRevive:
    """Dead codes."""

    def test_dead_codes_come_to_the_map(self) -> None:
        quantiser = Quantiser(12, 2, 2, 4)
        maps, labels = 5 + torch.rand(3, 2, 2, 2), torch.tensor([0, 0, 0])
        generator = torch.Generator().manual_seed(0)
        before = quantiser.embedding.weight.detach().clone()
        found = quantiser(maps, labels)
        assert quantiser.revive(maps, labels, found, 2, generator) == 0
        n_used = len(torch.unique(found.indices))
        assert quantiser.revive(maps, labels, found, 2, generator) == 8 - n_used  # 4 of class 0 and 4 shared
        after = quantiser.embedding.weight.detach()
        assert torch.equal(after[quantiser.owner == 1], before[quantiser.owner == 1])
        assert (after[quantiser.owner == 0].amax(1) > 4).sum() >= 4 - n_used
        assert len(torch.unique(quantiser(maps, labels).indices)) > n_used

    def test_counting_begins_anew(self) -> None:
        quantiser = Quantiser(4, 2, 2)
        quantiser.idle += 7
        quantiser.forget_idle()
        assert int(quantiser.idle.sum()) == 0 and "idle" not in quantiser.state_dict()
