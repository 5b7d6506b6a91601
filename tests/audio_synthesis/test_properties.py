"""Rendered sounds have the properties that their parameters state, measured without its code."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.audio.synthesis import SoundSpec, catalogue, find_kind, render

RATE = 16000


def make(kind: str, *, seed: int = 0, duration_s: float = 2.0, level_db: float = -6.0, **params):
    """Return the samples ``(time,)`` of one sound, its derived parameters filled in."""
    row = find_kind(kind)
    added = row.complete(np.random.default_rng(seed), duration_s, params)
    spec = SoundSpec(kind, row.label, {**params, **added}, seed, duration_s, level_db)
    return render(spec, RATE)[0].astype(np.float64), spec


def spectrum(signal: np.ndarray, rate: float = RATE) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and the Hann-windowed magnitude."""
    magnitude = np.abs(np.fft.rfft((signal - signal.mean()) * np.hanning(signal.size), n=8 * signal.size))
    return np.fft.rfftfreq(8 * signal.size, 1 / rate), magnitude


def peak_hz(signal: np.ndarray, rate: float = RATE, above_hz: float = 0.0) -> float:
    frequency, magnitude = spectrum(signal, rate)
    return float(frequency[np.argmax(np.where(frequency >= above_hz, magnitude, 0))])


def envelope(signal: np.ndarray, window_s: float = 0.005) -> np.ndarray:
    """Return the RMS in hops of 1 ms, so at a rate of 1000 Hz."""
    hop = RATE // 1000
    power = np.convolve(signal**2, np.ones(round(window_s * RATE)) / round(window_s * RATE), mode="same")
    return np.sqrt(power[hop // 2 :: hop])


def power_share(signal: np.ndarray, low_hz: float, high_hz: float) -> float:
    frequency, magnitude = spectrum(signal)
    inside = (frequency >= low_hz) & (frequency <= high_hz)
    return float((magnitude[inside] ** 2).sum() / (magnitude**2).sum())


@pytest.mark.parametrize("pitch_hz", [80.0, 440.0, 1234.5, 6500.0])
def test_pure_tone_has_one_peak_at_its_pitch(pitch_hz):
    signal, _ = make("pure_tone", pitch_hz=pitch_hz)
    assert peak_hz(signal) == pytest.approx(pitch_hz, abs=0.3)
    assert power_share(signal, pitch_hz - 5, pitch_hz + 5) > 0.9999


def test_pure_tone_by_hand():
    signal, _ = make("pure_tone", pitch_hz=1000.0, level_db=-20.0)
    expected = 0.1 * np.sin(2 * np.pi * 1000.0 * np.arange(signal.size) / RATE)
    np.testing.assert_allclose(signal[200:-200], expected[200:-200], atol=1e-5)


def test_harmonic_tone_falls_by_its_rolloff_and_does_not_alias():
    signal, _ = make("harmonic_tone", pitch_hz=500.0, rolloff_db_per_octave=6.0)
    frequency, magnitude = spectrum(signal)
    level = [20 * np.log10(magnitude[np.argmin(np.abs(frequency - 500.0 * k))]) for k in (1, 2, 4, 8)]
    np.testing.assert_allclose(np.diff(level), -6.0, atol=0.05)
    away = np.min(np.abs(frequency[:, None] - 500.0 * np.arange(1, 16)), axis=1) > 20
    assert (magnitude[away] ** 2).sum() / (magnitude**2).sum() < 1e-6


def test_harmonic_sum_equals_a_plain_sum():
    signal, _ = make("harmonic_tone", pitch_hz=310.7, rolloff_db_per_octave=4.0)
    time_s = np.arange(signal.size) / RATE
    order = np.arange(1, int(0.95 * 8000 / 310.7) + 1)
    amplitude = 10 ** (-4.0 * np.log2(order) / 20)
    plain = (amplitude[:, None] * np.sin(2 * np.pi * 310.7 * order[:, None] * time_s)).sum(axis=0)
    middle = slice(500, -500)
    gain = signal[middle] @ plain[middle] / (plain[middle] @ plain[middle])
    np.testing.assert_allclose(signal[middle], gain * plain[middle], atol=2e-5)


@pytest.mark.parametrize(
    "kind, start_hz, end_hz", [("rising_chirp", 200, 3200), ("falling_chirp", 3200, 200)]
)
def test_chirps_glide_between_their_ends(kind, start_hz, end_hz):
    signal, _ = make(kind, low_hz=200.0, high_hz=3200.0)
    pieces = [peak_hz(signal[at : at + 800]) for at in (0, 15600, 31200)]
    assert pieces == pytest.approx([start_hz, 800.0, end_hz], rel=0.06)


@pytest.mark.parametrize("kind", ["am_tone", "am_noise"])
@pytest.mark.parametrize("rate_hz", [2.5, 6.0, 16.0])
def test_modulation_spectrum_peaks_at_the_am_rate(kind, rate_hz):
    carrier = {"carrier_hz": 1000.0} if kind == "am_tone" else {"low_hz": 300.0, "high_hz": 6000.0}
    signal, _ = make(kind, rate_hz=rate_hz, depth=0.9, **carrier)
    assert peak_hz(envelope(signal), 1000, above_hz=1.0) == pytest.approx(rate_hz, abs=0.15)


@pytest.mark.parametrize("depth", [0.5, 0.75, 1.0])
def test_am_depth_is_the_swing_of_the_envelope(depth):
    signal, _ = make("am_tone", carrier_hz=2000.0, rate_hz=4.0, depth=depth)
    swing = envelope(signal)[100:-100]
    measured = (swing.max() - swing.min()) / (swing.max() + swing.min())
    assert measured == pytest.approx(depth, abs=0.03)


def test_fm_swings_at_its_rate_and_depth():
    signal, _ = make("fm_tone", carrier_hz=1000.0, rate_hz=3.0, depth_semitones=4.0)
    crossings = np.flatnonzero((signal[:-1] < 0) & (signal[1:] >= 0))
    exact = crossings + signal[crossings] / (signal[crossings] - signal[crossings + 1])
    pitch = RATE / np.diff(exact)[5:-5]
    assert 12 * np.log2(pitch.max() / 1000) == pytest.approx(4.0, abs=0.1)
    assert 12 * np.log2(pitch.min() / 1000) == pytest.approx(-4.0, abs=0.1)
    even = np.interp(np.arange(200, 1800) / 1000, exact[5:-6] / RATE, np.log2(pitch))
    assert peak_hz(even, 1000, above_hz=1.0) == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize("centre_hz, octaves", [(250.0, 0.5), (1000.0, 1.0), (4500.0, 0.25)])
def test_band_noise_lies_between_its_edges(centre_hz, octaves):
    signal, spec = make("band_noise", centre_hz=centre_hz, bandwidth_octaves=octaves)
    low_hz, high_hz = spec.params["low_hz"], spec.params["high_hz"]
    assert high_hz / low_hz == pytest.approx(2**octaves)
    assert power_share(signal, low_hz - 10, high_hz + 10) > 0.999
    half = 0.5 * (low_hz + high_hz)
    assert power_share(signal, low_hz, half) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("slope", [-6.0, 0.0, 3.0])
def test_broadband_noise_has_its_slope(slope):
    signal, _ = make("broadband_noise", slope_db_per_octave=slope, duration_s=8.0)
    frequency, magnitude = spectrum(signal)
    centres = 125.0 * 2.0 ** np.arange(6)
    density = [np.mean(magnitude[(frequency > c / 1.2) & (frequency < c * 1.2)] ** 2) for c in centres]
    assert np.polyfit(np.log2(centres), 10 * np.log10(density), 1)[0] == pytest.approx(slope, abs=0.3)


@pytest.mark.parametrize("kind, params", [
    ("clicks", {"rate_hz": 3.0}),
    ("tone_bursts", {"count": 3, "pitch_hz": 1500.0, "attack_s": 0.002, "decay_s": 0.2}),
    ("noise_bursts", {"count": 2, "low_hz": 300.0, "high_hz": 5000.0, "attack_s": 0.002, "decay_s": 0.2}),
    ("knocking", {"rate_hz": 3.0, "resonance_hz": 200.0}),
    ("alarm", {"pitch_hz": 1500.0, "rate_hz": 3.0, "duty": 0.5}),
])  # fmt: skip
def test_sound_starts_at_the_stated_onsets(kind, params):
    signal, spec = make(kind, **params)
    loudness = np.abs(signal).reshape(-1, 16).max(axis=1)  # per millisecond
    loud = loudness > 0.1 * loudness.max()
    quiet_before = np.array([loud[at] and not loud[max(0, at - 15) : at].any() for at in range(loud.size)])
    found = np.flatnonzero(quiet_before) / 1000
    stated = np.array(spec.params["onset_s"])
    stated = stated[stated < 1.97]
    nearest = np.abs(stated[:, None] - found).min(axis=1)
    assert nearest.max() < 0.006


def test_clicks_come_at_their_rate():
    signal, _ = make("clicks", rate_hz=10.0)
    at = np.flatnonzero(np.abs(signal) > 0.5 * np.abs(signal).max())
    np.testing.assert_allclose(np.diff(at), RATE / 10, atol=1)


def test_click_lies_between_samples_where_stated():
    spec = SoundSpec("clicks", "", {"rate_hz": 1.0, "first_s": 0.5, "onset_s": [0.5 + 0.25 / RATE]}, 0, 1.0)
    signal = render(spec, RATE)[0].astype(np.float64)
    frequency = np.fft.rfftfreq(signal.size, 1 / RATE)
    band = (frequency > 500) & (frequency < 6000)
    turned = np.fft.rfft(np.roll(signal, -RATE // 2))[band]
    slope = np.polyfit(frequency[band], np.unwrap(np.angle(turned)), 1)[0]
    assert -slope / (2 * np.pi) * RATE == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("vowel, first, second", [("ah", 730, 1090), ("ee", 270, 2290), ("oo", 300, 870)])
def test_vowel_has_its_formants(vowel, first, second):
    signal, _ = make("vowel", pitch_hz=90.0, vowel=vowel)
    frequency, magnitude = spectrum(signal)
    order = np.arange(1, 40)
    level = np.array([20 * np.log10(magnitude[np.abs(frequency - 90 * k) < 20].max()) for k in order])
    peaks = [k * 90 for k in order[1:-1] if level[k - 1] > max(level[k - 2], level[k])]
    for formant in (first, second):
        assert min(abs(peak - formant) for peak in peaks) <= 75


def test_siren_stays_in_its_range_and_sweeps_at_its_rate():
    signal, _ = make("siren", low_hz=500.0, high_hz=1500.0, sweeps_per_s=1.0)
    track = np.array([peak_hz(signal[at : at + 800]) for at in range(0, 31000, 400)])
    assert 480 < track.min() < 560 and 1400 < track.max() < 1520
    assert peak_hz(np.log(track), RATE / 400, above_hz=0.3) == pytest.approx(1.0, abs=0.1)


def test_engine_is_low_and_rain_is_not():
    engine, _ = make("engine", firing_hz=60.0, roughness=0.2)
    rain, _ = make("rain", drops_per_s=300.0, hiss_db=0.0)
    assert power_share(engine, 0, 1500) > 0.95
    assert power_share(rain, 1000, 8000) > 0.5


def test_digital_silence_is_zero_and_room_noise_is_faint():
    digital, _ = make("silence", texture="digital", level_db=-80.0)
    room, _ = make("silence", texture="room", level_db=-80.0)
    assert not digital.any()
    assert np.abs(room).max() == pytest.approx(1e-4, rel=0.3)


@pytest.mark.parametrize("duration_s", [0.02, 0.1, 0.25])
def test_short_sounds_are_finite_also_where_no_event_falls_into_them(duration_s: float) -> None:
    for seed in range(4):
        for spec in catalogue(96, seed, duration_s=duration_s):
            assert np.isfinite(render(spec, 16000)).all(), spec
