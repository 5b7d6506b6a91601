"""BEATs: the reference numbers, padding, geometry, checkpoints as others write them, folders, training of a head."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.errors import InputError, ModelError, UnknownNameError
from otoscope.models import folder, open_model
from otoscope.models.beats.attention import buckets
from otoscope.models.beats.build import build
from otoscope.models.weights import hash_weights

SMALL = {
    "dim": 48,
    "hidden": 96,
    "depth": 3,
    "heads": 4,
    "patch_dim": 32,
    "conv_pos": 16,
    "conv_groups": 4,
    "n_buckets": 32,
    "max_distance": 80,
}
RATE = 16000


@pytest.fixture(scope="module")
def tuned(ruled):
    """Return the small network of the vectors, with its predictor of seven classes."""
    model = build((), n_classes=7, **SMALL).eval()
    model.net.load_state_dict(ruled("beats_small_finetuned"))
    return model


@pytest.fixture
def vectors(parity):
    return parity("networks")


def waveforms(vectors, masked):
    """Return the vectors' waveforms and, where asked, how much of each is sound."""
    wave = torch.from_numpy(vectors["beats/wav"])[:, None]
    return wave, torch.from_numpy(vectors["beats/wav_padding_mask_start"]) if masked else None


# --- the reference ------------------------------------------------------------------------------------------------


def test_keys_are_those_of_published_checkpoints(vectors, tuned):
    for name, model in (("beats_small_finetuned", tuned), ("beats_small", build((), **SMALL))):
        stated = {row.split("|")[0]: row.split("|")[1] for row in vectors[f"keys/{name}"].tolist()}
        own = {key: "x".join(map(str, one.shape)) for key, one in model.net.state_dict().items()}
        assert own == stated


@pytest.mark.parametrize("case", ["nomask", "mask"])
def test_every_stored_layer_of_the_small_network(vectors, tuned, layer_outputs, deviation, case):
    wave, lengths = waveforms(vectors, case == "mask")
    logits, seen = layer_outputs(tuned, wave, lengths)
    stored = {"post_extract_proj": "post_extract_proj", "encoder.layers.2": "features"}
    for i in range(3):
        parts = {
            "self_attn": "attn_out",
            "self_attn_layer_norm": "after_attn_norm",
            "fc1": "fc1",
            "fc2": "fc2",
        }
        stored |= {f"encoder.layers.{i}.{part}": f"L{i}_{name}" for part, name in parts.items()}
        stored[f"encoder.layers.{i}"] = f"L{i}_out"
    for layer, name in stored.items():
        assert deviation(seen[layer], vectors[f"beats/{case}/{name}"]) < 1e-3, layer
    assert deviation(seen["encoder.pos_conv"].mT, vectors[f"beats/{case}/pos_conv"]) < 1e-3
    assert deviation(seen["patch_embedding"], vectors["beats/patch_embedding_BCTF"]) < 1e-3
    assert deviation(logits.sigmoid(), vectors[f"beats/{case}/finetuned_probs"]) < 1e-3


@pytest.mark.parametrize("case", ["nomask", "mask"])
def test_from_the_stored_filter_bank_the_network_is_far_closer(vectors, tuned, deviation, case):
    padded = torch.from_numpy(vectors["beats/mask/token_padding_mask"]) if case == "mask" else None
    with torch.no_grad():
        tokens = tuned.net.tokens(torch.from_numpy(vectors["beats/fbank_norm"]), padded)
    assert deviation(tokens, vectors[f"beats/{case}/features"]) < 2e-5


def test_the_wrapper_averages_all_tokens(vectors, ruled, layer_outputs, deviation):
    model = build((), n_classes=5, average="all", **SMALL).eval()
    names = {"fc.weight": "predictor.weight", "fc.bias": "predictor.bias"}
    state = ruled("and_wrapper_small").items()
    model.net.load_state_dict({names.get(key, key.removeprefix("beats.")): one for key, one in state})
    for case in ("nomask", "mask"):
        logits, seen = layer_outputs(model, *waveforms(vectors, case == "mask"))
        assert deviation(logits, vectors[f"beats/{case}/and_logits"]) < 1e-3
        assert deviation(seen["predictor"], vectors[f"beats/{case}/and_token_logits"]) < 1e-3


def test_the_full_network(vectors, ruled, layer_outputs, deviation):
    model = build(()).eval()
    model.net.load_state_dict(ruled("beats_full"))
    assert sum(one.numel() for one in model.parameters()) == 90_311_792
    output, seen = layer_outputs(model, torch.from_numpy(vectors["fbank/w1"])[None, None])
    assert deviation(seen["encoder.layers.11"], vectors["beats_full/features"]) < 2e-4
    assert deviation(seen["encoder.layers.0"], vectors["beats_full/L0_out"]) < 2e-4
    for block in (0, 11):
        found = seen[f"encoder.layers.{block}.fc1"][:, :2]
        assert deviation(found, vectors[f"beats_full/L{block}_fc1_tokens0_1"]) < 2e-4
    torch.testing.assert_close(output, seen["encoder.layers.11"].mean(1))


def test_buckets_of_the_reference(vectors):
    found = buckets(torch.arange(-100, 101), 32, 80)
    assert np.array_equal(found.numpy(), vectors["beats/bucket_of_relative_position_m100_to_p100"])


# --- padding ------------------------------------------------------------------------------------------------------


def test_the_published_padding_mask(vectors, tuned):
    _, padded = tuned.features(*waveforms(vectors, True))
    assert np.array_equal(padded.numpy(), vectors["beats/mask/token_padding_mask"])


def test_padding_by_blocks_treats_all_bands_alike():
    front_end = build((), padding="blocks", **SMALL).front_end
    lengths = torch.tensor([32000, 20000, 16 * 160 * 3, 1])
    padded = front_end.padded(lengths, 32000, 198).reshape(4, 12, 8)
    assert not padded[0].any()
    # blocks of 2560 samples: 20000 samples reach into the eighth, 7680 end with the third
    assert [int((~one[:, 5]).sum()) for one in padded[1:]] == [8, 3, 1]
    assert torch.equal(padded[1], padded[1][:, :1].expand(-1, 8))


def test_padding_is_not_heard(tuned):
    sound = 0.1 * torch.randn(1, 1, 24000, generator=torch.Generator().manual_seed(0))
    blocks = build((), n_classes=7, padding="blocks", **SMALL).eval()
    blocks.net.load_state_dict(tuned.net.state_dict())
    lengths = torch.tensor([16 * 160 * 6])
    one, other = sound.clone(), sound.clone()
    one[..., int(lengths) + 400 :] = 0
    other[..., int(lengths) + 400 :] *= 5
    with torch.no_grad():
        torch.testing.assert_close(blocks(one, lengths), blocks(other, lengths), atol=1e-5, rtol=1e-4)


def test_no_padding_is_no_mask(tuned):
    wave = 0.1 * torch.randn(2, 1, 16000, generator=torch.Generator().manual_seed(1))
    assert isinstance(tuned.features(wave, torch.tensor([16000, 16000])), torch.Tensor)
    with torch.no_grad():
        assert torch.equal(tuned(wave), tuned(wave, torch.tensor([16000, 16000])))


def test_a_very_short_sound_is_one_column_of_tokens(tuned, layer_outputs):
    logits, seen = layer_outputs(tuned, torch.zeros(1, 1, 100), torch.tensor([3]))
    assert seen["encoder.layers.0"].shape == (1, 8, 48)
    assert torch.isfinite(logits).all()


# --- geometry, front end ------------------------------------------------------------------------------------------


def test_tokens_run_through_bands_first(tuned, layer_outputs):
    time = torch.arange(2 * RATE) / RATE
    low, high = (0.3 * torch.sin(2 * torch.pi * hz * time)[None, None] for hz in (250.0, 5000.0))
    rows = []
    for tone in (low, high):
        _, seen = layer_outputs(tuned, tone)
        output = seen["layer_norm"]
        geometry = tuned.geometry("layer_norm", tuple(output.shape), 2 * RATE)
        assert (geometry.n_frequency, geometry.n_time, geometry.order) == (8, 12, "time-major")
        _, quiet = layer_outputs(tuned, torch.zeros_like(tone))
        change = geometry.grid(output - quiet["layer_norm"])[0].square().sum((0, 2))
        rows.append(geometry.frequency_hz[int(change.argmax())])
    assert rows[0] < 600 and 3500 < rows[1] < 7000


def test_a_click_is_where_the_geometry_says(tuned, layer_outputs):
    quiet = 0.01 * torch.randn(1, 1, 2 * RATE, generator=torch.Generator().manual_seed(0))
    loud = quiet.clone()
    loud[..., int(1.1 * RATE)] += 0.2
    before, after = layer_outputs(tuned, quiet)[1], layer_outputs(tuned, loud)[1]
    change = after["patch_embedding"] - before["patch_embedding"]
    geometry = tuned.geometry("patch_embedding", tuple(change.shape), 2 * RATE)
    assert geometry.stride_s == pytest.approx(0.16) and geometry.offset_s == pytest.approx(0.0125 + 0.075)
    strength = geometry.grid(change)[0].square().sum((0, 1)).numpy()
    assert abs(float((strength * geometry.times_s()).sum() / strength.sum()) - 1.1) < 0.1


def test_every_layer_fits_its_geometry(tuned, layer_outputs):
    _, seen = layer_outputs(tuned, torch.randn(2, 1, 30000))
    declared = set(tuned.declared_layers)
    assert len(declared) == 9
    for layer, output in seen.items():
        geometry = tuned.geometry(layer, tuple(output.shape), 30000)
        assert geometry is not None or layer not in declared
        if geometry is not None:
            assert geometry.grid(output).shape[0] == 2


def test_gradients_reach_the_waveform_and_magnitudes_reenter(tuned):
    wave = (0.1 * torch.randn(1, 1, 16000)).requires_grad_()
    tuned(wave)[0, 0].backward()
    assert torch.isfinite(wave.grad).all() and wave.grad.abs().sum() > 0
    features = tuned.front_end(wave.detach())
    again = tuned.front_end.from_magnitude(tuned.front_end.magnitude(wave.detach()))
    torch.testing.assert_close(again, features, atol=1e-4, rtol=0)


# --- files --------------------------------------------------------------------------------------------------------


def test_a_folder_comes_back_as_it_was(tuned, tmp_path):
    folder.save(tuned, tmp_path / "beats")
    for spec in (str(tmp_path / "beats"), f"beats:{tmp_path / 'beats'}"):
        again = open_model(spec)
        assert hash_weights(again) == hash_weights(tuned)
        assert again.declared_layers == tuned.declared_layers
        assert again.takes_lengths and again.has_logits and again.clip_length.length_s is None
    assert open_model(f"beats:{tmp_path / 'beats'}?length_s=10").clip_length.length_s == 10.0
    shared = again.net.encoder.layers
    assert shared[0].self_attn.relative_attention_bias is shared[2].self_attn.relative_attention_bias


def test_an_encoder_has_no_logits_and_gives_a_mean():
    model = build((), **SMALL).eval()
    assert not model.has_logits and model(torch.zeros(2, 1, 16000)).shape == (2, 48)


def test_what_cannot_be_built_or_opened(tmp_path):
    with pytest.raises(InputError, match="heads and conv_groups divide"):
        build((), **{**SMALL, "heads": 5})
    with pytest.raises(UnknownNameError, match="average of a BEATs"):
        build((), **SMALL, average="none")
    with pytest.raises(UnknownNameError, match="padding of a BEATs"):
        build((), **SMALL, padding="none")
    with pytest.raises(InputError, match="2 class names for 3 output neurons"):
        build(("a", "b"), n_classes=3, **SMALL)
    with pytest.raises(InputError, match="there is no file"):
        open_model("beats:nowhere.pt")
    with pytest.raises(InputError, match="length_s takes seconds"):
        open_model("beats:x.pt?length_s=-1")
    with pytest.raises(UnknownNameError, match="option of beats:"):
        open_model("beats:x.pt?window=3")
    from otoscope.models import cnn

    folder.save(cnn.build(("a",), width=2, n_mels=16), tmp_path / "cnn")
    with pytest.raises(ModelError, match="holds a cnn, not a BEATs"):
        open_model(f"beats:{tmp_path / 'cnn'}")


def test_dropout_is_of_training_alone():
    model = build(("a", "b"), **SMALL, layer_drop=0.5)
    wave = 0.1 * torch.randn(2, 1, 16000, generator=torch.Generator().manual_seed(0))
    model.eval()
    assert torch.equal(model(wave), model(wave))
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(model(wave), model(wave))
