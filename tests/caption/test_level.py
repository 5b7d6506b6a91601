"""Level, loudness, trend, silence and events on sounds whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.caption.acoustic import level, silence
from otoscope.caption.acoustic.frames import FLOOR_DB, HOP, analyse, decibels, runs
from otoscope.caption.acoustic.loudness import loudness_lufs

from .signals import RATE, between, clicks, noise, seconds, sine


def test_a_full_scale_sine():
    found = level.measure(analyse(sine(1000, amplitude=1.0)))
    assert found["level_rms_dbfs"] == pytest.approx(-3.01, abs=0.01)
    assert found["level_peak_dbfs"] == pytest.approx(0.0, abs=0.01)
    assert found["crest_factor_db"] == pytest.approx(3.01, abs=0.02)
    assert found["level_range_db"] < 0.3 and abs(found["level_trend_db"]) < 0.1


def test_halving_the_amplitude_takes_6_db_from_every_level():
    loud, soft = (level.measure(analyse(noise(amplitude=one))) for one in (0.1, 0.05))
    for name in ("level_rms_dbfs", "level_peak_dbfs", "level_sounding_dbfs", "loudness_lufs"):
        assert loud[name] - soft[name] == pytest.approx(6.02, abs=0.02)
    assert loud["crest_factor_db"] == pytest.approx(soft["crest_factor_db"], abs=1e-6)


def test_loudness_of_the_recommendation():
    """A 997 Hz sine of amplitude 1 in one channel reads -3.01 LUFS (ITU-R BS.1770-4)."""
    assert loudness_lufs(analyse(sine(997, 4.0, 1.0))) == pytest.approx(-3.01, abs=0.1)


def test_loudness_weighs_frequencies_and_gates_silence():
    middle, low, high = (loudness_lufs(analyse(sine(hz, 3.0, 0.1))) for hz in (1000, 40, 5000))
    assert high > middle + 2 and low < middle - 3
    tone = sine(1000, 3.0, 0.1)
    assert loudness_lufs(analyse(between(tone, 0, 3.0))) == pytest.approx(middle, abs=0.7)


def test_levels_against_plain_numpy():
    wave = noise(1.0)
    frames = analyse(wave)
    for one in (5, 50, 90):
        middle = one * HOP + HOP // 2
        part = wave[middle - HOP : middle + HOP].astype(np.float64)
        assert frames.level_db[one] == pytest.approx(10 * np.log10(np.mean(part**2)), abs=1e-6)


def test_trend_of_a_fade():
    """From -6 to -26 dB along a straight line in dB."""
    fade = 10 ** (np.linspace(-6, -26, 2 * RATE) / 20)
    found = level.measure(analyse((fade * noise(2.0, 0.3)).astype(np.float32)))
    assert found["level_trend_db"] == pytest.approx(-20, abs=0.6) and found["level_trend_fit"] > 0.95
    rising = level.measure(analyse((fade[::-1] * noise(2.0, 0.3)).astype(np.float32)))
    assert rising["level_trend_db"] == pytest.approx(20, abs=0.6)


@pytest.mark.parametrize(("before_s", "after_s"), [(0, 2), (1, 1), (3, 0.5)])
def test_share_of_silence(before_s, after_s):
    found = silence.measure(analyse(between(sine(500, 2.0), before_s, after_s)))
    share = (before_s + after_s) / (2 + before_s + after_s)
    assert found["silence_share"] == pytest.approx(share, abs=0.01)
    assert found["pause_share"] == pytest.approx(share, abs=0.01)
    assert found["duration_s"] == pytest.approx(2 + before_s + after_s)
    assert found["event_count"] == 1 and found["event_length_s"] == pytest.approx(2.0, abs=0.03)


def test_events_in_silence_and_over_a_background():
    times = [0.5, 1.5, 2.5, 3.5]
    found = silence.measure(analyse(clicks(times, length_s=0.1)))
    assert found["event_count"] == 4 and found["event_gap_s"] == pytest.approx(0.95, abs=0.05)
    over = silence.measure(analyse(clicks(times, length_s=0.1) + noise(5.0, 0.003)))
    assert over["event_count"] == 4 and over["pause_share"] > 0.8
    flat = silence.measure(analyse(noise(5.0)))
    assert flat["event_count"] == 1 and flat["event_length_s"] == pytest.approx(5.0, abs=0.02)


def test_gaps_below_60_ms_are_closed():
    tone = sine(500, 0.5)
    for length_s, count in ((0.04, 1), (0.15, 2)):
        twice = np.concatenate([between(tone, 0.2, length_s), tone])
        assert silence.measure(analyse(twice))["event_count"] == count


@pytest.mark.parametrize("n_samples", [1, 7, HOP, RATE])
def test_silent_clips_of_any_length(n_samples):
    frames = analyse(np.zeros(n_samples, np.float32))
    assert frames.silent
    assert level.measure(frames) == {"level_rms_dbfs": FLOOR_DB, "level_peak_dbfs": FLOOR_DB}
    assert silence.measure(frames) == {
        "duration_s": n_samples / RATE,
        "silence_share": 1.0,
        "pause_share": 1.0,
    }


def test_one_sample_that_sounds():
    found = silence.measure(analyse(np.ones(1, np.float32)))
    assert found["event_count"] == 1 and found["duration_s"] == 1 / RATE


def test_small_functions():
    assert decibels(1.0) == 0 and decibels(0.0) == FLOOR_DB
    assert runs(np.array([True, True, False, True])).tolist() == [[0, 2], [3, 4]]
    assert runs(np.zeros(3, bool)).size == 0


def test_envelope_is_the_amplitude():
    t = seconds(1.0)
    known = 0.2 + 0.1 * np.cos(2 * np.pi * 5 * t)
    frames = analyse((known * np.sin(2 * np.pi * 2000 * t)).astype(np.float32))
    expected = known.reshape(-1, 50).mean(1)  # (step,)
    np.testing.assert_allclose(frames.envelope[8:-8], expected[8:-8], rtol=0.01)
