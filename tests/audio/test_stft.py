"""Windows and the STFT: by hand, by a plain sum, against librosa, scipy, torch and the reference numbers."""

from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from otoscope.audio import taper
from otoscope.audio.stft import StftSettings, istft, magnitude, make_window, stft
from otoscope.errors import InputError, UnknownNameError

RNG = np.random.default_rng(5)
SPEECHBRAIN = StftSettings(1024, 186, 372, window="hamming")


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(RNG.standard_normal(shape).astype("f4"))


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "boxcar"])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("length", [1, 2, 7, 512])
def test_windows_are_scipys(name, periodic, length):
    if length == 1:
        assert taper.window(name, 1, periodic=periodic).shape == (1,)
        return
    expected = scipy.signal.get_window(name, length, fftbins=periodic)
    np.testing.assert_allclose(taper.window(name, length, periodic=periodic), expected, atol=1e-7)


def test_windows_by_hand():
    np.testing.assert_allclose(taper.window("hann", 4), [0, 0.5, 1, 0.5], atol=1e-8)
    np.testing.assert_allclose(taper.window("povey", 3, periodic=False), [0, 1, 0], atol=1e-8)
    assert float(taper.window("povey", 5, periodic=False)[1]) == pytest.approx(0.5**0.85)


def test_kaldi_windows(parity):
    vectors = parity("networks")
    for ours, theirs in (("povey", "povey"), ("hann", "hanning")):
        expected = vectors[f"fbank/window_{theirs}"]
        np.testing.assert_allclose(taper.window(ours, 400, periodic=False), expected, atol=1e-6)


def by_sums(x: np.ndarray, settings: StftSettings) -> np.ndarray:
    """Return the definition, one coefficient after the other."""
    n, half = settings.n_fft, settings.n_fft // 2
    if settings.center:
        mode = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}[settings.pad_mode]
        x = np.pad(x, half, mode=mode)
    w = np.zeros(n)
    left = (n - settings.frame_length) // 2
    w[left : left + settings.frame_length] = make_window(settings).numpy()
    frequencies = range(half + 1 if settings.one_sided else n)
    starts = range(0, len(x) - n + 1, settings.hop_length)
    turn = -2j * np.pi / n
    return np.array(
        [[sum(w[t] * x[m + t] * np.exp(turn * k * t) for t in range(n)) for m in starts] for k in frequencies]
    )


@pytest.mark.parametrize(
    "settings",
    [
        StftSettings(8, 3),
        StftSettings(8, 3, center=False),
        StftSettings(9, 4, 5, window="hamming", periodic=False),
        StftSettings(8, 8, pad_mode="reflect", one_sided=False),
        StftSettings(10, 2, pad_mode="replicate", window="boxcar"),
    ],
)
def test_the_definition(settings):
    x = noise(29)
    got = stft(x, settings)
    np.testing.assert_allclose(got, by_sums(x.double().numpy(), settings), atol=1e-5)
    assert got.shape == (settings.n_frequencies, settings.n_frames(29))


@pytest.mark.parametrize("win_length", [None, 300])
@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("center", [True, False])
def test_librosas(win_length, pad_mode, center):
    x = noise(5000)
    settings = StftSettings(512, 128, win_length, center=center, pad_mode=pad_mode)
    expected = librosa.stft(
        x.numpy(), n_fft=512, hop_length=128, win_length=win_length, center=center, pad_mode=pad_mode
    )
    np.testing.assert_allclose(stft(x, settings), expected, atol=3e-5)


def test_speechbrains(parity):
    vectors = parity("posthoc")
    waveform = torch.from_numpy(vectors["stft/wav"])
    spectrum = stft(waveform, SPEECHBRAIN)
    np.testing.assert_allclose(torch.view_as_real(spectrum.mT), vectors["stft/stft"], atol=2e-5)
    log_magnitude = torch.log1p(magnitude(spectrum, eps=1e-14)).mT
    np.testing.assert_allclose(log_magnitude, vectors["stft/log1p_mag"], atol=1e-5)
    np.testing.assert_allclose(istft(spectrum, SPEECHBRAIN), vectors["stft/recon_wav"], atol=1e-5)
    rebuilt = torch.from_numpy(np.expm1(vectors["stft/log1p_mag"]) * np.exp(1j * vectors["stft/phase"])).mT
    np.testing.assert_allclose(istft(rebuilt, SPEECHBRAIN), vectors["stft/recon_wav"], atol=1e-5)


def test_speechbrains_milliseconds_and_frames(parity):
    vectors = parity("posthoc")
    for rate, key in ((16000, "16k"), (44100, "44k")):
        hop, win = (round(rate * ms / 1000) for ms in (11.6099, 23.2199))
        np.testing.assert_array_equal(vectors[f"stft/{rate}_hop_win"], [hop, win])
        settings = replace(SPEECHBRAIN, hop_length=hop, win_length=win)
        assert settings.n_frames(5 * rate) == vectors[f"stft/frames_5s_{key}"][1]


@pytest.mark.parametrize(
    "settings",
    [
        StftSettings(512, 128),
        StftSettings(512, 128, 400, window="hamming"),
        StftSettings(512, 128, pad_mode="reflect"),
        StftSettings(512, 100, one_sided=False),
        StftSettings(511, 100),
        StftSettings(512, 512, window="boxcar", center=False),
        StftSettings(512, 128, window="hamming", center=False),
    ],
)
def test_the_inverse_gives_the_waveform_back(settings):
    x = noise(2, 3, 4096)
    back = istft(stft(x, settings), settings, length=4096)
    covered = 4096 if settings.center else (settings.n_frames(4096) - 1) * settings.hop_length + 512
    assert back.shape == x.shape
    np.testing.assert_allclose(back[..., :covered], x[..., :covered], atol=1e-5)
    np.testing.assert_array_equal(back[..., covered:], 0)


def test_the_inverse_is_torchs_on_an_edited_spectrum():
    settings = StftSettings(256, 64, 200)
    edited = stft(noise(2, 3000), settings) * torch.rand(2, 129, settings.n_frames(3000))
    for length in (None, 2900, 3000):
        expected = torch.istft(edited, 256, 64, 200, make_window(settings), length=length)
        np.testing.assert_allclose(istft(edited, settings, length), expected, atol=1e-6)


def test_samples_without_a_window_are_silent_not_infinite():
    settings = StftSettings(64, 64, 16, center=False)
    back = istft(stft(noise(64 * 4), settings), settings)
    assert torch.isfinite(back).all() and back[0] == 0 and back[64] == 0 and back[32] != 0


def test_gradients():
    settings = StftSettings(16, 6, 12)
    x = torch.randn(2, 40, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: istft(stft(w, settings), settings, 40), (x,))
    assert torch.autograd.gradcheck(lambda w: magnitude(stft(w, settings), eps=1e-8), (x,))
    silence = torch.zeros(40, requires_grad=True)
    magnitude(stft(silence, settings), eps=1e-14).sum().backward()
    assert torch.isfinite(silence.grad).all()


def test_energy_is_kept():
    x = noise(4096)
    spectrum = stft(x, StftSettings(512, 512, window="boxcar", center=False, one_sided=False))
    assert float(magnitude(spectrum, 2).sum() / 512) == pytest.approx(float(x.square().sum()), rel=1e-5)


def test_magnitude_by_hand():
    spectrum = torch.tensor([3 + 4j, 0j])
    assert magnitude(spectrum).tolist() == [5, 0]
    assert magnitude(spectrum, 2).tolist() == [25, 0]
    assert magnitude(spectrum, 0.5).tolist() == pytest.approx([5**0.5, 0])
    assert magnitude(spectrum, eps=1e-14).tolist() == pytest.approx([5, 1e-7])


def test_times():
    assert StftSettings(1024, 320).frame_times_s(16000) == (0.02, 0.0)
    assert StftSettings(1024, 320, center=False).frame_times_s(16000) == (0.02, 0.032)
    click = torch.zeros(16000)
    click[8000] = 1
    for settings in (StftSettings(512, 80), StftSettings(512, 80, 256, center=False)):
        stride, offset = settings.frame_times_s(16000)
        loudest = int(magnitude(stft(click, settings)).sum(0).argmax())
        assert offset + loudest * stride == pytest.approx(0.5, abs=stride / 2)


def test_errors():
    with pytest.raises(
        InputError, match="reflect padding by 256 samples needs a longer waveform, got 256 samples"
    ):
        stft(noise(256), StftSettings(512, 128, pad_mode="reflect"))
    with pytest.raises(InputError, match="100 samples are too few for one frame of 512; pad the clip"):
        stft(noise(100), StftSettings(512, 128, center=False))
    with pytest.raises(InputError, match="0 samples are too few"):
        stft(noise(0), StftSettings(512, 128))
    with pytest.raises(InputError, match="expected 257 frequencies, got 256"):
        istft(torch.zeros(256, 3, dtype=torch.complex64), StftSettings(512, 128))
    with pytest.raises(InputError, match=r"win_length must be in 1 \.\. n_fft = 512, got 600"):
        StftSettings(512, 128, 600)
    with pytest.raises(InputError, match="need n_fft >= 2 and hop_length >= 1, got 512 and 0"):
        StftSettings(512, 0)
    with pytest.raises(UnknownNameError, match=r"unknown window 'hanning'\. Did you mean 'hann'"):
        StftSettings(512, 128, window="hanning")
    with pytest.raises(UnknownNameError, match="unknown pad mode 'zeros'"):
        StftSettings(512, 128, pad_mode="zeros")
    with pytest.raises(UnknownNameError, match="unknown window 'kaiser'"):
        taper.window("kaiser", 8)


def test_one_sample_is_enough_when_padded_with_zeros():
    assert stft(noise(1), StftSettings(512, 128)).shape == (257, 1)
