"""CLAP behind our protocol: features and vectors equal those of transformers, crops follow a seed, errors are told."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError, MissingExtraError, ModelError, UnknownNameError
from otoscope.language import text_encoder, text_sound_encoder
from tests.language import checkpoints

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

RATE, LONGEST = 48000, 96000
LENGTHS = {"short": 20000, "half": 48000, "exact": 96000, "by less than a frame": 96200, "long": 250000}


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).normal(size=n_samples)).astype(np.float32)


def settings(fused: bool, **changes):
    from otoscope.language.clap_features import ClapSettings

    return ClapSettings.of(checkpoints.clap_extractor(fused), **changes)


@pytest.fixture(scope="module", params=[False, True], ids=["unfused", "fused"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.write_clap(tmp_path_factory.mktemp("clap"), fused=request.param)


@pytest.mark.parametrize("fused", [False, True], ids=["unfused", "fused"])
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_features_equal_the_extractor(
    fused: bool, length: str, padding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from otoscope.language.clap_features import ClapFeatures, ClapSettings

    extractor = checkpoints.clap_extractor(
        fused, padding=padding, feature_size=64
    )  # it squeezes to 64 bands always
    features = ClapFeatures(ClapSettings.of(extractor))
    sound = noise(LENGTHS[length])
    found, longer = features(sound)
    drawn = features._generator(sound)
    monkeypatch.setattr(np.random, "choice", drawn.choice)
    monkeypatch.setattr(np.random, "randint", lambda low, high: int(drawn.integers(low, high)))
    wanted, declared = extractor._get_input_mel(
        sound.astype(np.float64), extractor.nb_max_samples, extractor.truncation, padding
    )
    assert found.dtype == torch.float32 and found.shape == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, atol=2e-4)
    assert longer == declared == (LENGTHS[length] > LONGEST + (200 if fused else 0))


def test_vectors_equal_the_network(folder: Path) -> None:
    texts, sounds = ["a dog barking", "heavy rain"], [noise(30000), noise(96000, 1)]
    encoder = text_sound_encoder(f"clap:{folder}")
    assert encoder.sample_rate == RATE
    with checkpoints.quietly():
        model = transformers.ClapModel.from_pretrained(folder).eval()
        extractor = transformers.ClapFeatureExtractor.from_pretrained(folder)
        tokens = transformers.AutoTokenizer.from_pretrained(folder)(
            texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        )
    features = np.stack(
        [extractor._get_input_mel(one, LONGEST, extractor.truncation, "repeatpad")[0] for one in sounds]
    )
    with torch.inference_mode():
        read = model.get_text_features(**tokens)
        heard = model.get_audio_features(
            torch.from_numpy(features).float(), torch.zeros(2, 1, dtype=torch.bool)
        )
    for ours, theirs in ((encoder.encode(texts), read), (encoder.encode_sounds(sounds), heard)):
        theirs = getattr(theirs, "pooler_output", theirs).numpy()
        np.testing.assert_allclose(ours, theirs / np.linalg.norm(theirs, axis=1, keepdims=True), atol=1e-4)
        assert ours.dtype == np.float32 and ours.shape == (2, 12)


def test_a_row_depends_on_its_sound_alone(folder: Path) -> None:
    from otoscope.language.clap import ClapEncoder

    encoder = text_sound_encoder(f"clap:{folder}")
    one_by_one = ClapEncoder(
        encoder._model, encoder._tokenizer, encoder._features.settings, "x", batch_size=1
    )
    sounds = [noise(250000, 1), noise(30000, 2), noise(300000, 3)]
    before = np.random.get_state()[1].copy()
    found = encoder.encode_sounds(sounds)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.testing.assert_allclose(one_by_one.encode_sounds(sounds[::-1])[::-1], found, atol=1e-5)
    np.testing.assert_array_equal(encoder.encode_sounds(sounds), found)
    texts = ["rain", "a low steady hum of an engine " * 4, "a click"]
    np.testing.assert_allclose(one_by_one.encode(texts), encoder.encode(texts), atol=1e-5)


def test_another_seed_crops_elsewhere(folder: Path) -> None:
    long, short = noise(400000) * np.linspace(0, 1, 400000, dtype=np.float32) ** 4, noise(30000)
    first, second = (text_sound_encoder(f"clap:{folder}?seed={seed}") for seed in (0, 1))
    assert first.id != second.id
    assert np.abs(first.encode_sounds([long]) - second.encode_sounds([long])).max() > 1e-5
    np.testing.assert_array_equal(first.encode_sounds([short]), second.encode_sounds([short]))


def test_16_bits_as_published(folder: Path) -> None:
    from otoscope.language.clap_features import ClapFeatures, to_16_bits

    plain, rounded = text_sound_encoder(f"clap:{folder}"), text_sound_encoder(f"clap:{folder}?int16=true")
    assert plain.id != rounded.id
    faint = (2e-4 * np.sin(0.05 * np.arange(96000))).astype(np.float32)
    assert len(np.unique(to_16_bits(faint))) == 13  # -6 .. 6 steps
    assert to_16_bits(np.array([1.7, -1.7], np.float32)).tolist() == [1.0, -1.0]
    features = [ClapFeatures(one._features.settings)(faint)[0] for one in (plain, rounded)]
    assert (features[0] - features[1]).abs().max() > 10  # dB: the noise of rounding
    assert np.abs(plain.encode_sounds([faint]) - rounded.encode_sounds([faint])).max() > 1e-6


def test_long_texts_are_cut(folder: Path) -> None:
    encoder = text_encoder(f"clap:{folder}")
    base = "x" * 75  # one token a letter, and two at the ends
    found = encoder.encode([base, base + "yyyy", base[:-1] + "y"])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert np.abs(found[0] - found[2]).max() > 1e-5


def test_the_id_holds_the_weights(folder: Path, tmp_path: Path) -> None:
    fused = "fused" in str(transformers.ClapFeatureExtractor.from_pretrained(folder).truncation)
    other = checkpoints.write_clap(tmp_path / folder.name, seed=1, fused=fused)
    ids = [text_sound_encoder(f"clap:{one}").id for one in (folder, folder, other)]
    assert ids[0] == ids[1] != ids[2] and ids[0].startswith(f"clap:{folder.name}@")


def test_sounds_that_cannot_be_encoded(folder: Path) -> None:
    encoder = text_sound_encoder(f"clap:{folder}")
    with pytest.raises(EmptyDataError, match="no sound to encode"):
        encoder.encode_sounds([])
    with pytest.raises(InputError, match=r"sound 1 has the shape \(2, 5\), expected a waveform \(time,\)"):
        encoder.encode_sounds([noise(5), np.zeros((2, 5), np.float32)])
    with pytest.raises(InputError, match="sound 0 holds samples that are not finite"):
        encoder.encode_sounds([np.array([np.nan, 0.0], np.float32)])
    with pytest.raises(InputError, match="text 0"):
        encoder.encode(["--"])
    assert np.isfinite(encoder.encode_sounds([np.zeros(9, np.float32)])).all()  # silence has a vector, too


def test_a_network_without_a_direction(folder: Path) -> None:
    encoder = text_sound_encoder(f"clap:{folder}")
    with torch.no_grad():
        encoder._model.audio_projection.linear2.weight.zero_()
        encoder._model.audio_projection.linear2.bias.zero_()
    with pytest.raises(ModelError, match=r"gave item 0 a vector of length 0\.0: no direction"):
        encoder.encode_sounds([noise(100)])


def test_checkpoints_that_cannot_be_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="cannot open clap:"):
        text_sound_encoder(f"clap:{tmp_path}")
    with pytest.raises(ModelError, match="is a 'clip' network, not CLAP"):
        text_sound_encoder(f"clap:{checkpoints.write_clip(tmp_path / 'clip')}")
    mixed = checkpoints.write_clap(tmp_path / "mixed", fused=False)
    checkpoints.clap_extractor(True).save_pretrained(mixed)
    with pytest.raises(ModelError, match=r"contradicts itself: its network is not fused.*'fusion'"):
        text_sound_encoder(f"clap:{mixed}")


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("clap:", InputError, "expected clap:NAME_OR_PATH"),
        ("clap:x?sed=1", UnknownNameError, "unknown option of clap: 'sed'. Did you mean 'seed'"),
        ("clap:x?seed=-1", InputError, "seed takes a whole number of at least 0, got '-1'"),
        ("clap:x?int16=maybe", InputError, "int16 takes true or false, got 'maybe'"),
        ("clup:x", UnknownNameError, "unknown encoder of texts and sounds 'clup'. Did you mean 'clap'"),
    ],
)
def test_bad_specs(spec: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        text_sound_encoder(spec)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'otoscope\[hf\]'"):
        text_sound_encoder("clap:any")


def test_settings_that_are_not_known() -> None:
    from otoscope.language.clap_features import ClapSettings

    assert settings(True).fused and settings(False).n_frames == 201
    with pytest.raises(ModelError, match="truncates by 'crop'"):
        ClapSettings.of(checkpoints.clap_extractor(False, truncation="crop"))
