"""and-2024's layers on each kind of network it knows, and its published names."""

from __future__ import annotations

import pytest
import torch

from otoscope.errors import ModelError, UnknownNameError
from otoscope.models import cnn, open_model, transformer, unwrap
from otoscope.models.beats.build import build as build_beats
from otoscope.models.layer_presets import AND_2024, _blocks, layer_preset, module_path

SMALL = {"dim": 16, "hidden": 24, "depth": 2, "heads": 2, "patch_dim": 8, "conv_pos": 4, "conv_groups": 2}


def test_ast_has_its_three_linears_and_the_classifier(checkpoint, layer_outputs):
    model = open_model(f"hf:{checkpoint('ast')}")
    preset = layer_preset("and-2024", model)
    assert preset.pooling == "cls"
    parts = ("attention_output", "intermediate", "output")
    assert list(preset.aliases) == [f"layer{i}_{part}" for i in range(2) for part in parts] + ["fc"]
    modules = dict(unwrap(model.net).named_modules())
    logits, seen = layer_outputs(model, torch.randn(2, 1, 15920) * 0.1)
    widths = [seen[layer].shape[2] for layer in preset.layers[:-1]]
    assert widths == [16, 24, 16, 16, 24, 16] and preset.layers[-1] == "logits"
    for layer in preset.layers[:-1]:
        assert isinstance(modules[layer], torch.nn.Linear)  # raw output: before activation and residual sum
        geometry = model.geometry(layer, tuple(seen[layer].shape), 15920)
        assert geometry.prefix(seen[layer]).shape[2] == 2  # CLS first, then distillation
    assert torch.equal(seen["classifier.dense"], logits)
    assert preset.published(preset.layers[1]) == "layer0_intermediate"
    assert preset.published("elsewhere") == "elsewhere"


def test_the_published_count_of_neurons_of_a_base_ast():
    names = [f"a.layers.{i}.{part}" for i in range(12) for part in ("attention.o_proj", "mlp.fc1", "mlp.fc2")]
    width = {"layer{}_attention_output": 768, "layer{}_intermediate": 3072, "layer{}_output": 768}
    found = _blocks(AND_2024["ast"], names)
    assert sum(width["layer{}_" + name.partition("_")[2]] for name in found) + 50 == 55_346


def test_ast_of_older_versions():
    parts = ("attention.output.dense", "intermediate.dense", "output.dense")
    names = [f"x.encoder.layer.{i}.{part}" for i in range(11) for part in parts]
    found = _blocks(AND_2024["ast before 5.9"], names)
    assert found["layer10_output"] == "x.encoder.layer.10.output.dense"
    assert found["layer10_attention_output"] == "x.encoder.layer.10.attention.output.dense"
    assert list(found.values()) == names  # also with ten blocks and more, in the order of their numbers
    assert _blocks(AND_2024["ast"], names) == {}


def test_beats_and_transformer():
    beats = layer_preset("and-2024", build_beats(("a", "b"), **SMALL))
    assert beats.pooling == "first"
    assert beats.aliases == {
        "layer0_1": "encoder.layers.0.fc1",
        "layer0_2": "encoder.layers.0.fc2",
        "layer1_1": "encoder.layers.1.fc1",
        "layer1_2": "encoder.layers.1.fc2",
        "fc": "predictor",
    }
    assert "fc" not in layer_preset("and-2024", build_beats((), **SMALL)).aliases
    ours = layer_preset("and-2024", transformer.build(("a",), dim=16, hidden=24, depth=1, heads=2))
    assert ours.pooling == "first" and len(ours.layers) == 4


def test_the_first_token_of_the_predictor_is_what_the_release_recorded(layer_outputs):
    model = build_beats(("a", "b"), **SMALL).eval()
    logits, seen = layer_outputs(model, torch.randn(1, 1, 16000) * 0.1)
    geometry = model.geometry("predictor", tuple(seen["predictor"].shape), 16000)
    assert torch.equal(geometry.grid(seen["predictor"])[:, :, 0, 0], seen["predictor"][:, 0])
    torch.testing.assert_close(seen["predictor"].mean(1), logits)


def test_names_back_to_layers():
    assert module_path("layer11_attention_output") == ("ast", "layers.11.attention.o_proj")
    assert module_path("layer0_1") == ("beats", "encoder.layers.0.fc1")
    assert module_path("fc") is None and module_path("layerx_1") is None


def test_other_networks_and_protocols_are_refused(checkpoint):
    with pytest.raises(ModelError, match="knows the layers of AST, BEATs and transformer"):
        layer_preset("and-2024", cnn.build(("a",), width=2, n_mels=16))
    with pytest.raises(ModelError, match="none of them"):
        layer_preset("and-2024", open_model(f"hf:{checkpoint('wav2vec2')}"))
    with pytest.raises(UnknownNameError, match="layer preset"):
        layer_preset("and-2025", build_beats((), **SMALL))
