"""Noise is a function of the sound, behaves like independent noise, and ignores rounding."""

from __future__ import annotations

import numpy as np
import torch

from otoscope.models.planted.noise import ClipNoise


def draw(n_clips: int = 2000, scale_db: float = 1.0):
    rng = np.random.default_rng(0)
    noise = ClipNoise(6, 32, scale_db, rng)
    fingerprint = torch.tensor(-40 + 12 * rng.standard_normal((n_clips, 32)), dtype=torch.float32)
    return noise, fingerprint, torch.arange(200) * 0.01


def test_equals_its_formula():
    noise, fingerprint, time_s = draw(3)
    constant, course = noise(fingerprint, time_s)
    angle = (
        np.einsum("bd,nmd->bnm", fingerprint.double(), noise.frequency.double())
        + noise.phase.double().numpy()
    )
    np.testing.assert_allclose(constant[..., 0], np.sqrt(2 / 24) * np.cos(angle[..., :24]).sum(-1), atol=2e-3)
    beats = 2 * np.pi * np.array([0.6, 0.9, 1.3, 1.9, 2.7, 3.7])[:, None] * time_s.double().numpy()
    plain = np.sqrt(2 / 6) * np.cos(angle[..., 24:, None] + beats).sum(-2)
    np.testing.assert_allclose(course, plain, atol=2e-3)


def test_is_nearly_standard_normal_and_independent_between_neurons():
    noise, fingerprint, time_s = draw()
    constant, course = (one.numpy() for one in noise(fingerprint, time_s))
    assert abs(constant.mean()) < 0.05 and abs(constant.std() - 1) < 0.05 and abs(course.std() - 1) < 0.05
    assert abs(np.mean(np.abs(constant) > 1.96) - 0.05) < 0.01
    correlation = np.corrcoef(constant[..., 0].T) - np.eye(6)
    assert np.abs(correlation).max() < 0.08
    linear = np.corrcoef(np.hstack([constant[..., 0], fingerprint.numpy()]).T)[:6, 6:]
    assert np.abs(linear).max() < 0.1


def test_same_sound_same_noise_and_rounding_changes_nothing():
    noise, fingerprint, time_s = draw(50)
    first, _ = noise(fingerprint, time_s)
    again, _ = noise(fingerprint.clone(), time_s)
    nearly, _ = noise(fingerprint + 1e-4 * torch.randn_like(fingerprint), time_s)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    torch.testing.assert_close(first, nearly, rtol=0, atol=0.01)


def test_a_large_scale_gives_similar_sounds_similar_noise():
    for scale_db, low, high in ((1.0, -0.3, 0.3), (100.0, 0.9, 1.0)):
        noise, fingerprint, time_s = draw(400, scale_db)
        moved = fingerprint + 2.0 * torch.randn(fingerprint.shape, generator=torch.Generator().manual_seed(0))
        first, second = (noise(one, time_s)[0][..., 0].numpy() for one in (fingerprint, moved))
        assert low < np.corrcoef(first.ravel(), second.ravel())[0, 1] < high
