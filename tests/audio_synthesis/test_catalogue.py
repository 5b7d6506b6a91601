"""Catalogues cover kinds and ranges evenly; rendering keeps its promises for every kind."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from otoscope.audio.synthesis import KINDS, Choice, Range, SoundSpec, catalogue, find_kind, onsets_s, render
from otoscope.errors import InputError, UnknownNameError

RATE = 16000
SPECS = catalogue(5 * len(KINDS), seed=3)


def true_peak_by_hand(signal: np.ndarray, oversampling: int = 8) -> float:
    """Return the largest value of the samples interpolated by a long windowed sinc."""
    taps = np.arange(-64, 65)
    finer = []
    for shift in np.arange(oversampling) / oversampling:
        kernel = np.sinc(taps - shift) * np.kaiser(taps.size, 10.0)
        finer.append(np.abs(np.convolve(signal, kernel, mode="same")).max())
    return max(finer)


def test_kinds_take_turns_and_every_kind_occurs():
    counts = Counter(spec.kind for spec in catalogue(100, seed=0))
    assert set(counts) == set(KINDS)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_labels_are_distinct():
    labels = {find_kind(kind).label for kind in KINDS}
    assert len(labels) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_range_is_covered_evenly(kind):
    row = find_kind(kind)
    specs = catalogue(20, seed=5, kinds=[kind])
    assert row.name == kind
    for name, axis in row.ranges.items():
        values = [spec.params[name] for spec in specs]
        if isinstance(axis, Choice):
            counts = Counter(values)
            assert max(counts.values()) - min(counts.values()) <= 1
        elif axis.scale != "integer":
            convert = np.log if axis.scale == "log" else np.asarray
            low, high = convert(axis.low), convert(axis.high)
            parts = np.floor((convert(np.array(values)) - low) / (high - low) * 20)
            assert sorted(parts) == list(range(20))


def test_range_by_hand():
    assert Range(1.0, 100.0, "log").at(0.5) == pytest.approx(10.0)
    assert Range(2.0, 4.0).at(0.5) == pytest.approx(3.0)
    assert [Range(1, 3, "integer").at(position) for position in (0.0, 0.5, 0.99)] == [1, 2, 3]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_rendering_keeps_its_promises(spec):
    signal = render(spec, RATE)
    assert signal.shape == (1, 2 * RATE) and signal.dtype == np.float32
    assert np.isfinite(signal).all()
    if spec.params.get("texture") != "digital":
        peak_db = 20 * np.log10(true_peak_by_hand(signal[0].astype(np.float64)))
        assert peak_db == pytest.approx(spec.level_db, abs=0.5)
    np.testing.assert_array_equal(signal, render(spec, RATE))
    assert SoundSpec(**json.loads(json.dumps(spec.__dict__))) == spec


def test_every_kind_renders_at_another_rate_and_when_very_short():
    for spec in SPECS[: len(KINDS)]:
        assert render(spec, 44100).shape == (1, 88200)
        short = render(replace(spec, duration_s=0.01), RATE)
        assert short.shape == (1, 160) and np.isfinite(short).all()


def test_equal_seeds_give_equal_catalogues_and_others_differ():
    assert catalogue(30, seed=1) == catalogue(30, seed=1)
    assert catalogue(30, seed=1) != catalogue(30, seed=2)


def test_seed_changes_what_parameters_leave_open():
    rain = next(spec for spec in SPECS if spec.kind == "rain")
    assert not np.array_equal(render(rain, RATE), render(replace(rain, seed=rain.seed + 1), RATE))


def test_known_onsets():
    by_kind = {spec.kind: onsets_s(spec) for spec in SPECS}
    assert by_kind["silence"] == () and by_kind["rain"] is None and by_kind["pure_tone"] == (0.0,)
    assert len(by_kind["heartbeat"]) >= 1
    assert all(0 <= time_s < 2.0 for times in by_kind.values() if times for time_s in times)


def test_frequency_above_nyquist_is_refused_with_the_rate_that_would_do():
    spec = SoundSpec("pure_tone", "pure tone", {"pitch_hz": 6000.0}, 0)
    with pytest.raises(
        InputError, match=r"pitch_hz = 6000 Hz cannot be rendered at 8000 Hz.*at least 12632 Hz"
    ):
        render(spec, 8000)


def test_bad_input_says_what_is_wrong():
    with pytest.raises(UnknownNameError, match=r"unknown kind of sound 'pure_tome'.*'pure_tone'"):
        render(SoundSpec("pure_tome", "", {}, 0), RATE)
    with pytest.raises(InputError, match=r"missing: \['pitch_hz'\], unknown: \['pitch'\]"):
        render(SoundSpec("pure_tone", "", {"pitch": 3.0}, 0), RATE)
    with pytest.raises(InputError, match="would clip"):
        SoundSpec("pure_tone", "", {}, 0, level_db=1.0)
    with pytest.raises(InputError, match="duration_s must be > 0"):
        SoundSpec("pure_tone", "", {}, 0, duration_s=0.0)
    with pytest.raises(InputError, match="at least 1 sound"):
        catalogue(0, seed=0)
    with pytest.raises(InputError, match="sample_rate must be > 0"):
        render(SPECS[0], 0)
