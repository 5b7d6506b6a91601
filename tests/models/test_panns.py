"""CNN14, CNN10, CNN6: the reference numbers, geometry, folders, what goes wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.errors import InputError, ModelError, UnknownNameError
from otoscope.models import cnn, folder, open_model, panns
from otoscope.models.weights import hash_weights

WIDTHS = {"cnn14": (4, 6, 8, 10, 12, 16), "cnn10": (4, 6, 8, 10), "cnn6": (4, 6, 8, 10)}


@pytest.fixture
def vectors(parity):
    return parity("networks")


@pytest.fixture
def waveform(vectors):
    return torch.from_numpy(vectors["panns/wav_32k"])[:, None]


def test_the_log_mel_of_the_reference(vectors, waveform):
    front_end = panns.PannsFrontEnd(panns.mel_settings(32000), 64)
    assert np.abs(front_end(waveform).numpy() - vectors["panns/logmel"]).max() < 5e-4
    assert np.abs(front_end.mel.weights.T.numpy() - vectors["panns/melW_513x64"]).max() < 1e-7
    again = front_end.from_magnitude(front_end.magnitude(waveform))
    torch.testing.assert_close(again, front_end(waveform), atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", WIDTHS)
def test_the_small_networks(vectors, waveform, ruled, layer_outputs, deviation, kind):
    model = panns.build(kind, (), n_classes=7, width=4)
    _, kernels, last_pools = panns.KINDS[kind]
    model.net = panns.Panns(7, WIDTHS[kind], kernels, last_pools)
    model.net.load_state_dict(ruled(f"panns_{kind}_small"))
    logits, seen = layer_outputs(model.eval(), waveform)
    for block in range(1, len(WIDTHS[kind]) + 1):
        assert deviation(seen[f"conv_block{block}"], vectors[f"panns_{kind}_small/block{block}"]) < 1e-4
    assert deviation(seen["fc1_act"], vectors[f"panns_{kind}_small/embedding"]) < 1e-4
    assert deviation(logits, vectors[f"panns_{kind}_small/logits"]) < 1e-4
    assert deviation(logits.sigmoid(), vectors[f"panns_{kind}_small/clipwise_output"]) < 1e-4


def test_the_full_cnn14(vectors, waveform, ruled, layer_outputs, deviation):
    model = panns.build_cnn14((), n_classes=527).eval()
    model.net.load_state_dict(ruled("panns_cnn14_full"))
    logits, seen = layer_outputs(model, waveform)
    for block in range(1, 7):
        found, name = seen[f"conv_block{block}"], f"panns_cnn14_full/block{block}"
        assert deviation(found[:, :4], vectors[f"{name}_first4ch"]) < 1e-4
        assert deviation(found.mean((2, 3)), vectors[f"{name}_mean_over_space"]) < 1e-4
        assert deviation(found.amax((2, 3)), vectors[f"{name}_max_over_space"]) < 1e-4
    assert deviation(logits, vectors["panns_cnn14_full/logits"]) < 1e-4
    assert deviation(model.net.embedding(model.features(waveform)).detach(), seen["fc1_act"].numpy()) < 1e-6


@pytest.mark.parametrize("kind", ["cnn14_full", "cnn10_full", "cnn6_full"])
def test_keys_are_those_of_published_checkpoints(vectors, kind):
    own = panns.build(kind.partition("_")[0], (), n_classes=527).net.state_dict()
    stated = [row.split("|")[:2] for row in vectors[f"keys/panns_{kind}"].tolist()]
    fixed = ("spectrogram_extractor", "logmel_extractor")
    wanted = {key: shape for key, shape in stated if not key.startswith(fixed)}
    assert {key: "x".join(map(str, one.shape)) or "scalar" for key, one in own.items()} == wanted


@pytest.mark.parametrize("kind", WIDTHS)
def test_maps_fit_their_geometry_and_a_click_is_found(layer_outputs, kind):
    model = panns.build(kind, ("a", "b"), width=2, sample_rate=16000, seed=3).eval()
    silence = torch.zeros(1, 1, 32000)
    click = silence.clone()
    click[..., 17600] = 1.0
    quiet, heard = layer_outputs(model, silence)[1], layer_outputs(model, click)[1]
    for name in model.declared_layers:
        change = heard[name] - quiet[name]
        geometry = model.geometry(name, tuple(change.shape), 32000)
        strength = geometry.grid(change)[0].abs().sum((0, 1)).numpy()
        centre_s = float((strength * geometry.times_s()).sum() / strength.sum())
        assert abs(centre_s - 1.1) <= geometry.stride_s / 2 + 0.03, name
        assert list(geometry.frequency_hz) == sorted(geometry.frequency_hz)
    for name, output in heard.items():
        geometry = model.geometry(name, tuple(output.shape), 32000)
        if geometry is not None:
            assert geometry.n_neurons(tuple(output.shape)) == output.shape[1]


def test_geometry_by_hand():
    model = panns.build_cnn14(("a",), width=1)
    fifth = model.geometry("conv_block5", (1, 16, 3, 2), 32000)
    # 32 frames of 10 ms joined; frames 0..31 are centred on 0..310 ms
    assert (fifth.stride_s, fifth.offset_s) == (pytest.approx(0.32), pytest.approx(0.155))
    assert model.geometry("conv_block6", (1, 32, 3, 2), 32000).stride_s == pytest.approx(0.32)
    assert model.geometry("conv_block6.conv1", (1, 32, 3, 2), 32000).stride_s == pytest.approx(0.32)


def test_short_sounds_and_silence_have_finite_logits_and_gradients():
    model = panns.build_cnn14(("a", "b"), width=1).eval()
    waveform = torch.zeros(2, 1, 50, requires_grad=True)
    model(waveform).sum().backward()
    assert torch.isfinite(waveform.grad).all()


def test_a_folder_comes_back_with_its_own_mel_matrix(tmp_path):
    model = panns.build_cnn6(("a", "b"), width=2, sample_rate=8000, clip_s=2.0).eval()
    model.front_end.mel.weights.mul_(1.25)
    folder.save(model, tmp_path / "m")
    again = open_model(f"panns:{tmp_path / 'm'}")
    assert hash_weights(again) == hash_weights(model)
    assert torch.equal(again.front_end.mel.weights, model.front_end.mel.weights)
    assert (again.sample_rate, again.clip_length.length_s) == (8000, 2.0)
    assert open_model(f"panns:{tmp_path / 'm'}?length_s=4").clip_length.length_s == 4.0


def test_what_goes_wrong(tmp_path):
    with pytest.raises(UnknownNameError, match=r"sample rate of PANNs '44100'.*32000, 16000, 8000"):
        panns.build_cnn14(("a",), sample_rate=44100)
    with pytest.raises(InputError, match="needs width >= 1 and a class"):
        panns.build_cnn14(())
    folder.save(cnn.build(("a",), width=2, n_mels=16), tmp_path / "cnn")
    with pytest.raises(ModelError, match="holds a cnn, none of cnn14"):
        open_model(f"panns:{tmp_path / 'cnn'}")
