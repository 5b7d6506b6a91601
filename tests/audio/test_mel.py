"""Mel filterbanks and spectrograms: by hand, by loops, against librosa and the reference numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch

from otoscope.audio import mel, mel_scale
from otoscope.audio.fbank import PRESETS, KaldiFbank
from otoscope.audio.mel import MelSettings, MelSpectrogram, compress
from otoscope.audio.mel_scale import SCALES, centres_hz, empty_filters, filterbank, hz_to_mel, mel_to_hz
from otoscope.audio.stft import StftSettings, istft, magnitude, stft
from otoscope.errors import InputError, UnknownNameError

RNG = np.random.default_rng(11)


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(RNG.standard_normal(shape).astype("f4"))


def test_scales_by_hand():
    hz = torch.tensor([0.0, 200.0, 1000.0, 6400.0], dtype=torch.float64)
    np.testing.assert_allclose(hz_to_mel(hz, "slaney"), [0, 3, 15, 42], atol=1e-12)
    assert float(hz_to_mel(torch.tensor(700.0), "htk")) == pytest.approx(2595 * math.log10(2), rel=1e-6)
    assert float(hz_to_mel(torch.tensor(700.0), "kaldi")) == pytest.approx(1127 * math.log(2), rel=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_scales_are_inverted(scale):
    hz = torch.linspace(0, 20000, 999, dtype=torch.float64)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz, scale), scale), hz, atol=1e-8)


@pytest.mark.parametrize("htk", [True, False])
@pytest.mark.parametrize("area", [True, False])
@pytest.mark.parametrize(
    "rate, n_fft, n_mels, f_min, f_max",
    [
        (16000, 1024, 64, 0, None),
        (44100, 2048, 128, 50, 14000),
        (8000, 255, 20, 0, 4000),
        (22050, 512, 40, 300, 8000),
    ],
)
def test_librosas(htk, area, rate, n_fft, n_mels, f_min, f_max):
    expected = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max, htk=htk, norm="slaney" if area else None
    )
    scale = "htk" if htk else "slaney"
    got = filterbank(n_mels, n_fft, rate, f_min, f_max, scale=scale, area_normalised=area)
    np.testing.assert_allclose(got, expected, atol=1e-6 if not area else 1e-8)


def test_area_normalisation_gives_area_one():
    fine = filterbank(10, 2**16, 16000, 300, 7000, scale="htk", area_normalised=True)
    np.testing.assert_allclose(fine.sum(1) * 16000 / 2**16, 1.0, rtol=1e-4)


def test_speechbrains_filters_by_a_loop():
    edges = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(0, 2595 * math.log10(1 + 8000 / 700), 82)]
    expected = np.zeros((80, 513))
    for i in range(80):
        half_width = edges[i + 1] - edges[i]
        for k in range(513):
            expected[i, k] = max(0.0, 1 - abs(k * 8000 / 512 - edges[i + 1]) / half_width)
    np.testing.assert_allclose(filterbank(80, 1024, 16000, scale="speechbrain"), expected, atol=1e-6)


def test_kaldis_filters(parity):
    got = filterbank(128, 512, 16000, 20, scale="kaldi")
    np.testing.assert_allclose(got[:, :256], parity("networks")["fbank/mel_banks_128x256"], atol=5e-5)
    np.testing.assert_array_equal(got[:, 256], 0)
    assert empty_filters(got) == (3,)


def test_panns_filters(parity):
    expected = parity("networks")["panns/melW_513x64"]
    np.testing.assert_allclose(filterbank(64, 1024, 32000, 50, 14000).T, expected, atol=1e-8)


@pytest.mark.parametrize("scale", SCALES)
def test_centres_are_where_the_filters_peak(scale):
    fine = filterbank(32, 2**15, 16000, 20, 7600, scale=scale, area_normalised=False)
    peaks = fine.argmax(1) * 16000 / 2**15
    np.testing.assert_allclose(centres_hz(32, 16000, 20, 7600, scale=scale), peaks, atol=0.5)
    np.testing.assert_allclose(fine.max(1).values, 1.0, atol=0.01)


def test_filterbank_errors():
    with pytest.raises(
        UnknownNameError, match=r"unknown mel scale 'bark'\. Known: slaney, htk, kaldi, speechbrain"
    ):
        filterbank(40, 512, 16000, scale="bark")
    with pytest.raises(InputError, match=r"f_max <= half the rate \(8000 Hz\), got 0 and 9000"):
        filterbank(40, 512, 16000, 0, 9000)
    with pytest.raises(InputError, match="got 500 and 400"):
        filterbank(40, 512, 16000, 500, 400)
    with pytest.raises(InputError, match=r"need at least one mel band, got 0"):
        filterbank(0, 512, 16000)
    with pytest.raises(InputError, match="filters of scale 'kaldi' have height 1"):
        filterbank(40, 512, 16000, scale="kaldi", area_normalised=True)


def test_panns_log_mel(parity):
    vectors = parity("networks")
    got = MelSpectrogram(mel.PANNS_32K)(torch.from_numpy(vectors["panns/wav_32k"])[:, None])
    np.testing.assert_allclose(got.mT, vectors["panns/logmel"], atol=5e-4)


def test_speechbrains_log_mel(parity):
    vectors = parity("posthoc")
    waveform = torch.from_numpy(vectors["stft/wav"])
    module = MelSpectrogram(mel.SPEECHBRAIN_ESC50)
    np.testing.assert_allclose(module(waveform).mT, vectors["stft/log1p_mel80"], rtol=1e-5, atol=1e-5)
    magnitudes = torch.from_numpy(np.expm1(vectors["stft/log1p_mag"])).mT
    np.testing.assert_allclose(
        module.from_magnitude(magnitudes).mT, vectors["stft/log1p_mel80"], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("top_db", [None, 30.0])
def test_librosas_log_mel(power, top_db):
    x = noise(8000)
    settings = MelSettings(16000, StftSettings(512, 160), 40, power=power, top_db=top_db)
    bands = librosa.feature.melspectrogram(
        y=x.numpy(), sr=16000, n_fft=512, hop_length=160, n_mels=40, power=power, pad_mode="constant"
    )
    expected = librosa.power_to_db(bands, top_db=top_db)
    np.testing.assert_allclose(MelSpectrogram(settings)(x), expected, atol=2e-4)


def test_compressions_by_hand():
    bands = torch.tensor([[0.0, 1e-12, 1.0, 100.0]])
    assert compress(bands, "none") is bands
    np.testing.assert_allclose(compress(bands, "db"), [[-100, -100, 0, 20]], atol=1e-5)
    np.testing.assert_allclose(compress(bands, "db", top_db=30.0), [[-10, -10, 0, 20]], atol=1e-5)
    np.testing.assert_allclose(compress(bands, "log10", floor=1e-5), [[-5, -5, 0, 2]], atol=1e-6)
    np.testing.assert_allclose(compress(bands, "ln", floor=1.0), [[0, 0, 0, math.log(100)]], rtol=1e-6)
    np.testing.assert_allclose(compress(bands, "log1p"), [[0, 0, math.log(2), math.log(101)]], atol=1e-6)
    with pytest.raises(UnknownNameError, match="unknown compression 'log'"):
        compress(bands, "log")


def test_settings_errors():
    with pytest.raises(UnknownNameError, match="unknown compression 'dB'"):
        replace(mel.PANNS_32K, compression="dB")
    with pytest.raises(InputError, match="top_db needs compression='db', got 'ln'"):
        replace(mel.PANNS_32K, compression="ln", top_db=80.0)
    with pytest.raises(InputError, match="needs a one-sided STFT"):
        replace(mel.PANNS_32K, stft=StftSettings(512, 160, one_sided=False))


@pytest.mark.parametrize("shape", [(70000,), (1, 70000), (5, 2, 70000), (2, 1, 2, 900)])
def test_any_axes_before_time_and_blocks_change_nothing(shape):
    x = noise(*shape)
    module = MelSpectrogram(MelSettings(16000, StftSettings(512, 160), 40))
    got = module(x)
    assert got.shape == (*shape[:-1], 40, module.settings.stft.n_frames(shape[-1]))
    one_by_one = torch.stack([module(row) for row in x.reshape(-1, shape[-1])]).reshape(got.shape)
    np.testing.assert_allclose(got, one_by_one, atol=1e-4)


def test_from_magnitude_enters_after_the_stft():
    module = MelSpectrogram(MelSettings(16000, StftSettings(512, 160), 40))
    x = noise(2, 1, 4000)
    again = module.from_magnitude(magnitude(stft(x, module.settings.stft)))
    np.testing.assert_allclose(again, module(x), atol=1e-3)


@pytest.mark.parametrize("settings", [mel.SPEECHBRAIN_ESC50, replace(mel.PANNS_16K, compression="ln")])
def test_gradients_reach_the_waveform(settings):
    small = replace(
        settings, sample_rate=800, stft=replace(settings.stft, n_fft=64, hop_length=30, win_length=40)
    )
    module = MelSpectrogram(replace(small, n_mels=6, f_min=0.0, f_max=None)).double()
    x = torch.randn(2, 1, 150, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,))


def test_mixed_precision_outside_changes_nothing_inside():
    module = MelSpectrogram(MelSettings(16000, StftSettings(512, 160), 40))
    x = 100 * noise(2, 1, 4000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = module(x)
    assert inside.dtype == torch.float32
    np.testing.assert_array_equal(inside, module(x))
    assert torch.isfinite(module(x.to(torch.float16))).all()


def test_buffers_are_not_weights():
    module = MelSpectrogram(mel.PANNS_32K)
    assert module.state_dict() == {} and list(module.parameters()) == []
    assert {name for name, _ in module.named_buffers()} == {"window", "weights"}
    assert len(module.frequency_hz) == 64 and 50 < module.frequency_hz[0] < module.frequency_hz[-1] < 14000


def test_a_tone_is_heard_in_its_band():
    module = MelSpectrogram(MelSettings(16000, StftSettings(1024, 320), 64))
    for hz in (200.0, 1000.0, 5000.0):
        tone = torch.sin(2 * torch.pi * hz * torch.arange(16000) / 16000)
        loudest = int(module(tone).mean(-1).argmax())
        assert module.frequency_hz[loudest] == pytest.approx(hz, rel=0.1)


def test_names_of_the_two_modules_agree():
    assert mel.filterbank is mel_scale.filterbank and mel.centres_hz is mel_scale.centres_hz


@pytest.mark.parametrize("build", [lambda: MelSpectrogram(mel.PANNS_16K), lambda: KaldiFbank(PRESETS["ast"])])
def test_everything_follows_the_module_to_another_device(build):
    """The device without memory refuses to mix with the CPU just as an accelerator does."""
    module = build().to("meta")
    got = module(torch.empty(3, 1, 80000, device="meta"))
    assert got.device.type == "meta" and got.shape[:2] == (3, 1)
    settings = StftSettings(512, 160)
    spectrum = stft(torch.empty(2, 8000, device="meta"), settings)
    assert istft(spectrum, settings, 8000).device.type == "meta"
