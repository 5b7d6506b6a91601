"""``hf:`` networks: front ends, layers, geometry, heads, on tiny random checkpoints and the parity vectors."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from otoscope.errors import InputError, MissingExtraError, ModelError, UnknownNameError
from otoscope.models import hf_geometry, open_model, unwrap
from otoscope.models.hf_front_ends import AstFrontEnd, WaveformFrontEnd, WhisperFrontEnd
from otoscope.models.weights import hash_weights

RATE = 16000
HEADED = ("ast", "wav2vec2-head", "whisper-head")
ENCODERS = ("ast-encoder", "wav2vec2", "wav2vec2-ctc", "hubert", "wavlm", "whisper")
pytestmark = pytest.mark.usefixtures("checkpoints")


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """Return noise, a tone and a stretch of digital silence, float32 (time,)."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    wave = 0.1 * rng.standard_normal(time.size) + 0.3 * np.sin(2 * np.pi * 440 * time)
    wave[time.size // 2 : time.size // 2 + 2000] = 0.0
    return wave.astype(np.float32)


def batch(*waves: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return waveforms padded with zeros ``(clip, 1, time)`` and their lengths."""
    longest = max(wave.size for wave in waves)
    padded = np.stack([np.pad(wave, (0, longest - wave.size)) for wave in waves])
    return torch.from_numpy(padded)[:, None], torch.tensor([wave.size for wave in waves])


def outputs(model, *inputs):
    """Run the model; return every module's output tensor by layer name."""
    seen = {}

    def hook(name):
        def keep(module, arguments, output):
            tensor = output[0] if isinstance(output, tuple) else output
            if isinstance(tensor, torch.Tensor):
                seen[name + ("[0]" if isinstance(output, tuple) else "")] = tensor

        return keep

    named = [(name, module) for name, module in unwrap(model.net).named_modules() if name]
    handles = [module.register_forward_hook(hook(name)) for name, module in named]
    try:
        with torch.no_grad():
            return model(*inputs), seen
    finally:
        for handle in handles:
            handle.remove()


# --- front ends ---------------------------------------------------------------------------------------------------


def test_ast_features_are_the_extractors(checkpoints):
    extractor = checkpoints.extractor_of("ASTFeatureExtractor", {"max_length": 200})
    front_end = AstFrontEnd(RATE, 128, 200, extractor.mean, extractor.std)
    waves = [
        sound(1.3),
        sound(0.7, 1),
        sound(2.4, 2),
        sound(0.02, 3),
    ]  # shorter, shorter, cut, no frame at all
    features = front_end(*batch(*waves))
    for wave, found in zip(waves[:3], features):
        wanted = extractor(wave, sampling_rate=RATE, return_tensors="pt")["input_values"][0]
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    assert torch.all(features[3] == -extractor.mean / (2 * extractor.std))


@pytest.mark.parametrize("path, limits", [("numpy", (1e-5, 1e-5)), ("torchaudio", (1e-4, 2e-4))])
def test_ast_features_agree_with_both_published_paths(parity, path, limits):
    vectors = parity("networks")
    front_end = AstFrontEnd(RATE, 128, 1024, -4.2677393, 4.5689974)
    for name, limit in zip(("w1", "w2"), limits):
        found = front_end(torch.from_numpy(vectors[f"fbank/{name}"])[None, None])[0]
        wanted = torch.from_numpy(vectors[f"fbank/ast_{path}_input_values_{name}"])
        torch.testing.assert_close(found[:128], wanted, atol=limit, rtol=0)
        assert torch.allclose(found[128:], torch.tensor(0.4670324), atol=1e-6)


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("seconds", [1.7, 3.0, 4.1])
def test_whisper_features_are_the_extractors(checkpoints, n_mels, seconds):
    options = {"feature_size": n_mels, "chunk_length": 3}
    extractor = checkpoints.extractor_of("WhisperFeatureExtractor", options)
    wave = sound(seconds)
    wanted = extractor(wave, sampling_rate=RATE, return_tensors="pt")["input_features"]
    front_end = WhisperFrontEnd(RATE, n_mels, 400, 160, 3 * RATE)
    found = front_end(torch.from_numpy(wave)[None, None])
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    again = front_end.from_magnitude(front_end.magnitude(torch.from_numpy(wave)[None, None]))
    torch.testing.assert_close(again, found, atol=1e-4, rtol=0)


def test_whisper_pads_to_thirty_seconds(checkpoints):
    wave = sound(1.0)
    wanted = checkpoints.extractor_of("WhisperFeatureExtractor", {})(
        wave, sampling_rate=RATE, return_tensors="pt"
    )
    found = WhisperFrontEnd(RATE, 80, 400, 160, 30 * RATE)(torch.from_numpy(wave)[None, None])
    assert found.shape == (1, 80, 3000)
    torch.testing.assert_close(found, wanted["input_features"], atol=1e-4, rtol=0)


def test_wav2vec2_features_are_the_extractors(checkpoints):
    waves = [sound(0.5), sound(0.3, 1) + 0.2]
    masked = checkpoints.extractor_of("Wav2Vec2FeatureExtractor", {"return_attention_mask": True})
    wanted = masked(waves, sampling_rate=RATE, padding=True, return_tensors="pt")
    values, mask = WaveformFrontEnd(True, True)(*batch(*waves))
    torch.testing.assert_close(values, wanted["input_values"], atol=1e-4, rtol=0)
    assert torch.equal(mask, wanted["attention_mask"].long())
    alone = checkpoints.extractor_of("Wav2Vec2FeatureExtractor", {"return_attention_mask": False})
    for wave in waves:
        wanted = alone(wave, sampling_rate=RATE, return_tensors="pt")["input_values"]
        found = WaveformFrontEnd(True, False)(torch.from_numpy(wave)[None, None])
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    raw = WaveformFrontEnd(False, False)(torch.from_numpy(waves[0])[None, None])
    assert torch.equal(raw[0], torch.from_numpy(waves[0]))


def test_padding_does_not_move_the_standardisation():
    short = sound(0.3)
    waveform, lengths = batch(short, sound(0.5, 1))
    alone = WaveformFrontEnd(True, False)(torch.from_numpy(short)[None, None])
    padded = WaveformFrontEnd(True, False)(waveform, lengths)[:1]
    torch.testing.assert_close(padded[:, : short.size], alone, atol=1e-5, rtol=0)
    assert torch.all(padded[:, short.size :] == 0)


def test_silence_and_gradients(checkpoint):
    for front_end in (AstFrontEnd(RATE, 128, 98, 0.0, 0.5), WhisperFrontEnd(RATE, 80, 400, 160, RATE)):
        silence = torch.zeros(1, 1, RATE, requires_grad=True)
        front_end(silence).sum().backward()
        assert torch.isfinite(silence.grad).all()
    for kind in HEADED:
        model = open_model(f"hf:{checkpoint(kind)}")
        waveform = torch.from_numpy(sound(1.0))[None, None].requires_grad_()
        model(waveform)[0, 0].backward()
        assert waveform.grad.abs().sum() > 0 and torch.isfinite(waveform.grad).all()


# --- whole networks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*HEADED, *ENCODERS])
def test_every_family_opens_with_its_layers(checkpoint, kind):
    model = open_model(f"hf:{checkpoint(kind)}")
    assert (model.has_logits, bool(model.classes)) == ((True, True) if kind in HEADED else (False, False))
    n_samples = round((model.clip_length.length_s or 1.3) * RATE)
    output, seen = outputs(model, torch.randn(2, 1, n_samples) * 0.1)
    assert output.shape == (2, len(model.classes) or 16)
    assert len(model.declared_layers) == 4  # hidden neurons and output of two blocks
    for index, name in enumerate(model.declared_layers):
        layer = name if name in seen else name + "[0]"
        tensor = seen[layer]
        geometry = model.geometry(layer, tuple(tensor.shape), n_samples)
        assert geometry.n_neurons(tuple(tensor.shape)) == (24 if index % 2 == 0 else 16)
        assert geometry.grid(tensor).shape[-1] == geometry.n_time
        assert not geometry.approximate
    assert not model.training
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize("kind", [*HEADED, *ENCODERS])
def test_no_geometry_contradicts_a_module(checkpoint, kind):
    model = open_model(f"hf:{checkpoint(kind)}")
    n_samples = round((model.clip_length.length_s or 0.4) * RATE)
    _, seen = outputs(model, torch.randn(3, 1, n_samples) * 0.1)
    for layer, tensor in seen.items():
        geometry = model.geometry(layer, tuple(tensor.shape), n_samples)
        if geometry is not None:
            assert geometry.grid(tensor).shape[0] == 3, layer  # raises where the shape does not fit


def test_hidden_neurons_are_taken_after_their_activation(checkpoint):
    for kind in ("ast", "wav2vec2", "whisper"):
        model = open_model(f"hf:{checkpoint(kind)}")
        n_samples = round((model.clip_length.length_s or 0.5) * RATE)
        _, seen = outputs(model, torch.randn(1, 1, n_samples) * 0.1)
        hidden = seen[model.declared_layers[0]]
        before = [
            one
            for name, one in seen.items()
            if name.endswith(("fc1", "intermediate.dense", "intermediate_dense"))
        ]
        torch.testing.assert_close(hidden, torch.nn.functional.gelu(before[0]))


def test_logits_are_those_of_the_checkpoint(checkpoint, checkpoints):
    import transformers

    wave = sound(0.9)
    for kind, extractor in (
        ("ast", ("ASTFeatureExtractor", {"max_length": 98})),
        ("wav2vec2-head", ("Wav2Vec2FeatureExtractor", {})),
        ("whisper-head", ("WhisperFeatureExtractor", {"chunk_length": 3})),
    ):
        network = getattr(transformers, checkpoints.KINDS[kind][0])
        with checkpoints.quietly():
            theirs = network.from_pretrained(checkpoint(kind)).eval()
        features = checkpoints.extractor_of(*extractor)(wave, sampling_rate=RATE, return_tensors="pt")
        with torch.no_grad():
            wanted = theirs(**features).logits
            found = open_model(f"hf:{checkpoint(kind)}")(torch.from_numpy(wave)[None, None])
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_a_padded_clip_is_heard_as_if_it_were_alone(checkpoint):
    short, long = sound(0.6), sound(0.9, 1)
    waveform, lengths = batch(short, long)
    for kind in ("ast", "wav2vec2-head"):
        model = open_model(f"hf:{checkpoint(kind)}")
        with torch.no_grad():
            together = model(waveform, lengths)[0]
            alone = model(torch.from_numpy(short)[None, None])[0]
        torch.testing.assert_close(together, alone, atol=2e-4, rtol=1e-3)


def test_ast_logits_and_layers_agree_with_the_parity_vectors(parity, checkpoints, tmp_path):
    import transformers

    vectors = parity("networks")
    config = transformers.ASTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_length=98,
        num_labels=5,
    )
    network = transformers.ASTForAudioClassification(config)
    keys = [key.split("|") for key in vectors["keys/ast_small"].tolist()]
    state = {key: ruled(tuple(map(int, shape.split("x"))), key, int(j)) for key, shape, _, j in keys}
    if state.keys() != network.state_dict().keys():
        pytest.skip("the vectors' weights are numbered by the module names of transformers 5.9 and later")
    network.load_state_dict(state)
    with checkpoints.quietly():
        network.save_pretrained(tmp_path)
        checkpoints.extractor_of("ASTFeatureExtractor", {"max_length": 98}).save_pretrained(tmp_path)
    model = open_model(f"hf:{tmp_path}")
    logits, seen = outputs(model, *batch(vectors["fbank/w1"], vectors["fbank/w2"]))
    stored = {
        "layers.0.mlp.activation_fn": "L0_mlp_act",
        "layers.0": "L0_out",
        "layers.1.mlp.fc1": "L1_mlp_fc1",
        "layers.1": "L1_out",
    }
    for layer, name in stored.items():
        close(seen[f"audio_spectrogram_transformer.{layer}"], vectors[f"ast_small/{name}"])
    close(logits, vectors["ast_small/logits"])


def ruled(shape: tuple[int, ...], key: str, j: int) -> torch.Tensor:
    """Return the weights that the vectors were made with (their note, section 0)."""
    i = np.arange(np.prod(shape), dtype=np.float64)
    s = np.sin(0.37 * i + 1.3 * j + 0.003 * np.mod(i, 1009) ** 2).reshape(shape)
    if len(shape) < 2:
        s = 0.1 * s if key.endswith("bias") else 1 + 0.1 * s
    else:
        s = 2 * s / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(s.astype(np.float32))


def close(found: torch.Tensor, wanted: np.ndarray) -> None:
    """Compare against the root mean square; the torchaudio features behind ``wanted`` carry errors of 1e-4."""
    rms = float(np.sqrt(np.mean(wanted**2)))
    assert np.abs(found.numpy() - wanted).max() / rms < 1e-3


# --- geometry -----------------------------------------------------------------------------------------------------


def test_ast_patches_by_hand(checkpoint):
    model = open_model(f"hf:{checkpoint('ast')}")
    geometry = model.geometry("anything", (1, 110, 16), 15920)
    assert (geometry.n_prefix, geometry.n_frequency, geometry.n_time) == (2, 12, 9)
    assert geometry.order == "frequency-major"
    # frames of 25 ms every 10 ms: frame m is centred on 12.5 + 10 m ms; a patch joins 16 of them every 10
    assert geometry.stride_s == pytest.approx(0.1)
    assert geometry.offset_s == pytest.approx(0.0125 + 7.5 * 0.01)
    bands = (
        np.arange(130)[1:-1] * (1127 * np.log1p(8000 / 700) - 1127 * np.log1p(20 / 700)) / 129
    ) + 1127 * np.log1p(20 / 700)
    first = 700 * np.expm1(bands[:16].mean() / 1127)
    assert geometry.frequency_hz[0] == pytest.approx(first, rel=1e-6)


@pytest.mark.parametrize("kind", ["ast", "wav2vec2", "whisper"])
def test_a_click_is_where_the_geometry_says(checkpoint, kind):
    model = open_model(f"hf:{checkpoint(kind)}")
    length_s = model.clip_length.length_s or 1.0
    n_samples, click_s = round(length_s * RATE), 0.52 * length_s
    quiet = torch.from_numpy(0.01 * np.random.default_rng(0).standard_normal(n_samples).astype(np.float32))
    loud = quiet.clone()
    loud[round(click_s * RATE)] += 0.05
    names = {
        "ast": "audio_spectrogram_transformer.embeddings.patch_embeddings",
        "wav2vec2": "feature_projection.projection",
        "whisper": "conv2",
    }
    _, before = outputs(model, quiet[None, None])
    _, after = outputs(model, loud[None, None])
    change = after[names[kind]] - before[names[kind]]
    geometry = model.geometry(names[kind], tuple(change.shape), n_samples)
    strength = geometry.grid(change)[0].square().sum((0, 1)).numpy()
    centre_s = float((strength * geometry.times_s()).sum() / strength.sum())
    assert abs(centre_s - click_s) < 0.75 * geometry.stride_s + 0.005


def test_wav2vec2_frames_by_hand():
    rule = hf_geometry.convolved((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), RATE)
    geometry = rule("encoder.layers.0[0]", (1, 49, 768), RATE)
    assert geometry.stride_s == 320 / RATE  # the published 20 ms
    assert geometry.offset_s == 200 / RATE  # the middle of the published receptive field of 400 samples
    first = rule("feature_extractor.conv_layers.0", (1, 512, 3199), RATE)
    assert (first.axes, first.stride_s, first.offset_s) == ("BCT", 5 / RATE, 5 / RATE)
    assert rule("encoder.layers.0.attention.rel_attn_embed", (49, 49, 12), RATE) is None


@pytest.mark.parametrize(
    "names, wanted",
    [
        (
            [
                "encoder.layer.0",
                "encoder.layer.0.intermediate",
                "encoder.layer.0.intermediate.intermediate_act_fn",
            ],
            ("encoder.layer.0.intermediate", "encoder.layer.0"),
        ),
        (
            ["a.layers.10", "a.layers.10.mlp.fc1", "a.layers.10.mlp.activation_fn", "a.layers.10.mlp"],
            ("a.layers.10.mlp.activation_fn", "a.layers.10"),
        ),
        (["adapter.layers.0", "w.adapter.layers.0", "feature_extractor.conv_layers.0"], ()),
    ],
)
def test_layer_patterns_of_both_generations(names, wanted):
    assert hf_geometry.declared_layers(names) == wanted


# --- what goes wrong ----------------------------------------------------------------------------------------------


def test_a_window_length_can_be_asked_for(checkpoint):
    model = open_model(f"hf:{checkpoint('wav2vec2')}?length_s=2.5")
    assert model.clip_length.length_s == 2.5
    with pytest.raises(UnknownNameError, match="option of hf: 'lengths'"):
        open_model("hf:x?lengths=1")
    with pytest.raises(InputError, match="length_s takes seconds"):
        open_model("hf:x?length_s=ten")
    with pytest.raises(InputError, match="no name"):
        open_model("hf:")


def test_a_checkpoint_that_is_not_there_says_so(tmp_path):
    with pytest.raises(InputError, match=r"there is no folder .*nothing \(asked for as hf:"):
        open_model(f"hf:{tmp_path / 'nothing'}")
    with pytest.raises(ModelError, match="cannot be opened"):
        open_model(f"hf:{tmp_path}")


def test_a_network_of_another_family_is_named(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="is a 'bert' network; known are audio-spectrogram-transformer"):
        open_model(f"hf:{tmp_path}")


def test_a_head_without_weights_is_refused(checkpoint, tmp_path):
    import shutil

    folder = tmp_path / "headless"
    shutil.copytree(checkpoint("ast-encoder"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "architectures": ["ASTForAudioClassification"]})
    )
    with pytest.raises(ModelError, match="no weights for classifier"):
        open_model(f"hf:{folder}")


def test_a_missing_feature_extractor_is_named(checkpoint, tmp_path):
    import shutil

    folder = tmp_path / "mute"
    shutil.copytree(checkpoint("wav2vec2"), folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"feature extractor of hf:.* cannot be read"):
        open_model(f"hf:{folder}")


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'otoscope\[hf\]'"):
        open_model("hf:some/checkpoint")


def test_opening_is_silent_and_leaves_the_librarys_settings(checkpoint, capfd):
    import transformers

    reports = transformers.utils.logging
    folder = checkpoint("hubert")
    settings = (reports.get_verbosity(), reports.is_progress_bar_enabled())
    capfd.readouterr()
    model = open_model(f"hf:{folder}")
    assert capfd.readouterr() == ("", "")
    assert (reports.get_verbosity(), reports.is_progress_bar_enabled()) == settings
    assert hash_weights(model) == hash_weights(open_model(f"hf:{folder}"))
