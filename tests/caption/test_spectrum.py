"""Brightness, bandwidth, noisiness and change on sounds whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.caption.acoustic import spectrum
from otoscope.caption.acoustic.frames import N_FFT, analyse

from .signals import RATE, band_noise, harmonics, noise, sine


@pytest.mark.parametrize("hz", [200, 1000, 4000, 8000])
def test_centroid_of_a_sine_is_its_frequency(hz):
    found = spectrum.measure(analyse(sine(hz)))
    assert found["centroid_hz"] == pytest.approx(hz, rel=0.01)
    assert found["bandwidth_hz"] < 20
    assert found["rolloff_hz"] == pytest.approx(hz, abs=30)


def test_centroid_and_bandwidth_of_two_equal_sines():
    """Two lines of equal power at 1 and 3 kHz: mean 2 kHz, standard deviation 1 kHz."""
    found = spectrum.measure(analyse(sine(1000) + sine(3000)))
    assert found["centroid_hz"] == pytest.approx(2000, rel=0.01)
    assert found["bandwidth_hz"] == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize(("low_hz", "high_hz"), [(500, 1500), (2000, 6000), (5000, 9000)])
def test_band_noise(low_hz, high_hz):
    """A flat band has its middle as centroid and width / sqrt(12) as standard deviation."""
    found = spectrum.measure(analyse(band_noise(low_hz, high_hz)))
    assert found["centroid_hz"] == pytest.approx((low_hz + high_hz) / 2, rel=0.03)
    assert found["bandwidth_hz"] == pytest.approx((high_hz - low_hz) / np.sqrt(12), rel=0.06)
    assert found["rolloff_hz"] == pytest.approx(low_hz + 0.85 * (high_hz - low_hz), rel=0.05)


def test_shares_of_power():
    found = spectrum.measure(analyse(sine(100) + sine(1000) + sine(5000)))
    assert found["low_share"] == pytest.approx(1 / 3, abs=0.02)
    assert found["high_share"] == pytest.approx(1 / 3, abs=0.02)


def test_flatness_of_white_noise_and_of_a_tone():
    """The periodogram of Gaussian noise is exponentially distributed: flatness exp(-Euler's constant) = 0.561."""
    assert spectrum.measure(analyse(noise(4.0)))["flatness"] == pytest.approx(0.561, abs=0.01)
    assert spectrum.measure(analyse(sine(1000)))["flatness"] < 1e-3


@pytest.mark.parametrize("tilt", [-2, -1, 0, 1])
def test_noisiness_does_not_depend_on_the_colour_of_noise(tilt):
    draws = np.fft.rfft(noise(4.0))
    hz = np.maximum(np.fft.rfftfreq(4 * RATE, 1 / RATE), 20.0)
    coloured = np.fft.irfft(draws * (hz / 1000) ** (tilt / 2)).astype(np.float32)
    assert spectrum.measure(analyse(coloured))["noisiness"] == pytest.approx(0.95, abs=0.09)


@pytest.mark.parametrize("wave", [sine(440), sine(5000), harmonics(250), harmonics(120)])
def test_tones_are_not_noisy(wave):
    assert spectrum.measure(analyse(wave))["noisiness"] < 0.3


def test_noisiness_grows_with_the_noise():
    tone = harmonics(300)
    found = [
        spectrum.measure(analyse(tone + noise(amplitude=one)))["noisiness"] for one in (0.0, 0.01, 0.05, 0.3)
    ]
    assert found == sorted(found) and found[-1] > 0.85


def test_change():
    steady = spectrum.measure(analyse(noise(3.0)))["spectral_change"]
    turns = np.concatenate(
        [band_noise(300, 600, 0.2, one) if one % 2 else band_noise(4000, 8000, 0.2, one) for one in range(12)]
    )
    assert steady < 0.05 < 0.3 < spectrum.measure(analyse(turns))["spectral_change"]


def test_scale_does_not_matter():
    loud, soft = (spectrum.measure(analyse(one * noise())) for one in (np.float32(1), np.float32(0.1)))
    for name in spectrum.COLUMNS:
        assert loud[name] == pytest.approx(soft[name], rel=1e-3, abs=1e-4)


def test_power_against_plain_numpy():
    wave = noise(0.5)
    frames = analyse(wave)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    middle = 20 * 200 + 100
    part = wave[middle - N_FFT // 2 : middle + N_FFT // 2].astype(np.float64) * window
    np.testing.assert_allclose(frames.power[20], np.abs(np.fft.rfft(part)) ** 2, rtol=1e-3, atol=1e-5)


def test_silence_and_tiny_clips():
    assert spectrum.measure(analyse(np.zeros(RATE, np.float32))) == {}
    assert set(spectrum.measure(analyse(np.ones(3, np.float32)))) == set(spectrum.COLUMNS)
