"""L-MAC's terms against the recipe's numbers and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.errors import UnknownNameError
from otoscope.explain import lmac_losses as losses


@pytest.fixture
def case(parity):
    """Return the vectors of the recipes by name, as tensors."""
    file = parity("posthoc")
    return lambda name: torch.from_numpy(file[name])


WEIGHTS = {"mask_in": 4.0, "mask_out": 0.2}


class TestDecision:
    """Mask-in and mask-out."""

    def test_as_published(self, case) -> None:
        found = losses.decision(
            case("metric/logits_maskin"),
            case("metric/logits_maskout"),
            case("metric/pred").long(),
            **WEIGHTS,
            out_term="as-published",
        )
        assert float(found.mean()) == pytest.approx(float(case("lmac/ao_loss_4_0.2")), rel=1e-5)

    def test_the_published_mask_out_term_has_no_floor_and_ours_has(self) -> None:
        named, kept = torch.tensor([0]), torch.tensor([[9.0, 0.0, 0.0]])
        for out_term, low in (("as-published", -100.0), ("bounded", 0.0)):
            far = losses.decision(kept, torch.tensor([[-1e3, 0.0, 0.0]]), named, **WEIGHTS, out_term=out_term)
            assert float(far) == pytest.approx(low if low == 0 else -200.14, abs=0.2)

    def test_both_forms_wish_the_same(self) -> None:
        output = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
        named = torch.arange(6) % 4
        p = output.detach().softmax(1).gather(1, named[:, None])[:, 0]
        assert torch.allclose(losses.unlikely(output, named).detach(), -(1 - p).log(), atol=1e-6)
        losses.unlikely(output, named).sum().backward()
        assert bool((output.grad.gather(1, named[:, None]) > 0).all())

    def test_unknown_form(self) -> None:
        with pytest.raises(UnknownNameError, match="mask-out term"):
            losses.decision(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]), **WEIGHTS, out_term="x")


class TestRegularisers:
    """Size and variation."""

    def test_as_published(self, case) -> None:
        mask = case("piq/mask")
        assert float(losses.variation(mask).mean()) == pytest.approx(float(case("lmac/tv")), rel=1e-5)
        closed = torch.zeros(2, dtype=torch.bool)
        found = losses.published_regulariser(mask, closed, 0.4, 0.0)
        assert float(found) == pytest.approx(float(case("lmac/l1_reg_0.4")), rel=1e-5)
        assert float(losses.published_regulariser(mask, ~closed, 0.4, 0.0)) == 0

    def test_the_published_one_grows_with_the_batch_and_ours_does_not(self, case) -> None:
        mask = case("piq/mask")
        twice, closed = mask.repeat(2, 1, 1), torch.zeros(4, dtype=torch.bool)
        one, two = (float(losses.published_regulariser(x, closed[: len(x)], 0.4, 0.1)) for x in (mask, twice))
        assert two == pytest.approx(2 * one)
        assert float(losses.size(twice).mean()) == pytest.approx(float(losses.size(mask).mean()))

    def test_variation_by_hand(self) -> None:
        mask = torch.tensor([[[0.0, 1.0], [0.5, 0.5]]])
        assert float(losses.variation(mask)) == pytest.approx((1.0 + 0.25 + 0.25) / 2)


class TestGuidance:
    """Gate and guide."""

    @pytest.mark.parametrize("kind", ["dotp", "conv"])
    def test_resemblance_as_published(self, case, kind) -> None:
        found = losses.resemblance(case("lmac/cc_spec"), case("lmac/cc_templ"), kind)
        assert torch.allclose(found, case(f"lmac/crosscor_{kind}"), atol=1e-6)

    def test_only_the_centred_form_ignores_a_constant(self) -> None:
        one = torch.rand(1, 4, 5, generator=torch.Generator().manual_seed(0))
        assert float(losses.resemblance(one, one + 3, "conv")) == pytest.approx(1, abs=1e-5)
        assert float(losses.resemblance(one, one + 3, "dotp")) < 0.99
        with pytest.raises(UnknownNameError, match="resemblance"):
            losses.resemblance(one, one, "dot")

    def test_guides_by_hand(self) -> None:
        clean, noisy = torch.tensor([[[1.0, 0.2]]]), torch.tensor([[[2.0, 1.0]]])
        mask = torch.tensor([[[0.5, 0.5]]])
        assert float(losses.guided(mask, clean, noisy, "mse")) == pytest.approx((0.0 + 0.3**2) / 2)
        assert float(losses.guided(mask, clean, noisy, "binary")) == pytest.approx(np.log(2), abs=1e-6)
        right = torch.tensor([[[1.0, 0.0]]])
        assert float(losses.guided(right, clean, noisy, "binary")) == pytest.approx(0, abs=1e-6)
        with pytest.raises(UnknownNameError, match="kind of guidance"):
            losses.guided(mask, clean, noisy, "ternary")
