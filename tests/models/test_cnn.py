"""The compact network: size, geometry, two entries, and its folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from otoscope.errors import FormatError, InputError, ModelError
from otoscope.models import folder, open_model, unwrap
from otoscope.models.cnn import build
from otoscope.models.weights import hash_weights

CLASSES = tuple(f"class {index}" for index in range(10))


@pytest.fixture
def model():
    return build(CLASSES, seed=1).eval()


def outputs(model, waveform):
    """Run the model and return every layer's output."""
    seen = {}
    handles = [
        module.register_forward_hook(lambda m, i, o, name=name: seen.__setitem__(name, o))
        for name, module in unwrap(model.net).named_modules()
        if name
    ]
    with torch.no_grad():
        model(waveform)
    for handle in handles:
        handle.remove()
    return seen


def test_the_default_width_has_the_stated_size(model):
    # 32 x 9 + 64 x 32 x 9 + 128 x 64 x 9 + 256 x 128 x 9, two numbers per normalised neuron, 257 x 10
    by_hand = 288 + 18432 + 73728 + 294912 + 2 * (32 + 64 + 128 + 256) + 2570
    assert sum(parameter.numel() for parameter in model.parameters()) == by_hand == 390890


def test_every_map_fits_its_geometry(model):
    n_samples = 80000
    for name, output in outputs(model, torch.randn(2, 1, n_samples)).items():
        geometry = model.geometry(name, tuple(output.shape), n_samples)
        if output.ndim in (2, 4):
            assert geometry.n_neurons(tuple(output.shape)) == output.shape[1]
            assert geometry.grid(output).shape[:2] == output.shape[:2]
    assert model.geometry("logits", (2, 10), n_samples).axes == "BC"
    assert model.geometry("nowhere", (2, 3, 4), n_samples) is None


def test_the_geometry_of_the_third_block_by_hand(model):
    geometry = model.geometry("blocks.2", (1, 128, 8, 32), 80000)
    # three poolings join 8 frames of 20 ms: centres of frames 0..7 and 8..15 are 70 ms and 230 ms
    assert (geometry.stride_s, geometry.offset_s) == (pytest.approx(0.16), pytest.approx(0.07))
    bands = model.front_end.mel.frequency_hz
    assert len(geometry.frequency_hz) == 8
    assert bands[3] < geometry.frequency_hz[0] < bands[4]
    assert model.geometry("blocks.2.conv", (1, 128, 16, 63), 80000).stride_s == pytest.approx(0.08)


@pytest.mark.parametrize("block", range(4))
def test_a_click_and_a_tone_are_where_the_geometry_says(block):
    model = build(("a", "b"), width=4, seed=3).eval()
    name, rate = f"blocks.{block}", 16000
    silence = torch.zeros(1, 1, 5 * rate)
    click = silence.clone()
    click[..., int(2.4 * rate)] = 1.0
    time = torch.arange(5 * rate) / rate
    tone = 0.5 * torch.sin(2 * np.pi * 1500.0 * time).reshape(1, 1, -1)
    quiet = outputs(model, silence)[name]
    change = (outputs(model, click)[name] - quiet).abs()[0].sum(0)
    geometry = model.geometry(name, (1, 4 * 2**block, *change.shape), 5 * rate)
    weight = change.sum(0)
    centre_s = float((weight * torch.from_numpy(geometry.times_s())).sum() / weight.sum())
    assert abs(centre_s - 2.4) <= geometry.stride_s / 2 + 0.03
    rows = (outputs(model, tone)[name] - quiet).abs()[0].sum(0)[:, 4:-4].sum(1)
    assert geometry.frequency_hz == tuple(sorted(geometry.frequency_hz))
    found = int(rows.argmax())
    nearest = int(np.abs(np.array(geometry.frequency_hz) - 1500.0).argmin())
    assert abs(found - nearest) <= 1


def test_sound_and_its_magnitude_enter_alike(model):
    waveform = torch.randn(2, 1, 40000) * 0.1
    direct = model.front_end(waveform)
    again = model.front_end.from_magnitude(model.front_end.magnitude(waveform))
    torch.testing.assert_close(direct, again, atol=1e-4, rtol=1e-4)


def test_gradients_reach_the_waveform(model):
    waveform = (torch.randn(1, 1, 16000) * 0.1).requires_grad_()
    model(waveform)[0, 0].backward()
    assert torch.isfinite(waveform.grad).all() and waveform.grad.abs().sum() > 0
    silence = torch.zeros(1, 1, 16000, requires_grad=True)
    model(silence)[0, 0].backward()
    assert torch.isfinite(silence.grad).all()


def test_channels_are_averaged_and_one_sample_is_enough(model):
    stereo = torch.randn(1, 2, 16000)
    torch.testing.assert_close(model(stereo), model(stereo.mean(1, keepdim=True)))
    assert model(torch.zeros(1, 1, 1)).shape == (1, 10)


def test_the_seed_decides_the_weights_and_nothing_else_moves():
    before = torch.get_rng_state()
    first, second, other = build(CLASSES, seed=5), build(CLASSES, seed=5), build(CLASSES, seed=6)
    assert torch.equal(torch.get_rng_state(), before)
    assert hash_weights(first) == hash_weights(second) != hash_weights(other)


def test_options_that_make_no_network_are_refused():
    with pytest.raises(InputError, match="at least 16 mel bands"):
        build(CLASSES, n_mels=8)


def test_the_folder_gives_the_same_network_back(model, tmp_path):
    model.front_end.standardise_by(torch.linspace(-5, -1, 64), torch.linspace(1, 2, 64))
    folder.save(model, tmp_path / "cnn", training={"test": {"accuracy": 0.5}})
    again = open_model(str(tmp_path / "cnn"))
    waveform = torch.randn(2, 1, 30000)
    assert torch.equal(again(waveform), model(waveform))
    assert (again.classes, again.sample_rate, again.config) == (CLASSES, 16000, model.config)
    assert again.spec == str(tmp_path / "cnn") and not again.training
    assert hash_weights(again) == hash_weights(model)


def test_the_hash_sees_weights_constants_and_the_front_end(model):
    plain = hash_weights(model)
    assert hash_weights(build(CLASSES, seed=1, n_mels=32)) != plain
    model.front_end.mean[0] += 1
    assert hash_weights(model) != plain


def test_compiled_and_parallel_wrappers_change_neither_hash_nor_names(model):
    plain, names = hash_weights(model), [name for name, _ in model.net.named_modules()]
    model.net = torch.nn.DataParallel(model.net)
    assert hash_weights(model) == plain
    assert [name for name, _ in unwrap(model.net).named_modules()] == names
    compiled = torch.compile(unwrap(model.net), backend="eager")
    assert unwrap(compiled) is unwrap(model.net)


def test_a_folder_that_is_no_model_says_what_is_expected(tmp_path):
    with pytest.raises(InputError, match=r"no model\.json in it.*otoscope train"):
        open_model(str(tmp_path))
    with pytest.raises(InputError, match=r"nothing is not a model: there is no such folder"):
        open_model(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format_version": 2}, "format 2.*update Otoscope"),
        ({"kind": "run"}, "does not describe a model"),
        ({"weights_hash": "0" * 64}, "not the file that model.json names"),
        ({"classes": ["only one"]}, "does not fit"),
    ],
)
def test_broken_and_newer_folders_are_refused(model, tmp_path, change, message):
    folder.save(model, tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content | change))
    with pytest.raises(FormatError, match=message):
        folder.load(tmp_path)


def test_a_manifest_without_its_keys_and_weights_cut_short_are_refused(model, tmp_path):
    folder.save(model, tmp_path)
    weights = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(FormatError, match="safetensors"):
        folder.load(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    del content["classes"]
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match="lacks classes"):
        folder.load(tmp_path)


def test_a_foreign_network_is_not_saved(model, tmp_path):
    model.config = {}
    with pytest.raises(ModelError, match="not one of our architectures"):
        folder.save(model, tmp_path)
