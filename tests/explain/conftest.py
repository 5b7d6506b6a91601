"""A small untrained network and faint sounds, shared by the tests of this room."""

from __future__ import annotations

import pytest
import torch

from otoscope.models import cnn


@pytest.fixture(scope="session")
def model():
    """Return a compact network of one second and three classes, in evaluation mode."""
    return cnn.build(("dog", "rain", "rooster"), width=4, clip_s=1.0, n_mels=32).eval()


@pytest.fixture
def sounds() -> torch.Tensor:
    """Return two noises of one second with a tone in the second half, ``(clip, channel, time)``."""
    generator = torch.Generator().manual_seed(3)
    noise = 0.02 * torch.randn(2, 1, 16000, generator=generator)
    tone = 0.3 * torch.sin(2 * torch.pi * 1000 * torch.arange(16000) / 16000)
    tone[:8000] = 0
    return noise + tone
