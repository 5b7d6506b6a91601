"""Psi, Theta, losses and relevance of L2I: the authors' and the recipe's numbers, by hand, and at their edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain.l2i_net import (
    reconstruction_error,
    soft_binary_cross_entropy,
    soft_cross_entropy,
)
from otoscope.explain.l2i_psi import PSIS, AuthorsPsi, Cnn14Psi, CompactPsi, Conv2dPsi, psi_of, to_frames
from otoscope.explain.l2i_relevance import contributions, global_relevance, kept, normalised
from otoscope.explain.l2i_theta import POOLINGS, FrameWeights, GatedAttention, Theta


def theta_of(given, prefix: str, pooling: str) -> Theta:
    """Return the reference's head with its weights under our names."""
    names = {
        "attention": {"signal": "attention_V.0", "gate": "attention_U.0", "weight": "attention_weights"},
        "tanh-attention": {"signal": "attention.0", "weight": "attention.2"},
        "max": {},
    }[pooling]
    head = torch.from_numpy(given[f"{prefix}/fc1.weight"])
    theta = Theta(pooling, head.shape[1], head.shape[0], 1).eval()
    state = {"head.weight": head}
    for ours, theirs in names.items():
        for kind in ("weight", "bias"):
            state[f"pooling.{ours}.{kind}"] = torch.from_numpy(given[f"{prefix}/{theirs}.{kind}"])
    theta.load_state_dict(state)
    return theta


class TestTheta:
    """Poolings."""

    @pytest.mark.parametrize(
        ("prefix", "pooling"), [("att/v4", "attention"), ("att/v3", "tanh-attention"), ("att/max", "max")]
    )
    def test_the_authors_heads(self, parity, prefix, pooling) -> None:
        given = parity("l2i")
        with torch.no_grad():
            found = theta_of(given, prefix, pooling)(torch.from_numpy(given["att/x"]))
        assert found.numpy() == pytest.approx(given[f"{prefix}/logits"], abs=1e-5)

    def test_the_authors_weights_of_time(self, parity) -> None:
        given = parity("l2i")
        theta = theta_of(given, "att/v4", "attention")
        assert isinstance(theta.pooling, GatedAttention)
        x = torch.from_numpy(given["att/x"])
        with torch.no_grad():
            assert theta.pooling.weights(x).numpy() == pytest.approx(given["att/v4/a"], abs=1e-6)
            assert theta.pooled(x).numpy() == pytest.approx(given["att/v4/pooled"], abs=1e-5)

    def test_the_recipes_head(self, parity, ruled) -> None:
        given, weights = parity("networks"), ruled("sb_l2i_theta_small")
        theta = Theta("frame-weights", 10, 5, 65)
        names = {"pooling.hard_att.weight": "hard_att.weight", "head.weight": "classifier.0.weight"}
        theta.load_state_dict({ours: weights[theirs] for ours, theirs in names.items()})
        h = torch.from_numpy(given["sb_l2i_psi_conv2d_small/H_B1TK"])[:, 0].mT
        with torch.no_grad():
            probabilities = torch.softmax(theta(h), 1)
        assert probabilities.numpy() == pytest.approx(given["sb_l2i_theta_small/probs"], abs=1e-5)

    def test_attention_takes_any_length_and_frame_weights_one(self) -> None:
        h = torch.rand(2, 6, 9)
        assert Theta("attention", 6, 3, 1)(h).shape == Theta("attention", 6, 3, 1)(h[..., :4]).shape == (2, 3)
        with pytest.raises(InputError, match="learnt for 5 frames, got 9; pooling='attention'"):
            FrameWeights(6, 5, 0.0)(h)
        with pytest.raises(UnknownNameError, match="attention"):
            Theta("mean", 6, 3, 1)

    @pytest.mark.parametrize("pooling", POOLINGS)
    def test_silence_says_nothing_of_any_class(self, pooling) -> None:
        assert torch.equal(Theta(pooling, 6, 3, 9)(torch.zeros(1, 6, 9)), torch.zeros(1, 3))


class TestPsi:
    """From maps to activations."""

    def test_the_authors_network(self, parity) -> None:
        shapes = [(512, 4, 13), (256, 8, 26), (128, 16, 53)]
        psi = AuthorsPsi(shapes, 100)
        assert sum(one.numel() for one in psi.parameters()) == 2866200
        state = {}
        for j, (name, one) in enumerate(psi.state_dict().items()):
            i = np.arange(one.numel(), dtype=np.float64)
            s = np.sin(0.37 * i + 1.3 * j + 0.5).reshape(one.shape)
            scale = 1 / np.sqrt(np.prod(one.shape[1:])) if one.ndim > 1 else 0.1
            state[name] = torch.from_numpy((s * scale).astype(np.float32))
        psi.load_state_dict(state)
        maps = []
        for m, shape in enumerate([(1024, 5, 1), (512, 13, 4), (256, 26, 8), (128, 53, 16)]):
            values = np.maximum(np.sin(0.013 * (m + 1) * np.arange(np.prod(shape))), 0).reshape(shape)
            maps.append(torch.from_numpy(values.astype(np.float32))[None].mT)
        with torch.no_grad():
            found = psi(maps[1:], 431)
        assert found[0].numpy() == pytest.approx(parity("l2i")["net/H_out_det_431"], abs=1e-6)

    def test_the_recipes_network_for_cnn14(self, parity, ruled) -> None:
        given = parity("networks")
        maps = [torch.from_numpy(given[f"sb_cnn14_small/{one}"]).mT for one in ("x1_block6", "x2_block5")]
        maps += [torch.from_numpy(given[f"sb_cnn14_small/{one}"]).mT for one in ("x3_block4", "x4_block3")]
        psi = Cnn14Psi([tuple(one.shape[1:]) for one in maps], 10)
        psi.load_state_dict(ruled("sb_l2i_cnn14psi_stft_2d_small"))
        with torch.no_grad():
            found = psi(maps, 79)
        expected = given["sb_l2i_cnn14psi_stft_2d_small/H"]
        assert np.abs(found.numpy() - expected).max() < 5e-5 * np.sqrt(np.mean(expected**2))

    def test_the_recipes_network_for_conv2d(self, parity, ruled) -> None:
        given = parity("networks")
        hidden = torch.from_numpy(given["sb_conv2d_small/hidden"]).mT
        psi = Conv2dPsi([tuple(hidden.shape[1:])], 10).eval()
        psi.load_state_dict(ruled("sb_l2i_psi_conv2d_small"))
        with torch.no_grad():
            found = psi([hidden], 65)
        expected = given["sb_l2i_psi_conv2d_small/H_B1TK"][:, 0].swapaxes(1, 2)
        assert np.abs(found.numpy() - expected).max() < 5e-5 * np.sqrt(np.mean(expected**2))

    def test_the_compact_network_takes_any_maps_and_length(self) -> None:
        shapes = [(8, 4, 10), (16, 1, 5)]
        psi = psi_of("compact", shapes, 7, 12)
        maps = [torch.rand(2, *one) for one in shapes]
        found = psi(maps, 33)
        assert found.shape == (2, 7, 33) and float(found.detach().min()) >= 0
        longer = [torch.rand(2, neurons, rows, 3 * frames) for neurons, rows, frames in shapes]
        assert psi(longer, 99).shape == (2, 7, 99)
        found.sum().backward()
        assert all(one.grad is not None and float(one.grad.abs().sum()) > 0 for one in psi.parameters())

    def test_maps_that_do_not_fit_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"4, 8 and 16 mel rows.*psi='compact'"):
            psi_of("authors", [(8, 4, 10)], 7)
        with pytest.raises(InputError, match="blocks 6, 5, 4 and 3"):
            psi_of("cnn14", [(8, 4, 10)] * 4, 7)
        with pytest.raises(InputError, match="one map of 32 rows"):
            psi_of("conv2d", [(8, 4, 10)], 7)
        with pytest.raises(UnknownNameError, match="compact"):
            psi_of("vgg", [(8, 4, 10)], 7)
        assert set(PSIS) == {"compact", "authors", "cnn14", "conv2d"} and CompactPsi.__doc__

    def test_missing_frames_are_zeros(self) -> None:
        h = torch.ones(1, 2, 3)
        assert to_frames(h, 5)[0, 0].tolist() == [1, 1, 1, 0, 0] and to_frames(h, 2).shape == (1, 2, 2)


class TestLosses:
    """What is minimised."""

    def test_the_authors_losses(self, parity) -> None:
        given = parity("l2i")
        pred, target = (torch.from_numpy(given[f"loss/{one}"]) for one in ("pred", "targ"))
        assert float(soft_cross_entropy(pred, target).mean()) == pytest.approx(
            float(given["loss/loss_cce"]), rel=1e-5
        )

    @pytest.mark.parametrize("temperature", [1.0, 0.01])
    def test_the_recipes_losses(self, parity, temperature) -> None:
        given = parity("posthoc")
        logits, copied = (torch.from_numpy(given[f"l2i/{one}"]) for one in ("logits", "theta_out"))
        found = soft_cross_entropy(copied.log(), logits, temperature, "mean").mean()
        expected = float(given[f"l2i/loss_fid_temp{temperature}"])
        assert float(found) == pytest.approx(expected, rel=1e-4)
        if temperature == 1.0:
            h, w = torch.from_numpy(given["l2i/H"]), torch.from_numpy(given["l2i/W"])
            features = torch.from_numpy(given["l2i/log1p_mag_BTF"]).mT
            error = reconstruction_error(features, w, h).mean()
            assert float(error) == pytest.approx(float(given["l2i/loss_nmf_mse"]), rel=1e-4)
            total = 10 * error + 0.8 * h.abs().mean() + found
            assert float(total) == pytest.approx(float(given["l2i/loss_total_a10_b0.8_t1"]), rel=1e-4)

    def test_by_hand(self) -> None:
        copied, output = torch.tensor([[0.0, 0.0]]), torch.tensor([[100.0, -100.0]])
        assert float(soft_cross_entropy(copied, output)) == pytest.approx(np.log(2))
        assert float(soft_cross_entropy(copied, output, over_classes="mean")) == pytest.approx(np.log(2) / 2)
        assert float(soft_binary_cross_entropy(copied, output)) == pytest.approx(np.log(2))
        assert bool(soft_cross_entropy(torch.tensor([[1e4, 0.0]]), -output).isfinite().all())


class TestRelevance:
    """Which components speak for a class."""

    def test_the_recipes_relevance_and_selection(self, parity) -> None:
        given = parity("posthoc")
        z, weights = (torch.from_numpy(given[f"l2i/{one}"]) for one in ("z", "theta_w"))
        goal = torch.from_numpy(given["l2i/logits"]).argmax(1)
        found = normalised(contributions(z, weights, goal), "absmax")
        assert found.numpy() == pytest.approx(given["l2i/relevance"], abs=1e-5)
        assert np.array_equal(kept(found, 0.2).numpy(), given["l2i/selected"].astype(bool))

    @pytest.mark.parametrize("pooling", ["max", "att"])
    def test_the_authors_relevance_of_every_class(self, parity, pooling) -> None:
        given = parity("l2i")
        z = torch.from_numpy(given[f"ff/pool_{pooling}"]).expand(5, -1)
        weights = torch.from_numpy(given["ff/h/fc1.weight"])
        found = normalised(contributions(z, weights, torch.arange(5)), "max")
        assert found.numpy() == pytest.approx(
            given[f"ff/relevance_{pooling}_all_classes"], rel=1e-4, abs=1e-5
        )

    def test_the_authors_global_relevance(self, parity) -> None:
        given = parity("l2i")
        embedded, weights = (torch.from_numpy(given[f"{one}"]) for one in ("ml/embed", "ml/h8/fc1.weight"))
        pooled = embedded.amax(2)
        contribution = pooled[:, None] * weights[None]
        relevance = normalised(contribution.flatten(0, 1), "max").reshape(contribution.shape)
        named = torch.from_numpy(given["ml/h_logits"]).sigmoid() > 0.1
        found = global_relevance(relevance, named)
        assert found.numpy() == pytest.approx(given["ml/class_comp_relevance"], rel=1e-3, abs=1e-4)

    def test_normalisers_by_hand(self) -> None:
        q = torch.tensor([[2.0, 1.0, -4.0], [-0.5, -0.4, -1.0], [0.0, 0.0, 0.0]])
        assert normalised(q).tolist() == [[1.0, 0.5, -2.0], [0.0] * 3, [0.0] * 3]
        assert normalised(q, "absmax").tolist() == [
            [0.5, 0.25, -1.0],
            [-0.5, pytest.approx(-0.4), -1.0],
            [0.0] * 3,
        ]
        flipped = normalised(q[1:2], "max")[0].tolist()
        assert flipped == pytest.approx([1.25, 1.0, 2.5])
        assert bool(normalised(q[2:], "max").isnan().all()) and not bool(
            kept(normalised(q[2:], "max"), 0.2).any()
        )
        with pytest.raises(UnknownNameError, match="positive, absmax, max"):
            normalised(q, "sum")

    def test_selection_by_hand(self) -> None:
        r = torch.tensor([[1.0, 0.2, 0.5, 0.5], [0.1, 0.15, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
        assert kept(r, 0.2).tolist() == [[True, False, True, True], [False] * 4, [False] * 4]
        assert kept(r, 0.2, top=2).tolist()[0] == [True, False, True, False]
        assert kept(r, 0.2, empty="largest").tolist()[1:] == [[False, True, False, False], [False] * 4]
        with pytest.raises(UnknownNameError, match="nothing, largest"):
            kept(r, 0.2, empty="all")
        with pytest.raises(InputError, match="top is 1 or more"):
            kept(r, 0.2, top=0)

    def test_contributions_to_any_number_add_up_to_it(self) -> None:
        generator = torch.Generator().manual_seed(1)
        z, weights = torch.rand(3, 6, generator=generator), torch.randn(4, 6, generator=generator)
        difference = contributions(z, weights, lambda output: output[:, 1] - output[:, 2])
        by_class = [contributions(z, weights, torch.full((3,), c)) for c in (1, 2)]
        assert torch.allclose(difference, by_class[0] - by_class[1], atol=1e-6)
        assert torch.allclose(by_class[0].sum(1), (z @ weights.T)[:, 1], atol=1e-6)

    def test_global_relevance_by_hand(self) -> None:
        relevance = torch.tensor([[[1.0, 0.0], [9.0, 9.0]], [[0.0, 1.0], [2.0, 4.0]]])
        found = global_relevance(relevance, torch.tensor([[True, False], [True, True]]))
        assert found.tolist() == [[0.5, 0.5], [2.0, 4.0]]
        nobody = global_relevance(relevance, torch.zeros(2, 2, dtype=torch.bool))
        assert bool(nobody.isnan().all())
