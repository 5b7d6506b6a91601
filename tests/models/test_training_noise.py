"""Noise under training clips, dropped bands and stretches, and the published trainings that use them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from otoscope.audio.write import write
from otoscope.data import open_data
from otoscope.errors import InputError, StageError, UnknownNameError
from otoscope.models import ARCHITECTURES
from otoscope.models.drops import band_stop, drop_bands, drop_chunks
from otoscope.models.parts import split_parts
from otoscope.models.train import TrainConfig, train
from otoscope.models.train_presets import PRESETS, preset
from otoscope.models.training_noise import source, synthetic, under


def _rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def folder(tmp_path):
    for at, rate in enumerate((8000, 16000)):
        tone = np.sin(np.arange(3 * rate) * 2 * np.pi * 1000 / rate)
        write(tmp_path / f"{at}.wav", np.stack([0.5 * tone, 0.1 * tone]).astype(np.float32), rate)
    return tmp_path


def test_synthetic_noise_falls_between_white_and_brown():
    slopes = []
    for seed in range(40):
        power = np.abs(np.fft.rfft(synthetic(_rng(seed), 40000))) ** 2
        low, high = power[100:200].mean(), power[10000:20000].mean()
        slopes.append(np.log(low / high) / np.log(15000 / 150))
    assert -0.1 < min(slopes) < 0.5 and 1.5 < max(slopes) < 2.1
    assert synthetic(_rng(), 40000).std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("n_samples", [4000, 100_000])
def test_a_folder_gives_stretches_of_its_sounds_at_the_networks_rate(folder, n_samples):
    draw = source(str(folder), 16000)
    for seed in range(6):
        noise = draw(_rng(seed), n_samples)
        assert noise.shape == (n_samples,) and noise.dtype == np.float32
        spectrum = np.abs(np.fft.rfft(noise[:4000]))
        assert abs(spectrum.argmax() * 4 - 1000) <= 8  # the tone, whatever the file's rate
        assert np.abs(noise).max() == pytest.approx(0.3, abs=0.05)  # mean of two channels


def test_noise_lies_at_its_ratio_under_its_share_of_clips():
    clip = _rng(1).standard_normal(8000).astype(np.float32)
    ratios, untouched = [], 0
    for seed in range(200):
        mixed = under(clip, synthetic, (3.0, 9.0), 0.5, _rng(seed))
        if mixed is clip:
            untouched += 1
        else:
            ratios.append(10 * np.log10((clip**2).sum() / ((mixed - clip) ** 2).sum()))
    assert 70 < untouched < 130 and 2.9 < min(ratios) < 4 and 8 < max(ratios) < 9.1
    silent = np.zeros(100, np.float32)
    assert under(silent, synthetic, (0.0, 0.0), 1.0, _rng()) is silent


def test_published_noise_is_the_recipes_up_to_a_constant(parity):
    vectors = parity("posthoc")
    for clean, noise, mix in zip(
        *(vectors[f"wham/{name}"] for name in ("clean", "noise", "mix")), strict=True
    ):
        ours = under(clean, lambda rng, n, noise=noise: noise, (0.0, 0.0), 1.0, _rng())
        np.testing.assert_allclose(ours / ours.max(), mix, atol=1e-5)


def test_a_band_stop_stops_its_band_alone():
    gain = np.abs(np.fft.rfft(band_stop(0.5, 0.1), 4000))
    at = np.linspace(0, 1, len(gain))
    assert gain[(at > 0.44) & (at < 0.56)].max() < 0.01
    assert np.abs(gain[(at < 0.35) | (at > 0.65)] - 1).max() < 0.01


def test_bands_and_stretches_are_dropped_within_their_limits():
    clip = _rng(2).standard_normal(16000).astype(np.float32)
    dropped = drop_bands(clip, (2, 2), 0.05, _rng(3))
    assert dropped.shape == clip.shape and dropped.dtype == np.float32
    assert 0.6 < (dropped**2).sum() / (clip**2).sum() < 0.95  # two bands of a tenth
    assert drop_bands(clip, (0, 0), 0.05, _rng()) is clip
    for seed in range(20):
        cut = drop_chunks(clip, (1, 3), (100, 200), _rng(seed))
        assert 100 <= (cut == 0).sum() <= 600 and np.array_equal(cut[cut != 0], clip[cut != 0])
    assert drop_chunks(clip, (0, 0), (1, 2), _rng()) is clip
    assert not drop_chunks(clip, (1, 1), (10**6, 10**6), _rng()).any()


def test_a_training_with_noise_is_another_training(tmp_path, folder):
    clips = open_data("sounds:30", kinds="pure_tone,clicks", duration_s=0.5)
    plain = {
        "test_folds": "5",
        "epochs": 1,
        "batch_size": 12,
        "valid": 0.2,
        "options": {"width": 2, "n_mels": 16},
    }
    noisy = {**plain, "noise": str(folder), "drop_bands": (1, 2), "drop_chunks": (1, 2), "drop_share": 1.0}
    train("cnn", clips, tmp_path / "plain", plain)
    train("cnn", clips, tmp_path / "noisy", noisy)
    losses = [
        json.loads((tmp_path / name / "training.json").read_text())["history"][0]["loss"]
        for name in ("plain", "noisy")
    ]
    assert losses[0] != losses[1]
    with pytest.raises(StageError, match="its training differs in config"):
        train("cnn", clips, tmp_path / "plain", noisy)
    kept = json.loads((tmp_path / "plain" / "training.json").read_text())["config"]
    assert "noise" not in kept and "optimiser" not in kept  # what is not used leaves no trace
    with pytest.raises(InputError, match=r"noise '/no/such': there is no such folder"):
        train("cnn", clips, tmp_path / "c", {**plain, "noise": "/no/such"})
    with pytest.raises(InputError, match=r"sound is not varied: leave out noise"):
        train(
            "cnn",
            clips,
            tmp_path / "c",
            {**plain, "noise": "synthetic", "start_from": "x", "freeze": "encoder"},
        )


def test_folds_choose_the_epoch():
    clips = open_data("sounds:50", kinds="pure_tone,clicks", duration_s=0.2)
    asked = {"label_set": None, "test_folds": "5", "test_split": None, "seed": 0}
    parts = split_parts(clips, valid="4", **asked)
    folds = clips.table["fold"].to_numpy()
    assert set(folds[parts.train]) == {1, 2, 3} and set(folds[parts.valid]) == {4}
    with pytest.raises(InputError, match="validation folds 4-5 and the test part share clips"):
        split_parts(clips, valid="4-5", **asked)


def test_published_trainings_are_configs_of_architectures():
    for name, trainings in PRESETS.items():
        for arch, settings in trainings.items():
            assert arch in ARCHITECTURES
            found = TrainConfig.of(preset(name, arch))
            assert found.optimiser == "adam" and found.mixup == 0 and found.options == settings["options"]
    with pytest.raises(UnknownNameError, match=r"preset of train 'x'"):
        preset("x", "cnn")
    with pytest.raises(UnknownNameError, match=r"architecture of l2i-2022 'cnn'.*vgg"):
        preset("l2i-2022", "cnn")
    with pytest.raises(InputError, match="drop_bands is a lowest and a highest number, got 3, 1"):
        TrainConfig(drop_bands=(3, 1))
