"""Kaldi's filter bank: the reference numbers, a slow exact computation, precision, edges."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from otoscope.audio.fbank import PRESETS, FbankSettings, KaldiFbank, kaldi_fbank, preset
from otoscope.errors import InputError, UnknownNameError

RNG = np.random.default_rng(13)
RAW = {name: replace(PRESETS[name], mean=0.0, divisor=1.0, n_frames=None) for name in ("beats", "ast")}


@pytest.mark.parametrize("wave", ["w1", "w2"])
@pytest.mark.parametrize(
    "key, settings, limit",
    [
        ("beats_raw", RAW["beats"], 5e-3),
        ("beats_norm", PRESETS["beats"], 4e-4),
        ("ast_torchaudio_raw", RAW["ast"], 5e-3),
        ("ast_numpy_raw", RAW["ast"], 5e-6),
        ("ast_torchaudio_input_values", PRESETS["ast"], 5e-4),
        ("ast_numpy_input_values", PRESETS["ast"], 1e-6),
    ],
)
def test_reference_numbers(parity, wave, key, settings, limit):
    vectors = parity("networks")
    expected = vectors[f"fbank/{key}_{wave}"]
    got = kaldi_fbank(torch.from_numpy(vectors[f"fbank/{wave}"]), settings).mT
    np.testing.assert_allclose(got[: len(expected)], expected, rtol=0, atol=limit)
    if settings.n_frames:
        assert got.shape == (1024, 128)
        np.testing.assert_allclose(got[len(expected) :], 0.4670324, atol=1e-6)


def slowly(x: np.ndarray, s: FbankSettings) -> np.ndarray:
    """Return the definition in float64, frame by frame, filter by filter: (mel, frame)."""
    x = x.astype(float) * s.gain
    n, top = s.frame_length, s.sample_rate / 2

    def to_mel(hz):
        return 1127 * math.log(1 + hz / 700)

    edges = np.linspace(to_mel(s.f_min), to_mel(top), s.n_mels + 2)
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * t / (n - 1)) for t in range(n)]
    window = np.array({"povey": [h**0.85 for h in hann], "hann": hann, "boxcar": [1.0] * n}[s.window])
    columns = []
    for start in range(0, len(x) - n + 1, s.hop_length):
        frame = x[start : start + n] - x[start : start + n].mean()
        emphasised = np.array([frame[t] - s.preemphasis * frame[max(t - 1, 0)] for t in range(n)])
        power = np.abs(np.fft.rfft(emphasised * window, s.n_fft)) ** 2
        bands = []
        for left, tip, right in zip(edges, edges[1:], edges[2:]):
            energy = 0.0
            for k in range(s.n_fft // 2):
                m = to_mel(k * s.sample_rate / s.n_fft)
                energy += max(0.0, min((m - left) / (tip - left), (right - m) / (right - tip))) * power[k]
            bands.append(math.log(max(energy, 2.0**-23)))
        columns.append(bands)
    return (np.array(columns).T - s.mean) / s.divisor


@pytest.mark.parametrize(
    "settings",
    [
        FbankSettings(8000, 10, 100, 40),
        FbankSettings(16000, 24, 400, 160, window="boxcar", gain=32768.0, mean=3.0, divisor=2.0),
        FbankSettings(16000, 12, 256, 100, window="hann", preemphasis=0.0, f_min=0.0),
    ],
)
def test_the_definition_by_loops(settings):
    x = (0.3 * RNG.standard_normal(1000) + 0.1).astype("f4")
    expected = slowly(x, settings)
    np.testing.assert_allclose(kaldi_fbank(torch.from_numpy(x), settings), expected, atol=1e-5)


def test_almost_silent_bands_beside_a_loud_tone_are_exact():
    """A float32 transform is wrong by 1e-3 and more here."""
    time = np.arange(4000) / 16000
    x = (0.9 * np.sin(2 * np.pi * 6000 * time) + 1e-5 * np.sin(2 * np.pi * 300 * time)).astype("f4")
    settings = replace(RAW["beats"], n_mels=40)
    got = kaldi_fbank(torch.from_numpy(x), settings)
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got, slowly(x, settings), atol=1e-5)


def test_axes_and_batches():
    x = torch.from_numpy(RNG.standard_normal((3, 2, 70000)).astype("f4"))
    bank = KaldiFbank(PRESETS["beats"])
    got = bank(x)
    assert got.shape == (3, 2, 128, 436)
    np.testing.assert_allclose(got[1, 1], bank(x[1, 1]), atol=1e-5)
    np.testing.assert_allclose(got[:, 0], bank(x[:, 0]), atol=1e-5)


def test_padding_comes_before_normalising_and_long_clips_are_cut():
    settings = replace(PRESETS["ast"], n_frames=50)
    x = torch.from_numpy(RNG.standard_normal(16000).astype("f4"))
    np.testing.assert_array_equal(
        kaldi_fbank(x, settings), kaldi_fbank(x, replace(settings, n_frames=None))[:, :50]
    )
    padded = kaldi_fbank(x[:4000], settings)
    np.testing.assert_allclose(padded[:, 23:], 4.2677393 / (2 * 4.5689974), atol=1e-6)


def test_silence_is_the_floor():
    np.testing.assert_allclose(kaldi_fbank(torch.zeros(800), "kaldi"), -15.942385, atol=1e-6)
    constant = kaldi_fbank(torch.full((800,), 0.5), RAW["ast"])
    np.testing.assert_allclose(constant, -15.942385, atol=1e-6)


def test_gradients():
    bank = KaldiFbank(FbankSettings(800, 6, 40, 16, f_min=0.0))
    x = torch.randn(2, 1, 90, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(bank, (x,))
    single = torch.randn(1, 1, 2000, requires_grad=True)
    kaldi_fbank(single, "beats").sum().backward()
    assert single.grad.dtype == torch.float32 and torch.isfinite(single.grad).all()


def test_from_magnitude_enters_after_the_spectrum():
    x = torch.from_numpy(RNG.standard_normal((2, 1, 4000)).astype("f4"))
    bank = KaldiFbank(PRESETS["beats"])
    spectrum = bank.spectrum(x)
    assert spectrum.shape == (2, 1, 257, 23)
    np.testing.assert_allclose(bank.from_magnitude(spectrum.abs()), bank(x), atol=1e-5)


def test_precision_survives_casts_and_mixed_precision():
    x = torch.from_numpy(RNG.standard_normal((1, 4000)).astype("f4"))
    bank = KaldiFbank(PRESETS["ast"])
    expected = bank(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(bank(x), expected)
    np.testing.assert_array_equal(bank.double().float()(x), expected)
    assert bank.state_dict() == {}


def test_times():
    assert PRESETS["ast"].frame_times_s() == (0.01, 0.0125)
    assert (PRESETS["ast"].n_fft, FbankSettings(frame_length=512).n_fft) == (512, 512)


def test_errors():
    with pytest.raises(InputError, match="a frame has 400 samples, the waveform only 399; pad the clip"):
        kaldi_fbank(torch.zeros(1, 399), "beats")
    with pytest.raises(UnknownNameError, match=r"unknown fbank preset 'beat'\. Did you mean 'beats'"):
        preset("beat")
    assert kaldi_fbank(torch.zeros(1, 400), "beats").shape == (1, 128, 1)
