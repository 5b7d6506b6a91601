"""The picture of a sound, and the blocks it and all front ends are computed in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio import blockwise, read
from otoscope.audio.mel_scale import centres_hz
from otoscope.audio.picture import log_mel_image
from otoscope.errors import InputError, UnknownNameError


def tone(hz: float, rate: int = 16000, seconds: float = 1.0, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)[None].astype("f4")


@pytest.mark.parametrize("hz", [250.0, 1000.0, 6000.0])
def test_a_tone_is_a_line_at_its_frequency(hz):
    image = log_mel_image(tone(hz), 16000)
    assert image.shape == (96, 101) and image.dtype == np.uint8 and image.max() == 255
    row = int(image[:, 10:90].mean(1).argmax())
    assert centres_hz(96, 16000, scale="htk")[row] == pytest.approx(hz, rel=0.06)
    assert image[(row + 30) % 96, 50] == 0


def test_levels_by_hand():
    """A full-scale sine in the middle of a band has 0 dB; 20 dB less are a quarter of 80 dB."""
    hz = centres_hz(96, 16000, scale="htk")[40]
    full = log_mel_image(tone(hz), 16000, reference="full-scale")
    soft = log_mel_image(tone(hz, amplitude=0.1), 16000, reference="full-scale")
    assert int(full[40, 50]) == pytest.approx(255, abs=6)
    assert int(full[40, 50]) - int(soft[40, 50]) == pytest.approx(255 * 20 / 80, abs=1)
    assert log_mel_image(tone(hz, amplitude=0.1), 16000).max() == 255


def test_columns_average_time():
    sound = np.concatenate([tone(1000), np.zeros((1, 16000), "f4")], 1)
    image = log_mel_image(sound, 16000, n_columns=10, n_mels=40)
    assert image.shape == (40, 10)
    assert (image[:, :4].max(0) > 250).all() and (image[:, 6:] == 0).all()
    assert log_mel_image(sound[:, :300], 16000, n_columns=50).shape == (96, 50)


def test_silence_is_black_and_one_sample_is_enough():
    assert not log_mel_image(np.zeros((1, 8000)), 16000).any()
    assert not log_mel_image(np.zeros((1, 8000)), 16000, reference="full-scale").any()
    assert log_mel_image(np.ones(1), 16000).shape == (96, 1)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 192000])
def test_no_band_is_empty_at_any_rate(rate):
    noise = np.random.default_rng(0).standard_normal((2, rate)).astype("f4")
    assert (log_mel_image(noise, rate).mean(1) > 60).all()
    assert log_mel_image(noise, rate, f_max=3000.0).shape == (96, 101)


def test_errors():
    with pytest.raises(UnknownNameError, match="unknown reference level 'peak'"):
        log_mel_image(tone(1000), 16000, reference="peak")
    with pytest.raises(InputError, match="need samples and range_db > 0, got shape"):
        log_mel_image(tone(1000), 16000, range_db=0)
    with pytest.raises(InputError, match=r"got shape \(1, 0\)"):
        log_mel_image(np.zeros((1, 0)), 16000)


@pytest.mark.real
def test_real_recordings_fill_their_picture(test_data):
    for path in sorted((test_data / "esc10" / "audio").iterdir())[::80]:
        image = log_mel_image(*read.read(path), n_columns=320)
        assert image.shape == (96, 320) and image.max() == 255 and 5 < image.mean() < 220


@pytest.mark.parametrize("n_clips", [1, 2, 7])
@pytest.mark.parametrize(
    "n_samples", [1, 1000, blockwise.SAMPLES_PER_BLOCK // 3, blockwise.SAMPLES_PER_BLOCK + 1]
)
def test_blocks_change_nothing(n_clips, n_samples):
    seeded = torch.Generator().manual_seed(n_clips)
    x = torch.randn(n_clips, 2, n_samples, generator=seeded, dtype=torch.float64).requires_grad_()
    sizes = []

    def transform(block):
        sizes.append(block.numel())
        return torch.stack([block.sum(-1), block.square().sum(-1)], -1)

    got = blockwise.blockwise(transform, x)
    assert got.shape == (n_clips, 2, 2) and sum(sizes) == x.numel()
    assert max(sizes) <= max(n_samples, blockwise.SAMPLES_PER_BLOCK)
    torch.testing.assert_close(got, torch.stack([x.sum(-1), x.square().sum(-1)], -1))
    got.sum().backward()
    torch.testing.assert_close(x.grad, 1 + 2 * x.detach())


def test_half_precision_is_raised():
    assert blockwise.blockwise(lambda x: x, torch.zeros(2, 3, dtype=torch.bfloat16)).dtype == torch.float32
    assert blockwise.blockwise(lambda x: x, torch.zeros(2, 3, dtype=torch.float64)).dtype == torch.float64
