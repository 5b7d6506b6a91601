"""Conv2D, CNN14 and the VGG-like network of the recipes: the reference numbers, geometry, what goes wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain.hearing import Reentry, phase_of
from otoscope.explain.spectrogram import Spectrogram
from otoscope.models import cnn14_speechbrain, conv2d, folder, heads, open_model, vgg
from otoscope.models.embedding import embedding
from otoscope.models.log_magnitude import LogMagnitude, levelled, speechbrain_mel, speechbrain_stft
from otoscope.models.weights import hash_weights

KINDS = {"conv2d": conv2d.build, "cnn14-speechbrain": cnn14_speechbrain.build, "vgg": vgg.build}


@pytest.fixture
def vectors(parity):
    return parity("networks")


@pytest.fixture
def posthoc(parity):
    return parity("posthoc")


def _filled(model, encoder, head):
    model.net.encoder.load_state_dict(encoder)
    model.net.head.load_state_dict(head)
    return model.eval()


def _run(model, layer_outputs, features):
    class Whole(torch.nn.Module):
        net = model.net

        def forward(self, given):
            return model.net(given)

    return layer_outputs(Whole(), features)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_frames_of_the_recipes(posthoc, rate):
    settings = speechbrain_stft(rate)
    assert [settings.hop_length, settings.win_length] == posthoc[f"stft/{rate}_hop_win"].tolist()
    assert settings.n_frames(5 * rate) == posthoc["stft/frames_5s_16k"][1] == 431


def test_the_front_ends_of_the_recipes(posthoc):
    waveform = torch.from_numpy(posthoc["stft/wav"])[:, None]
    linear, mel = LogMagnitude(speechbrain_stft(16000)), LogMagnitude(speechbrain_mel(16000))
    assert np.abs(linear(waveform)[:, 0].numpy() - posthoc["stft/log1p_mag"]).max() < 1e-5
    assert np.abs(mel(waveform)[:, 0].numpy() - posthoc["stft/log1p_mel80"]).max() < 2e-5
    for front_end in (linear, mel):
        again = front_end.from_magnitude(front_end.magnitude(waveform))
        torch.testing.assert_close(again, front_end(waveform))
    halved = linear.from_magnitude(0.5 * linear.magnitude(waveform))
    torch.testing.assert_close(halved.expm1(), 0.5 * linear(waveform).expm1(), atol=1e-5, rtol=1e-5)


def test_the_front_end_of_l2i(parity):
    found = parity("l2i")
    front_end = LogMagnitude(vgg.mel_settings(44100), "max")
    waveform = torch.from_numpy(found["load/esc_wav0"].astype(np.float32))[None, None]
    assert front_end(waveform).shape == (1, 1, 44, 128)
    assert np.abs(front_end(waveform)[0].numpy() - found["load/esc0_logmel"]).max() < 2e-3  # decibels
    linear = LogMagnitude(vgg.mel_settings(44100).stft, "max")
    assert np.abs(linear(waveform)[0, 0].T.numpy() - found["load/esc0_log1p"]).max() < 1e-4


def test_levels():
    sound = torch.tensor([[[0.5, -2.0]], [[-0.5, -1.0]], [[0.0, 0.0]]])
    assert levelled(sound, "peak").amin((1, 2)).tolist() == [-1.0, -1.0, 0.0]
    assert levelled(sound, "max").tolist() == [[[1.0, -4.0]], [[-0.5, -1.0]], [[0.0, 0.0]]]
    assert levelled(sound, "none") is sound
    with pytest.raises(UnknownNameError, match=r"level 'loud'.*none, peak, max"):
        LogMagnitude(speechbrain_stft(16000), "loud")


@pytest.mark.parametrize(("level", "by_magnitude"), [("none", True), ("max", False)])
def test_an_all_pass_mask_changes_nothing_at_any_level(level, by_magnitude):
    model = conv2d.build(("a", "b"), width=2, level=level, seed=1).eval()
    waveform = 0.05 * torch.randn(2, 1, 16000, generator=torch.Generator().manual_seed(0))
    on = Spectrogram.of(model)
    spectrum = on.spectrum(waveform[:, 0])
    entry = Reentry(model, on, "auto", 16000)
    assert entry.by_magnitude == by_magnitude
    with torch.no_grad():
        again = entry.output(spectrum.abs(), phase_of(spectrum))
        torch.testing.assert_close(again, model(waveform), atol=2e-2, rtol=0)
        published = model.net(model.front_end.from_magnitude(model.front_end.magnitude(waveform)))
        torch.testing.assert_close(published, model(waveform))


def test_the_small_conv2d(vectors, ruled, layer_outputs, deviation):
    model = conv2d.build((), n_classes=5, width=8, scale="none")
    _filled(model, ruled("sb_conv2d_encoder_small"), ruled("sb_conv2d_classifier_small"))
    features = torch.from_numpy(vectors["sb/X_stft_log1p_2x75x513"])[:, None]
    logits, seen = _run(model, layer_outputs, features)
    assert deviation(seen["encoder.resblock"], vectors["sb_conv2d_small/hidden"]) < 5e-5
    assert deviation(logits, vectors["sb_conv2d_small/cos_logits"]) < 5e-5


def test_the_full_conv2d(vectors, posthoc, ruled, layer_outputs, deviation):
    model = conv2d.build((), n_classes=50, **conv2d.PUBLISHED)
    assert sum(one.numel() for one in model.net.encoder.parameters()) == posthoc["params/conv2d_256"]
    assert sum(one.numel() for one in model.net.head.parameters()) == posthoc["params/ecapa_clf_256_50"]
    _filled(model, ruled("sb_conv2d_encoder_full"), ruled("sb_conv2d_classifier_full"))
    features = torch.from_numpy(vectors["sb/X_stft_log1p_2x75x513"])[:, None]
    logits, seen = _run(model, layer_outputs, features)
    hidden = seen["encoder.resblock"]
    assert deviation(hidden.mean((2, 3)), vectors["sb_conv2d_full/hidden_mean"]) < 5e-5
    assert deviation(hidden.amax((2, 3)), vectors["sb_conv2d_full/hidden_max"]) < 5e-5
    assert deviation(hidden[:, :4], vectors["sb_conv2d_full/hidden_first4ch"]) < 5e-5
    assert deviation(logits, vectors["sb_conv2d_full/cos_logits"]) < 5e-5


@pytest.mark.parametrize("norm", ["bn", "ln"])
def test_the_small_cnn14(vectors, ruled, layer_outputs, deviation, norm):
    model = cnn14_speechbrain.build((), n_classes=5, width=2, norm=norm)
    name = "sb_cnn14_small" if norm == "bn" else "sb_cnn14_small_ln"
    _filled(model, ruled(name), ruled("sb_linear_classifier_small"))
    features = torch.from_numpy(vectors["sb/X_mel_log1p_2x75x80"])[:, None]
    logits, seen = _run(model, layer_outputs, features)
    with torch.no_grad():
        found = model.net.embedding(features)
    assert deviation(found[:, None], vectors[f"{name}/embedding"]) < 5e-5
    if norm == "bn":
        assert deviation(logits[:, None], vectors[f"{name}/logits"]) < 5e-5
        for at, block in enumerate((6, 5, 4, 3), 1):
            wanted = vectors[f"{name}/x{at}_block{block}"]
            assert deviation(seen[f"encoder.conv_block{block}"], wanted) < 5e-5


def test_the_full_cnn14(vectors, ruled, layer_outputs, deviation):
    model = cnn14_speechbrain.build((), n_classes=50, **cnn14_speechbrain.PUBLISHED)
    _filled(model, ruled("sb_cnn14_full"), ruled("sb_linear_classifier_full"))
    features = torch.from_numpy(vectors["sb/X_mel_log1p_2x75x80"])[:1, None]
    logits, seen = _run(model, layer_outputs, features)
    assert deviation(logits[:, None], vectors["sb_cnn14_full/logits"][:, None]) < 5e-5
    assert deviation(seen["encoder.conv_block6"].mean((2, 3)), vectors["sb_cnn14_full/x1_block6_mean"]) < 5e-5


def test_the_vgg_of_l2i(parity):
    model = vgg.build((), n_classes=50, **vgg.PUBLISHED).eval()
    theirs = [(key, one.shape) for key, one in model.net.state_dict().items() if one.is_floating_point()]
    at = 1 + max(place for place, (key, _) in enumerate(theirs) if key.startswith("netx"))
    theirs[at:at] = [("netx.layer19.0.weight", (527, 1024, 1, 1)), ("netx.layer19.0.bias", (527,))]
    state = {key: _waves(key, tuple(shape), j) for j, (key, shape) in enumerate(theirs)}
    own = {key: torch.from_numpy(one) for key, one in state.items() if "layer19" not in key}
    model.net.load_state_dict({**model.net.state_dict(), **own})
    assert sum(one.size for key, one in state.items() if "running" not in key) == 5_277_297
    i = np.arange(431 * 128, dtype=np.float64)
    features = torch.from_numpy((20 * np.sin(0.011 * i) - 20).astype(np.float32)).reshape(1, 1, 431, 128)
    with torch.no_grad():
        logits = model.net(features)
    np.testing.assert_allclose(logits, parity("l2i")["net/f_logits_det"], atol=1e-5)


def _waves(key: str, shape: tuple[int, ...], j: int) -> np.ndarray:
    s = np.sin(0.37 * np.arange(np.prod(shape)) + 1.3 * j).reshape(shape)
    if key.endswith("running_mean"):
        return (0.05 * s).astype(np.float32)
    if key.endswith("running_var"):
        return (1 + 0.2 * s**2).astype(np.float32)
    if len(shape) < 2:
        return (0.1 * s if key.endswith("bias") else 1 + 0.1 * s).astype(np.float32)
    return (s / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def test_hidden_maps_of_l2i_have_their_published_shapes(layer_outputs):
    model = vgg.build(("a",), **vgg.PUBLISHED).eval()
    for seconds, shapes in {
        5: [(53, 16), (26, 8), (13, 4), (5, 1)],
        10: [(107, 16), (53, 8), (26, 4), (12, 1)],
    }.items():
        _, seen = layer_outputs(model, torch.zeros(1, 1, 44100 * seconds))
        assert [tuple(seen[layer].shape[2:]) for layer in model.declared_layers] == shapes
        assert [seen[layer].shape[1] for layer in model.declared_layers] == [128, 256, 512, 1024]


def test_the_cosine_head(posthoc):
    state = {
        key.removeprefix("cosclf/sd."): torch.from_numpy(np.asarray(posthoc[key]))
        for key in posthoc
        if key.startswith("cosclf/sd.")
    }
    head = heads.CosineHead(8, 5, "none", hidden=6)
    head.load_state_dict(state)
    found = head.eval()(torch.from_numpy(posthoc["cosclf/x"]))
    np.testing.assert_allclose(found.detach(), posthoc["cosclf/out"][:, 0], atol=1e-6)
    assert heads.highest_probability(50) == pytest.approx(
        float(posthoc["cosclf/max_prob_50_classes"][0]), rel=1e-4
    )
    learnt = heads.CosineHead(8, 5, hidden=6)
    learnt.load_state_dict({**state, "log_scale": torch.tensor(2.0)})
    torch.testing.assert_close(learnt.eval()(torch.from_numpy(posthoc["cosclf/x"])), found * np.exp(2.0))
    learnt(torch.from_numpy(posthoc["cosclf/x"])).sum().backward()
    assert learnt.log_scale.grad != 0


@pytest.mark.parametrize("kind", KINDS)
def test_maps_fit_their_geometry_and_sounds_are_where_they_say(layer_outputs, kind):
    model = KINDS[kind](("a", "b"), width=4, seed=3).eval()
    n, at_s = 64000, 2.1
    silence, click = torch.zeros(1, 1, n), torch.zeros(1, 1, n)
    click[..., round(16000 * at_s)] = 1.0
    quiet, heard = layer_outputs(model, silence)[1], layer_outputs(model, click)[1]
    for name in model.declared_layers:
        change = heard[name] - quiet[name]
        geometry = model.geometry(name, tuple(change.shape), n)
        strength = geometry.grid(change)[0].abs().sum((0, 1)).numpy()
        if geometry.n_time > 3:
            centre_s = float((strength * geometry.times_s()).sum() / strength.sum())
            assert abs(centre_s - at_s) <= geometry.stride_s / 2 + 0.1, name
        assert list(geometry.frequency_hz) == sorted(geometry.frequency_hz)
        assert geometry.frequency_hz[-1] < 8000
    for name, output in heard.items():
        geometry = model.geometry(name, tuple(output.shape), n)
        if geometry is not None:
            assert geometry.n_neurons(tuple(output.shape)) == output.shape[1]


def test_geometry_by_hand():
    model = conv2d.build(("a",), width=1)
    hidden = model.geometry("encoder.resblock", (1, 1, 26, 32), 80000)
    # 16 frames of 186 samples joined; frames 0..15 are centred on 0..15 hops
    assert (hidden.stride_s, hidden.offset_s) == (
        pytest.approx(16 * 186 / 16000),
        pytest.approx(7.5 * 186 / 16000),
    )
    assert hidden.frequency_hz[1] == pytest.approx(23.5 * 15.625)
    last = vgg.build(("a",), width=1, sample_rate=44100).geometry("netx.layer18", (1, 64, 5, 1), 220500)
    # frames 0..127 joined by six poolings and a kernel of two
    assert (last.stride_s, last.offset_s) == (
        pytest.approx(64 * 512 / 44100),
        pytest.approx(63.5 * 512 / 44100),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_comes_back_and_short_sounds_have_finite_gradients(tmp_path, kind):
    model = KINDS[kind](("a", "b"), width=2, clip_s=2.0).eval()
    folder.save(model, tmp_path / "m")
    again = open_model(str(tmp_path / "m"))
    assert hash_weights(again) == hash_weights(model)
    waveform = torch.zeros(2, 1, 50, requires_grad=True)
    again(waveform).sum().backward()
    assert torch.isfinite(waveform.grad).all()
    sound = 0.1 * torch.randn(2, 1, 32000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        head = again.net.get_submodule(again.net.head_name)
        torch.testing.assert_close(head(embedding(again, sound)), again(sound))


def test_what_goes_wrong():
    for kind, build in KINDS.items():
        with pytest.raises(InputError, match=f"a {kind} needs width >= 1 and a class"):
            build(())
    with pytest.raises(UnknownNameError, match=r"head 'cosin'.*linear, cosine"):
        conv2d.build(("a",), head="cosin")
    with pytest.raises(UnknownNameError, match=r"scale of a cosine head 'big'"):
        conv2d.build(("a",), scale="big")
    with pytest.raises(UnknownNameError, match=r"norm 'in'.*bn, ln"):
        cnn14_speechbrain.build(("a",), norm="in")
