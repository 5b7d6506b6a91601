"""Levels, normalisation, limiting, and mixing at a signal-to-noise ratio."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio import level
from otoscope.audio.mix import mix_at_snr, overlap_at_snr, overlap_by_peak
from otoscope.errors import InputError, UnknownNameError

RNG = np.random.default_rng(3)


def test_levels_by_hand():
    square = np.array([[1.0, -1.0, 1.0, -1.0]])
    sine = np.sin(2 * np.pi * np.arange(1000) / 100)[None]
    assert level.rms_db(square) == 0 and level.peak_db(square) == 0
    assert level.rms_db(sine) == pytest.approx(-3.0103, abs=1e-4)
    assert level.peak_db(0.1 * square) == pytest.approx(-20)
    assert level.rms_db(np.zeros((1, 9))) == level.peak_db(np.zeros(9)) == level.SILENCE_DB


def test_a_level_belongs_to_a_clip():
    batch = torch.tensor([[[1.0, 1.0], [0.0, 0.0]], [[0.1, 0.1], [0.1, 0.1]]])
    torch.testing.assert_close(level.rms_db(batch), torch.tensor([-3.0103, -20.0]))
    assert level.peak_db(batch).tolist() == pytest.approx([0.0, -20.0])


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_normalisation(kind):
    clip = kind(RNG.standard_normal((3, 2, 500)))
    assert type(level.normalise(clip, "peak")) is type(clip)
    np.testing.assert_allclose(level.peak_db(level.normalise(clip, "peak", -6.0)), -6.0)
    np.testing.assert_allclose(level.rms_db(level.normalise(clip, "rms")), -20.0)
    assert level.normalise(clip, "none") is clip
    ratio = np.asarray(level.normalise(clip, "rms")) / np.asarray(clip)
    np.testing.assert_allclose(ratio, ratio[:, :1, :1] * np.ones_like(ratio))


def test_signed_max_lets_a_negative_peak_through():
    np.testing.assert_array_equal(level.normalise(np.array([[0.5, -1.0]]), "signed-max"), [[1.0, -2.0]])


@pytest.mark.parametrize("policy", level.NORMALISATIONS)
def test_silence_stays_silence(policy):
    silence = torch.zeros(2, 1, 5, requires_grad=True)
    quiet = level.normalise(silence, policy)
    np.testing.assert_array_equal(quiet.detach(), np.zeros((2, 1, 5)))
    quiet.sum().backward()
    assert torch.isfinite(silence.grad).all()


def test_normalisation_errors():
    with pytest.raises(UnknownNameError, match="unknown normalisation 'loud'"):
        level.normalise(np.ones(3), "loud")
    with pytest.raises(InputError, match="'signed-max' has no target level, got target_db=-3"):
        level.normalise(np.ones(3), "signed-max", -3)
    with pytest.raises(InputError, match=r"expected samples .* got shape \(1, 0\)"):
        level.rms_db(np.zeros((1, 0)))


def test_limit():
    loud = np.array([[0.5, -2.0, 1.5, 1.0]])
    with pytest.raises(
        InputError, match=r"2 samples exceed full scale, the peak is 2 \(\+6.02 dBFS\); .*'scale'"
    ):
        level.limit(loud)
    scaled = level.limit(loud, "scale")
    np.testing.assert_array_equal(scaled.waveform, loud / 2)
    assert (scaled.gain, scaled.n_clipped) == (0.5, 0)
    clipped = level.limit(loud, "clip")
    np.testing.assert_array_equal(clipped.waveform, [[0.5, -1.0, 1.0, 1.0]])
    assert (clipped.gain, clipped.n_clipped) == (1.0, 2)
    soft = loud / 2
    assert all(level.limit(soft, policy).waveform is soft for policy in level.CLIPPING)
    with pytest.raises(UnknownNameError, match="unknown clipping policy 'softly'"):
        level.limit(soft, "softly")


@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 12.0412, 40.0])
@pytest.mark.parametrize("shape", [(100,), (2, 100), (3, 2, 100)])
def test_the_ratio_is_the_one_asked_for(snr_db, shape):
    signal, noise = RNG.standard_normal(shape), 7 * RNG.standard_normal(shape)
    mixed = mix_at_snr(signal, noise, snr_db)
    axes = (-2, -1) if len(shape) > 1 else -1
    got = 10 * np.log10((signal**2).sum(axes) / ((mixed - signal) ** 2).sum(axes))
    np.testing.assert_allclose(got, snr_db, atol=1e-9)


def test_speechbrain_wham_is_this_mix_times_a_constant(parity):
    vectors = parity("posthoc")
    clean, noise = (vectors[f"wham/{name}"][:, None] for name in ("clean", "noise"))
    mixed = level.normalise(mix_at_snr(clean, noise, 0.0), "signed-max")
    np.testing.assert_allclose(mixed[:, 0], vectors["wham/mix"], rtol=1e-5, atol=1e-6)


def test_mixing_is_differentiable():
    signal = torch.randn(2, 1, 20, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(2, 1, 20, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s, n: mix_at_snr(s, n, 3.0), (signal, noise))


def test_mixing_errors():
    with pytest.raises(InputError, match="the noise is digital silence: there is no signal-to-noise ratio"):
        mix_at_snr(np.ones((1, 5)), np.zeros((1, 5)), 0.0)
    with pytest.raises(InputError, match="the signal is digital silence"):
        mix_at_snr(torch.zeros(2, 1, 5), torch.ones(2, 1, 5), 0.0)
    with pytest.raises(InputError, match=r"must have one shape, got \(5,\) and \(6,\)"):
        mix_at_snr(np.ones(5), np.ones(6), 0.0)


def test_an_overlap_keeps_its_parts():
    first, second = RNG.standard_normal((1, 500)), RNG.standard_normal((1, 500))
    made = overlap_at_snr(first, second, -7.0)
    np.testing.assert_allclose(made.mix, made.first + made.second)
    np.testing.assert_allclose(10 * np.log10(np.sum(made.first**2) / np.sum(made.second**2)), -7.0)
    np.testing.assert_allclose(made.second / second, (made.second / second)[0, 0])


def test_the_published_overlap_weighs_signed_peaks():
    first, second = np.array([[1.0, -8.0, 2.0]]), np.array([[4.0, 0.0, -1.0]])
    made = overlap_by_peak(first, second, 0.6)
    np.testing.assert_allclose(made.mix, [[0.5 + 0.6, -4.0, 1.0 - 0.15]])
    np.testing.assert_allclose(made.snr_db, 10 * np.log10((0.25 + 16 + 1) / (0.36 + 0.0225)))
    with pytest.raises(InputError, match="a positive sample"):
        overlap_by_peak(first, -np.abs(second), 0.6)
    with pytest.raises(InputError, match="one shape"):
        overlap_by_peak(first, second[:, :2], 0.6)
