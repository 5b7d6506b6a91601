"""Pitch, its movement and its absence on sounds whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.caption.acoustic import pitch
from otoscope.caption.acoustic.frames import analyse

from .signals import RATE, band_noise, between, harmonics, noise, sine, sweep, vibrato


@pytest.mark.parametrize("hz", [50, 82.4, 130.8, 220, 440, 987.8, 1500, 1900, 2400, 3520, 6000, 9000])
def test_sines(hz):
    found = pitch.measure(analyse(sine(hz)))
    assert 12 * abs(np.log2(found["pitch_hz"] / hz)) < 0.15
    assert found["pitched_share"] > 0.97 and found["pitch_confidence"] > 0.93
    assert found["pitch_range_semitones"] < 0.2


@pytest.mark.parametrize("hz", [45, 70, 110, 233, 466, 800, 1200])
def test_harmonic_tones_have_the_pitch_of_their_fundamental(hz):
    found = pitch.measure(analyse(harmonics(hz)))
    assert 12 * abs(np.log2(found["pitch_hz"] / hz)) < 0.15 and found["pitched_share"] > 0.95


def test_a_missing_fundamental_is_heard():
    wave = sum(sine(200 * k, amplitude=0.1) for k in (3, 4, 5, 6))
    assert pitch.measure(analyse(wave))["pitch_hz"] == pytest.approx(200, rel=0.01)


@pytest.mark.parametrize("wave", [noise(), band_noise(2000, 6000), band_noise(100, 3000)])
def test_noise_has_none(wave):
    found = pitch.measure(analyse(wave))
    assert found["pitched_share"] < 0.02 and found["pitch_confidence"] < 0.45
    assert "pitch_slope_semitones_per_s" not in found


def test_pitch_in_noise_at_12_db():
    tone = harmonics(300)
    mixed = tone + noise(amplitude=float(tone.std()) * 10 ** (-12 / 20))
    found = pitch.measure(analyse(mixed))
    assert found["pitch_hz"] == pytest.approx(300, rel=0.01) and found["pitched_share"] > 0.9


def test_silence_around_a_tone_does_not_count():
    inner, outer = sine(440), between(sine(440), 2, 1)
    one, two = (pitch.measure(analyse(wave)) for wave in (inner, outer))
    assert two["pitch_hz"] == pytest.approx(one["pitch_hz"], rel=1e-3) and two["pitched_share"] > 0.95


@pytest.mark.parametrize(("from_hz", "to_hz"), [(300, 600), (1200, 400), (3000, 6000)])
def test_glides(from_hz, to_hz):
    found = pitch.measure(analyse(sweep(from_hz, to_hz)))
    travelled = 12 * np.log2(to_hz / from_hz)
    assert found["pitch_slope_semitones_per_s"] == pytest.approx(travelled / 2, rel=0.05)
    assert found["pitch_sweep_semitones"] == pytest.approx(travelled, rel=0.06)
    assert found["pitch_range_semitones"] == pytest.approx(0.8 * abs(travelled), rel=0.06)


@pytest.mark.parametrize(("rate_hz", "semitones"), [(5.0, 0.5), (3.0, 2.0), (7.0, 1.0)])
def test_vibrato(rate_hz, semitones):
    found = pitch.measure(analyse(vibrato(600, rate_hz, semitones)))
    assert found["vibrato_rate_hz"] == pytest.approx(rate_hz, abs=0.15)
    assert found["vibrato_depth_semitones"] == pytest.approx(semitones, rel=0.12)


def test_a_steady_tone_has_no_vibrato():
    assert pitch.measure(analyse(sine(600, 3.0)))["vibrato_depth_semitones"] < 0.02


def test_difference_function_against_plain_loops():
    """Equation 6 and 8 of the paper on one frame, term by term."""
    wave = (harmonics(150, 0.2) + noise(0.2, 0.01)).astype(np.float32)
    frames = analyse(wave)
    fast = pitch._difference(frames)[3]
    centred = frames.waveform.astype(np.float64) - frames.waveform.mean()
    size = pitch._WINDOW + pitch._LONGEST_LAG
    padded = np.pad(centred, (size // 2 - 100, size + 400))[3 * 400 :]
    raw = [((padded[:640] - padded[lag : lag + 640]) ** 2).sum() for lag in range(400)]
    for lag in (20, 66, 133, 267, 399):
        expected = raw[lag] * lag / sum(raw[1 : lag + 1])
        assert fast[lag] == pytest.approx(expected, rel=2e-3, abs=2e-3)


def test_silence_and_tiny_clips():
    assert pitch.measure(analyse(np.zeros(RATE, np.float32))) == {}
    for n_samples in (1, 50, 300):
        pitch.measure(analyse(np.full(n_samples, 0.5, np.float32)))
