"""CLAP's audio tower: features and embeddings of the library, layers, folded geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.errors import InputError, UnknownNameError
from otoscope.models import open_model
from otoscope.models.geometry import Geometry
from otoscope.models.hf_clap import ClapFrontEnd
from otoscope.models.weights import hash_weights

RATE = 48000
KINDS = ("clap", "clap-fused", "clap-audio", "clap-audio-projected")
pytestmark = pytest.mark.usefixtures("checkpoints")


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """Return noise, a tone and a stretch of digital silence, float32 (time,)."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    wave = 0.1 * rng.standard_normal(time.size) + 0.3 * np.sin(2 * np.pi * 440 * time)
    wave[time.size // 2 : time.size // 2 + 4000] = 0.0
    return wave.astype(np.float32)


def tower(kind: str, checkpoint, checkpoints):
    """Return the library's own audio tower and feature extractor of a tiny checkpoint."""
    import transformers

    with checkpoints.quietly():
        network = getattr(transformers, checkpoints.KINDS[kind][0]).from_pretrained(checkpoint(kind)).eval()
    return network, transformers.ClapFeatureExtractor.from_pretrained(checkpoint(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [2.0, 0.63, 1.2])
def test_features_are_the_extractors(checkpoint, checkpoints, kind, seconds):
    _, extractor = tower(kind, checkpoint, checkpoints)
    model, wave = open_model(f"hf:{checkpoint(kind)}"), sound(seconds)
    wanted = torch.as_tensor(np.stack(extractor(wave, sampling_rate=RATE)["input_features"])).float()
    found = model.front_end(torch.from_numpy(wave)[None, None])
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    padded = np.pad(wave, (0, 2 * RATE - wave.size))
    told = model.front_end(torch.from_numpy(padded)[None, None], torch.tensor([wave.size]))
    torch.testing.assert_close(told, found, atol=1e-6, rtol=0)
    again = model.front_end.from_magnitude(model.front_end.magnitude(torch.from_numpy(wave)[None, None]))
    torch.testing.assert_close(again[torch.isfinite(again)], found[torch.isfinite(again)], atol=5e-2, rtol=0)


def test_published_settings_give_the_extractors_features(checkpoints):
    for truncation in ("fusion", "rand_trunc"):
        extractor = checkpoints.extractor_of(
            "ClapFeatureExtractor", {"truncation": truncation, "top_db": None}
        )
        wave = sound(5.0)
        wanted = np.stack(extractor(wave, sampling_rate=RATE)["input_features"])[0]
        found = ClapFrontEnd(extractor)(torch.from_numpy(wave)[None, None])[0]
        assert found.shape == ((4 if truncation == "fusion" else 1), 1001, 64)
        assert np.abs(found.numpy() - wanted).max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_is_the_librarys_embedding(checkpoint, checkpoints, kind):
    theirs, extractor = tower(kind, checkpoint, checkpoints)
    wave = sound(1.4)
    features = torch.as_tensor(np.stack(extractor(wave, sampling_rate=RATE)["input_features"])).float()
    longer = torch.zeros(1, 1, dtype=torch.bool)
    with torch.no_grad():
        found = open_model(f"hf:{checkpoint(kind)}")(torch.from_numpy(wave)[None, None])
        part = theirs if kind == "clap-audio" else theirs.audio_model
        wanted = part(input_features=features, is_longer=longer).pooler_output
        if kind != "clap-audio":
            wanted = theirs.audio_projection(wanted)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_block_outputs_and_hidden_neurons(checkpoint, layer_outputs, kind):
    model = open_model(f"hf:{checkpoint(kind)}")
    assert not model.has_logits and model.clip_length.length_s == 2.0 and model.sample_rate == RATE
    _, seen = layer_outputs(model, torch.from_numpy(np.stack([sound(2.0), sound(2.0, 1)]))[:, None])
    assert len(model.declared_layers) == 6
    for index, layer in enumerate(model.declared_layers):
        output = seen[layer]
        geometry = model.geometry(layer, tuple(output.shape), 2 * RATE)
        stage = int(layer.split(".layers.")[1][0])
        assert (geometry.n_folds, geometry.n_frequency, geometry.n_time) == (4, 4 >> stage, 64 >> stage)
        assert geometry.n_neurons(tuple(output.shape)) == (64 if index % 2 == 0 else 16) << stage
        assert geometry.grid(output).shape == (2, output.shape[2], 4 >> stage, 64 >> stage)
    for layer, output in seen.items():
        geometry = model.geometry(layer, tuple(output.shape), 2 * RATE)
        if geometry is not None:
            assert geometry.grid(output).shape[0] == 2


def test_clicks_and_tones_are_where_the_geometry_says(checkpoint, layer_outputs):
    model = open_model(f"hf:{checkpoint('clap-audio')}")
    quiet = 0.001 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    time = np.arange(2 * RATE) / RATE
    layer = "audio_encoder.patch_embed.proj"
    before = layer_outputs(model, torch.from_numpy(quiet)[None, None])[1][layer]
    geometry = model.geometry(layer, tuple(before.shape), 2 * RATE)
    assert geometry.stride_s == pytest.approx(4 * 2.0 / 255)
    for click_s in (0.31, 0.95, 1.62):  # in the first, second and last of the four folds
        loud = quiet.copy()
        loud[round(click_s * RATE)] += 0.5
        change = layer_outputs(model, torch.from_numpy(loud)[None, None])[1][layer] - before
        strength = geometry.grid(change)[0].square().sum((0, 1)).numpy()
        centre_s = float((strength * geometry.times_s()).sum() / strength.sum())
        assert abs(centre_s - click_s) < 1.5 * geometry.stride_s
    for hz, row in ((300.0, 0), (9000.0, 3)):
        tone = quiet + 0.1 * np.sin(2 * np.pi * hz * time).astype(np.float32)
        change = layer_outputs(model, torch.from_numpy(tone)[None, None])[1][layer] - before
        strength = geometry.grid(change)[0].square().sum((0, 2))
        assert int(strength.argmax()) == row


def test_a_folded_picture_by_hand():
    geometry = Geometry("BNC", n_frequency=2, n_time=6, order="frequency-major", n_folds=3)
    # rows of the picture: fold 0 low, fold 0 high, fold 1 low, ...; two columns each
    tokens = torch.arange(12.0).reshape(1, 12, 1)
    assert geometry.grid(tokens)[0, 0].tolist() == [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11]]
    picture = Geometry("BCFT", n_frequency=2, n_time=6, order="frequency-major", n_folds=3)
    assert torch.equal(picture.grid(tokens.reshape(1, 1, 6, 2)), geometry.grid(tokens))
    assert Geometry.from_json(geometry.to_json()) == geometry
    assert "n_folds" not in Geometry("BC").to_json()
    with pytest.raises(InputError, match="folds divide the frames"):
        Geometry("BNC", n_frequency=2, n_time=5, order="frequency-major", n_folds=3)
    with pytest.raises(InputError, match="frequency-major"):
        Geometry("BNC", n_frequency=2, n_time=6, n_folds=3)


def test_gradients_and_silence(checkpoint):
    model = open_model(f"hf:{checkpoint('clap')}")
    waveform = torch.zeros(1, 1, RATE, requires_grad=True)
    model(waveform).sum().backward()
    assert torch.isfinite(waveform.grad).all()
    assert hash_weights(model) == hash_weights(open_model(f"hf:{checkpoint('clap')}"))


def test_an_unknown_padding_is_named(checkpoints):
    extractor = checkpoints.extractor_of("ClapFeatureExtractor", {"padding": "mirror"})
    with pytest.raises(UnknownNameError, match="padding of a CLAP feature extractor 'mirror'"):
        ClapFrontEnd(extractor)
