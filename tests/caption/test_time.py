"""Onsets, attack, decay, rhythm and modulation on sounds whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.caption.acoustic import modulation, onsets
from otoscope.caption.acoustic.frames import analyse

from .signals import RATE, between, clicks, harmonics, noise, seconds, sine, tremolo


@pytest.mark.parametrize("rate_hz", [0.8, 1.0, 2.0, 3.3, 6.0])
def test_regular_clicks(rate_hz):
    times = np.arange(0.1, 4.9, 1 / rate_hz)
    found = onsets.measure(analyse(clicks(times)))
    assert found["onset_count"] == times.size
    assert found["rhythm_rate_hz"] == pytest.approx(rate_hz, rel=0.02)
    assert found["rhythm_strength"] > 0.9


def test_irregular_clicks_have_a_weak_rhythm():
    gaps = np.random.default_rng(2).uniform(0.08, 0.5, 40)
    times = 0.1 + np.cumsum(gaps)
    found = onsets.measure(analyse(clicks(times[times < 4.9])))
    assert found["rhythm_strength"] < 0.5
    assert found["onset_count"] == pytest.approx((times < 4.9).sum(), abs=1)


def test_onsets_are_where_the_clicks_are():
    times = np.array([0.5, 0.9, 1.7, 3.0])
    places = onsets.onset_places(onsets.rises(analyse(clicks(times)))) * 0.005
    np.testing.assert_allclose(places, times, atol=0.02)


def test_onsets_over_a_background():
    times = np.arange(0.3, 4.9, 0.5)
    found = onsets.measure(analyse(clicks(times, length_s=0.03) + noise(5.0, 0.005)))
    assert found["onset_count"] == times.size


@pytest.mark.parametrize("wave", [noise(3.0), sine(300, 3.0), harmonics(150, 3.0)])
def test_steady_sounds_have_no_onset(wave):
    found = onsets.measure(analyse(wave))
    assert found["onset_count"] == 0
    assert "attack_s" not in found and "rhythm_rate_hz" not in found


@pytest.mark.parametrize("ramp_s", [0.05, 0.2, 0.5])
def test_attack_of_a_linear_ramp(ramp_s):
    """From 10 to 90 % of a straight ramp is 80 % of it."""
    ramp = np.minimum(seconds(1.5) / ramp_s, 1.0)
    found = onsets.measure(analyse(between((ramp * sine(1000, 1.5)).astype(np.float32), 0.5, 0.5)))
    assert found["attack_s"] == pytest.approx(0.8 * ramp_s, abs=0.012)


@pytest.mark.parametrize("constant_s", [0.05, 0.15, 0.3])
def test_decay_of_an_exponential(constant_s):
    """From 90 to 10 % takes ln 9 = 2.197 time constants."""
    tone = np.exp(-seconds(2.5) / constant_s) * sine(1000, 2.5)
    found = onsets.measure(analyse(between(tone.astype(np.float32), 0.3, 0.2)))
    assert found["decay_s"] == pytest.approx(2.197 * constant_s, rel=0.08, abs=0.01)
    assert found["attack_s"] < 0.02


def test_flanks_outside_the_clip_are_not_measured():
    starts_at_once = onsets.measure(analyse(between(sine(1000, 1.0), 0, 1.0)))
    assert "attack_s" not in starts_at_once and starts_at_once["decay_s"] < 0.02
    cut_off = onsets.measure(analyse(between(sine(1000, 1.0), 1.0, 0)))
    assert "decay_s" not in cut_off and cut_off["attack_s"] < 0.02


@pytest.mark.parametrize(("rate_hz", "depth"), [(1.5, 0.5), (4.0, 0.8), (8.0, 0.3), (20.0, 0.6), (70.0, 0.9)])
def test_amplitude_modulation(rate_hz, depth):
    found = modulation.measure(analyse(tremolo(1500, rate_hz, depth)))
    assert found["am_rate_hz"] == pytest.approx(rate_hz, abs=0.12)
    assert found["am_depth"] == pytest.approx(depth, rel=0.05)
    assert found["am_prominence"] > 5


def test_modulated_noise():
    t = seconds(4.0)
    wave = ((1 + 0.7 * np.cos(2 * np.pi * 6 * t)) * noise(4.0)).astype(np.float32)
    found = modulation.measure(analyse(wave))
    assert found["am_rate_hz"] == pytest.approx(6.0, abs=0.1) and found["am_depth"] == pytest.approx(
        0.7, rel=0.1
    )


def test_bands_of_fluctuation():
    """The RMS of a cosine of depth m is m / sqrt(2), in the band that holds its rate."""
    slow, fast = (modulation.measure(analyse(tremolo(2000, rate, 0.6))) for rate in (8.0, 70.0))
    assert slow["flutter"] == pytest.approx(0.6 / np.sqrt(2), rel=0.05) and slow["roughness"] < 0.02
    assert fast["roughness"] == pytest.approx(0.6 / np.sqrt(2), rel=0.05) and fast["flutter"] < 0.02


def test_beats_of_two_tones():
    """Equal sines 5 Hz apart beat 5 times a second."""
    found = modulation.measure(analyse(sine(1000, 3.0, 0.2) + sine(1005, 3.0, 0.2)))
    assert found["am_rate_hz"] == pytest.approx(5.0, abs=0.1)


def test_a_steady_sound_is_not_modulated():
    assert modulation.measure(analyse(sine(700, 3.0)))["am_depth"] < 0.01
    assert modulation.measure(analyse(noise(4.0)))["am_depth"] < 0.05


def test_silence_and_tiny_clips():
    for family in (onsets, modulation):
        assert family.measure(analyse(np.zeros(RATE, np.float32))) == {}
        family.measure(analyse(np.full(40, 0.5, np.float32)))
    assert modulation.measure(analyse(noise(0.2))) == {}
