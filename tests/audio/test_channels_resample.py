"""Channel policies and resampling."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio import channels
from otoscope.audio.resample import QUALITIES, resample
from otoscope.errors import InputError, UnknownNameError

STEREO = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, -3.0]], np.float32)


@pytest.mark.parametrize("policy, expected", [("mix", [[2, 2, 0]]), ("first", [[1, 2, 3]]), ("keep", STEREO)])
def test_channel_policies_by_hand(policy, expected):
    got = channels.apply(STEREO, policy)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)
    batch = torch.from_numpy(STEREO).expand(4, 2, 3)
    np.testing.assert_array_equal(channels.apply(batch, policy)[2], expected)


def test_mono_is_left_alone():
    mono = STEREO[:1]
    assert all(channels.apply(mono, policy) is mono for policy in channels.POLICIES)


def test_channel_errors():
    with pytest.raises(UnknownNameError, match=r"unknown channel policy 'mixed'\. Did you mean 'mix'"):
        channels.apply(STEREO, "mixed")
    with pytest.raises(InputError, match=r"expected a waveform \(..., channel, time\), got shape \(3,\)"):
        channels.apply(STEREO[0], "mix")


@pytest.mark.parametrize("quality", ["VHQ", "HQ", "MQ"])
@pytest.mark.parametrize("from_hz, to_hz", [(44100, 16000), (8000, 16000), (16000, 44100), (192000, 16000)])
def test_a_tone_stays_the_same_tone(quality, from_hz, to_hz):
    def tone(rate):
        return 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate + 0.3)

    got = resample(tone(from_hz)[None], from_hz, to_hz, quality)
    assert got.shape == (1, to_hz) and got.dtype == np.float32
    middle = slice(to_hz // 4, 3 * to_hz // 4)
    np.testing.assert_allclose(got[0, middle], tone(to_hz)[middle], atol=2e-4)


def test_what_the_new_rate_cannot_hold_is_removed():
    high = np.sin(2 * np.pi * 9000 * np.arange(44100) / 44100)
    got = resample(high, 44100, 16000)
    assert np.abs(got[2000:-2000]).max() < 1e-4


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("n_samples", [1, 2, 3, 100, 4411])
@pytest.mark.parametrize("from_hz, to_hz", [(44100, 16000), (8000, 44100), (192000, 8000), (11025, 16000)])
def test_length_is_the_rounded_duration(quality, n_samples, from_hz, to_hz):
    got = resample(np.ones((2, 3, n_samples)), from_hz, to_hz, quality)
    assert got.shape == (2, 3, max(1, round(n_samples * to_hz / from_hz)))
    assert np.isfinite(got).all()


def test_channels_are_resampled_one_by_one():
    rng = np.random.default_rng(0)
    both = rng.standard_normal((2, 4000)).astype("f4")
    np.testing.assert_array_equal(resample(both, 8000, 6000)[1], resample(both[1], 8000, 6000))


def test_same_rate_changes_nothing():
    same = np.arange(5, dtype=np.float32)
    assert resample(same, 16000, 16000) is same
    assert resample(same.astype(float), 16000, 16000).dtype == np.float32


def test_resampling_errors():
    with pytest.raises(
        UnknownNameError, match=r"unknown resampling quality 'best'.*Known: HQ, VHQ, MQ, LQ, QQ"
    ):
        resample(np.ones(10), 8000, 16000, "best")
    with pytest.raises(InputError, match="sample rates must be positive, got 0 Hz -> 16000 Hz"):
        resample(np.ones(10), 0, 16000)
    with pytest.raises(InputError, match=r"expected samples \(..., time\), got shape \(1, 0\)"):
        resample(np.ones((1, 0)), 8000, 16000)
