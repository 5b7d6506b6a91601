"""The small transformer: size, formula, geometry, training, its recipe."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from otoscope.data import open_data
from otoscope.errors import InputError
from otoscope.models import folder, open_model, transformer
from otoscope.models.train import TrainConfig, train
from otoscope.models.transformer import build
from otoscope.models.weights import hash_weights

TINY = {"dim": 16, "hidden": 24, "depth": 2, "heads": 2}


@pytest.fixture
def model():
    return build(("a", "b", "c"), **TINY, seed=1).eval()


def test_size_by_hand(model):
    block = 16 * 48 + 48 + 16 * 16 + 16 + 16 * 24 + 24 + 24 * 16 + 16 + 4 * 16
    by_hand = 256 * 16 + 16 + 5 * 16 + 2 * block + 2 * 16 + 16 * 3 + 3
    assert sum(one.numel() for one in model.parameters()) == by_hand


def test_one_block_in_plain_numpy(model, layer_outputs):
    tokens = torch.randn(1, 7, 16, generator=torch.Generator().manual_seed(0))
    block = model.net.blocks[0]
    weights = {name: one.detach().double().numpy() for name, one in block.named_parameters()}

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    x = tokens[0].double().numpy()
    query, key, value = np.split(linear(norm(x, "attention_norm"), "attention.qkv"), 3, axis=1)
    heads = []
    for h in (slice(0, 8), slice(8, 16)):
        scores = query[:, h] @ key[:, h].T / np.sqrt(8)
        share = np.exp(scores - scores.max(1, keepdims=True))
        heads.append(share / share.sum(1, keepdims=True) @ value[:, h])
    x = x + linear(np.concatenate(heads, 1), "attention.output")
    hidden = torch.nn.functional.gelu(torch.from_numpy(linear(norm(x, "mlp_norm"), "mlp.fc1"))).numpy()
    wanted = x + linear(hidden, "mlp.fc2")
    with torch.no_grad():
        assert np.abs(block(tokens)[0].numpy() - wanted).max() < 1e-5


def test_layers_and_geometry(model, layer_outputs):
    assert model.declared_layers == ("blocks.0.mlp.act", "blocks.0", "blocks.1.mlp.act", "blocks.1")
    logits, seen = layer_outputs(model, torch.randn(2, 1, 80000) * 0.1)
    assert logits.shape == (2, 3)
    for part in ("attention.output", "mlp.fc1", "mlp.fc2"):
        assert f"blocks.1.{part}" in seen
    torch.testing.assert_close(seen["blocks.0.mlp.act"], torch.nn.functional.gelu(seen["blocks.0.mlp.fc1"]))
    for layer, output in seen.items():
        geometry = model.geometry(layer, tuple(output.shape), 80000)
        assert geometry.grid(output).shape[0] == 2
    grid = model.geometry("blocks.1", tuple(seen["blocks.1"].shape), 80000)
    # 251 frames of 20 ms, patches of 16 every 12: the first is centred on 7.5 frames
    assert (grid.n_frequency, grid.n_time) == (5, 20)
    assert (grid.stride_s, grid.offset_s) == (pytest.approx(0.24), pytest.approx(0.15))


def test_patches_and_blocks_agree_on_where_a_tone_is(model, layer_outputs):
    time = torch.arange(80000) / 16000
    tone = 0.3 * torch.sin(2 * torch.pi * 1000.0 * time)[None, None]
    _, seen = layer_outputs(model, tone)
    patches = model.geometry("patches", tuple(seen["patches"].shape), 80000)
    tokens = model.geometry("blocks.0", tuple(seen["blocks.0"].shape), 80000)
    flat = seen["patches"].flatten(2).mT
    assert torch.equal(tokens.grid(flat), patches.grid(seen["patches"]))


def test_any_length_fits(model):
    assert model(torch.zeros(1, 1, 400)).shape == (1, 3)
    assert model(torch.randn(1, 1, 160000)).shape == (1, 3)


def test_a_folder_comes_back(model, tmp_path):
    folder.save(model, tmp_path / "m")
    assert hash_weights(open_model(str(tmp_path / "m"))) == hash_weights(model)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"dim": 10, "heads": 4}, "a dim that 2 x heads divides"),
        ({"depth": 0}, "needs positive sizes"),
        ({"patch": 80}, "a patch has 1 to n_mels = 64 bands, got 80"),
    ],
)
def test_sizes_that_cannot_be_built(options, message):
    with pytest.raises(InputError, match=message):
        build(("a",), **options)
    with pytest.raises(InputError, match="at least one class"):
        build(())


def test_it_learns_with_its_own_recipe(tmp_path):
    clips = open_data("sounds:60", kinds="pure_tone,broadband_noise,clicks", duration_s=0.5)
    plain = TrainConfig(test_folds="5", valid=0.2, epochs=25, options=TINY, time_shift_s=0.1, batch_size=12)
    train("transformer", clips, tmp_path / "m", plain)
    account = json.loads((tmp_path / "m" / "training.json").read_text())
    assert account["test"]["accuracy"] >= 0.75  # chance is 1/3
    used = account["config"]
    assert used["epochs"] == 25  # what is said stands
    recipe = transformer.RECIPE
    assert (used["learning_rate"], used["weight_decay"]) == (recipe["learning_rate"], recipe["weight_decay"])
    assert TrainConfig().learning_rate != recipe["learning_rate"]
