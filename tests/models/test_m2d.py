"""M2D's network: re-derived in numpy, units, positions in seconds and hertz, released files, training's twin."""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import erf

from otoscope.audio import mel_scale
from otoscope.errors import FormatError, InputError, ModelError, UnknownNameError
from otoscope.models import folder, import_weights, m2d, open_model
from otoscope.models.embedding import embedding
from otoscope.models.layer_presets import layer_preset
from otoscope.models.weights import hash_weights
from otoscope.record.hooks import intervening
from otoscope.record.layers import modules_of, resolve

TINY = {"dim": 16, "hidden": 24, "depth": 2, "heads": 2}


@pytest.fixture
def model():
    made = m2d.build((), **TINY).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in made.net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made


def _noise(seconds: float, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(1, 1, round(16000 * seconds), generator=torch.Generator().manual_seed(seed))


def _norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * weight + bias


def _slowly(features: np.ndarray, state: dict[str, np.ndarray], heads: int) -> np.ndarray:
    """Return the normalised tokens of one unit, one after the other, in plain numpy."""
    w = SimpleNamespace(**{"p": state["patch_embed.proj.weight"], "b": state["patch_embed.proj.bias"]})
    tokens = [state["cls_token"][0, 0] + state["pos_embed"][0, 0]]
    for row in range(features.shape[0] // 16):
        for column in range(features.shape[1] // 16):
            patch = features[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            place = state["pos_embed"][0, 1 + 38 * row + column]
            tokens.append((w.p[:, 0] * patch).sum((1, 2)) + w.b + place)
    x = np.stack(tokens)
    for block in range(2):
        at = {key.removeprefix(f"blocks.{block}."): one for key, one in state.items()}
        normed = _norm(x, at["norm1.weight"], at["norm1.bias"])
        q, k, v = np.split(normed @ at["attn.qkv.weight"].T + at["attn.qkv.bias"], 3, -1)
        heard = np.zeros_like(x)
        for head in np.split(np.arange(x.shape[1]), heads):
            scores = q[:, head] @ k[:, head].T / np.sqrt(len(head))
            shares = np.exp(scores - scores.max(1, keepdims=True))
            heard[:, head] = shares / shares.sum(1, keepdims=True) @ v[:, head]
        x = x + heard @ at["attn.proj.weight"].T + at["attn.proj.bias"]
        normed = _norm(x, at["norm2.weight"], at["norm2.bias"])
        hidden = normed @ at["mlp.fc1.weight"].T + at["mlp.fc1.bias"]
        hidden = hidden * 0.5 * (1 + erf(hidden / np.sqrt(2)))
        x = x + hidden @ at["mlp.fc2.weight"].T + at["mlp.fc2.bias"]
    return _norm(x, state["norm.weight"], state["norm.bias"])


def test_tokens_and_embedding_are_those_of_the_equations(model):
    features = model.features(_noise(1.0))
    filled = np.zeros((80, 112))
    filled[:, :101] = features[0, 0].double().numpy()
    state = {key: one.double().numpy() for key, one in model.net.state_dict().items()}
    wanted = _slowly(filled, state, heads=2)
    with torch.no_grad():
        found = model.net.tokens(features)[0].numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-4)
    # 'b (f t) d -> b t (f d)', then the mean over time
    stacked = np.stack([np.concatenate([wanted[1 + 7 * row + t] for row in range(5)]) for t in range(7)])
    np.testing.assert_allclose(embedding(model, _noise(1.0))[0].detach(), stacked.mean(0), atol=2e-4)


def test_the_log_mel_is_that_of_librosa(model):
    librosa = pytest.importorskip("librosa")
    sound = _noise(0.5)[0, 0].numpy()
    power = librosa.feature.melspectrogram(
        y=sound, sr=16000, n_fft=400, hop_length=160, n_mels=80, fmin=50, fmax=8000, pad_mode="reflect"
    )
    wanted = (np.log(power + np.finfo(np.float32).eps) + 7.1) / 4.2
    np.testing.assert_allclose(model.front_end(torch.from_numpy(sound)[None, None])[0, 0], wanted, atol=2e-3)


def test_a_magnitude_goes_back_in(model):
    waveform = _noise(0.5)
    again = model.front_end.from_magnitude(model.front_end.magnitude(waveform))
    torch.testing.assert_close(again, model.features(waveform), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("seconds", "steps", "units"), [(5.0, 32, 1), (10.0, 63, 2), (30.0, 188, 5), (0.005, 1, 1)]
)
def test_long_clips_are_heard_in_units(model, seconds, steps, units):
    features = model.features(_noise(seconds))
    with torch.no_grad():
        frames = model.net.frames(features)
        apart = [model.net.frames(features[..., at : at + 608]) for at in range(0, features.shape[3], 608)]
    assert frames.shape == (1, steps, 80) and len(apart) == units
    torch.testing.assert_close(frames, torch.cat(apart, 1), atol=1e-5, rtol=0)


def test_positions_are_sines_of_column_and_row():
    table = m2d.VisionTransformer(0, m2d.Size(dim=8)).pos_embed[0]
    assert table.shape == (191, 8) and not table[0].any()
    row, column = 2, 31
    wanted = [np.sin(column), np.sin(column / 100), np.cos(column), np.cos(column / 100)]
    wanted += [np.sin(row), np.sin(row / 100), np.cos(row), np.cos(row / 100)]
    np.testing.assert_allclose(table[1 + 38 * row + column], wanted, atol=1e-6)


@pytest.mark.parametrize("seconds", [4.0, 8.0])
def test_a_click_and_a_tone_are_where_the_geometry_says(model, seconds):
    n = round(16000 * seconds)
    silence, click = torch.zeros(1, 1, n), torch.zeros(1, 1, n)
    click[..., 56000:56040] = 1.0
    tone = 0.3 * torch.sin(torch.arange(n) * 2 * torch.pi * 3000 / 16000)[None, None]
    seen: dict[str, list[torch.Tensor]] = {}
    layers = resolve(model, ("patch_embed", "blocks.0.mlp.act"))
    for waveform in (silence, click, tone):
        with (
            intervening(
                modules_of(model),
                {one: lambda x, one=one: seen.setdefault(one.name, []).append(x) or x for one in layers},
            ),
            torch.no_grad(),
        ):
            model(waveform)
    before, clicked, sounding = seen["patch_embed"]
    geometry = model.geometry("patch_embed", tuple(before.shape), n)
    change = geometry.grid(clicked - before)[0].abs().sum((0, 1)).numpy()
    assert abs((change * geometry.times_s()).sum() / change.sum() - 3.5) < 0.09
    loudest = geometry.grid(sounding - before)[0].abs().sum((0, 2)).argmax()
    tips = m2d.MelSpectrogram(m2d.mel_settings()).frequency_hz
    assert tips[16 * loudest] < 3000 < tips[16 * loudest + 15]
    hidden = model.geometry("blocks.0.mlp.act", tuple(seen["blocks.0.mlp.act"][0].shape), n)
    assert (hidden.n_prefix, hidden.n_frequency, hidden.order) == (-(-seconds // 6.08), 5, "frequency-major")
    assert hidden.n_time == geometry.n_time and hidden.stride_s == pytest.approx(0.16)
    assert hidden.offset_s == pytest.approx(0.075)
    assert hidden.frequency_hz == pytest.approx(
        [
            float(mel_scale.mel_to_hz(mel_scale.hz_to_mel(torch.tensor(tips[i : i + 16])).mean()))
            for i in range(0, 80, 16)
        ],
        rel=1e-4,
    )


def test_the_published_size_and_grid():
    with torch.device("meta"):
        net = m2d.VisionTransformer(0, m2d.Size(**m2d.PUBLISHED))
    assert net.pos_embed.shape == (1, 191, 768) and len(net.blocks) == 12
    assert sum(one.numel() for one in net.parameters()) == 85_400_832
    hidden = m2d.geometry(m2d.mel_settings(), m2d.Size(), "blocks.3.mlp.act", (1, 191, 3072), 97280 - 160)
    assert (hidden.n_prefix, hidden.n_frequency, hidden.n_time) == (1, 5, 38)


@pytest.mark.parametrize("pooling", ["frames", "tokens", "cls"])
def test_poolings_of_a_trained_twin(pooling):
    twin = m2d.build(("dog", "rain"), **TINY, pooling=pooling).eval()
    waveform = _noise(8.0)
    with torch.no_grad():
        tokens = twin.net.tokens(twin.features(waveform))[0]
        found = embedding(twin, waveform)[0]
        logits = twin(waveform)[0]
        torch.testing.assert_close(twin.net.head(found), logits)
    grid = tokens[2:].reshape(5, -1, 16)
    wanted = {"frames": grid.mean(1).flatten(), "tokens": tokens[2:].mean(0), "cls": tokens[:2].mean(0)}
    torch.testing.assert_close(found, wanted[pooling])


def test_standardisation_is_one_mean_and_std_of_all_bands():
    front_end = m2d.M2dFrontEnd(m2d.mel_settings())
    waveform = _noise(2.0)
    features = front_end(waveform)[0, 0]
    front_end.standardise_by(features.mean(1), features.std(1, correction=0))
    again = front_end(waveform)
    assert abs(float(again.mean())) < 1e-4 and abs(float(again.std(correction=0)) - 1) < 1e-4


def _released(folder_, *, name="m2d_vit_base-80x608p16x16-221006-mr7", **more):
    path = folder_ / name / "checkpoint-300.pth"
    path.parent.mkdir(parents=True)
    torch.save(more, path)
    return path


def test_a_full_checkpoint_becomes_a_folder(model, tmp_path):
    made = m2d.build((), dim=64, hidden=80, depth=1, heads=1)
    kept = {
        **made.net.state_dict(),
        "norm_stats": torch.tensor([-6.5, 3.9]),
        "mask_token": torch.zeros(1, 1, 64),
    }
    kept["decoder_blocks.0.mlp.fc1.weight"] = torch.zeros(3, 3)
    args = argparse.Namespace(batch_size=2048, output_dir="runs")
    path = _released(tmp_path, model=kept, args=args, epoch=300)
    found = import_weights(path, tmp_path / "ours")
    assert found.kind == "m2d" and found.details["left_out"] == ["decoder_blocks", "mask_token"]
    assert found.details["norm_stats"] == pytest.approx([-6.5, 3.9])
    for spec in (f"m2d:{tmp_path / 'ours'}", f"m2d:{path}", f"m2d:{path.parent}"):
        opened = open_model(spec)
        assert not opened.has_logits and opened.config["options"]["unit_frames"] == 608
        assert float(opened.front_end.std) == pytest.approx(3.9)
    made.front_end.mean.fill_(-6.5)
    made.front_end.std.fill_(3.9)
    assert hash_weights(opened) == hash_weights(made)
    assert open_model(f"m2d:{tmp_path / 'ours'}?length_s=4").clip_length.length_s == 4.0


def test_encoders_alone_and_inside_a_fine_tuned_network(tmp_path):
    made = m2d.build((), dim=64, hidden=80, depth=1, heads=1, unit_frames=208, patch_time=4)
    state = made.net.state_dict()
    alone = _released(tmp_path, name="m2d_vit_base-80x208p16x4-x_enconly", **state)
    opened = open_model(f"m2d:{alone}")
    assert (opened.config["options"]["patch_time"], opened.config["options"]["unit_frames"]) == (4, 208)
    assert float(opened.front_end.mean) == pytest.approx(-7.1)
    inside = {f"module.ar.runtime.backbone.{key}": one for key, one in state.items()}
    inside["module.head.mlp.weight"] = torch.zeros(5, 5)
    tuned = _released(tmp_path, name="tuned-80x208p16x4", **inside)
    assert import_weights(tuned, tmp_path / "t").details["left_out"] == ["head"]
    assert hash_weights(open_model(f"m2d:{tuned}")) == hash_weights(opened)


def test_what_goes_wrong(tmp_path, model):
    with pytest.raises(InputError, match=r"patches of 16 x 16 do not fill 80 mel bands x 600 frames"):
        m2d.build((), unit_frames=600)
    with pytest.raises(InputError, match="dim that 4 and the number of heads divide"):
        m2d.build((), dim=18)
    with pytest.raises(UnknownNameError, match=r"pooling of a vit 'mean'.*frames, tokens, cls"):
        m2d.build((), pooling="mean")
    with pytest.raises(InputError, match=r"holds 0 files that end in \.pth"):
        open_model(f"m2d:{tmp_path}")
    state = model.net.state_dict()
    path = _released(tmp_path, name="m2d-80x608p16x16-a", **{**state, "blocks.0.odd": torch.zeros(1)})
    with pytest.raises(ModelError, match=r"checkpoint-300\.pth: it has the unknown blocks\.0\.odd"):
        open_model(f"m2d:{path}")
    path = _released(tmp_path, name="m2d-96x608p16x16-b", **state)
    with pytest.raises(ModelError, match=r"190 positions are no grid of 6 rows"):
        open_model(f"m2d:{path}")
    path = _released(tmp_path, name="c", model=state, args=SimpleNamespace(a=1))
    with pytest.raises(FormatError, match="holds more than tensors and plain containers"):
        import_weights(path, tmp_path / "no")
    folder.save(m2d.build(("a",), **TINY), tmp_path / "v")
    assert open_model(f"m2d:{tmp_path / 'v'}").classes == ("a",)


def test_aape_listens_to_every_mlp_after_its_activation(model, checkpoint):
    found = layer_preset("aape-2026", model)
    assert (
        found.pooling == "mean"
        and not found.with_logits
        and found.layers == ("blocks.0.mlp.act", "blocks.1.mlp.act")
    )
    ast = layer_preset("aape-2026", open_model(f"hf:{checkpoint('ast')}"))
    assert ast.aliases["blocks.1.mlp.act"].endswith("layers.1.mlp.activation_fn")
    wav2vec2 = layer_preset("aape-2026", open_model(f"hf:{checkpoint('wav2vec2')}"))
    assert [one.rpartition(".")[2] for one in wav2vec2.layers] == ["intermediate_act_fn"] * 2
    assert len(layer_preset("aape-2026", open_model(f"hf:{checkpoint('whisper')}")).layers) == 2
    assert len(layer_preset("aape-2026", open_model(f"hf:{checkpoint('clap-audio')}")).layers) == 3
    with pytest.raises(ModelError, match="aape-2026 listens to the MLPs of transformers"):
        layer_preset("aape-2026", open_model("demo:"))


def test_attention_of_one_unit_can_be_mapped(model):
    from otoscope.explain.amt import ActivationMap, attention_weights

    waveform = _noise(2.0)
    weights = attention_weights(model, waveform)
    assert weights.shape == (1, 2, 66, 66)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, 66))
    with torch.no_grad():  # the last block's attention, from its weights
        seen: list[torch.Tensor] = []
        block = model.net.blocks[-1]
        handle = block.attn.qkv.register_forward_hook(lambda module, inputs, output: seen.append(output))
        wanted = block.attn.register_forward_hook(lambda module, inputs, output: seen.append(output))
        model(waveform)
        handle.remove()
        wanted.remove()
    value = seen[0].unflatten(2, (3, 2, 8))[:, :, 2].transpose(1, 2)
    again = block.attn.proj((weights @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(again, seen[1], atol=1e-5, rtol=1e-4)
    mask = ActivationMap(kind="attention")(model, waveform).mask
    assert float(mask.mean()) == pytest.approx(0.1, abs=0.02)
    with pytest.raises(ModelError, match="in units that do not attend to one another"):
        attention_weights(model, _noise(8.0))
