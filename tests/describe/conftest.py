"""A small world of clips, sources, concepts and neurons with known truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True)
class World:
    """Neurons follow the concept of their own number (``truth``), as far as ``n_true`` goes; the others follow none."""

    activations: np.ndarray
    affinities: np.ndarray
    groups: np.ndarray
    n_true: int

    @property
    def truth(self) -> np.ndarray:
        return np.where(
            np.arange(self.activations.shape[1]) < self.n_true, np.arange(self.activations.shape[1]), -1
        )


def make_world(n_groups=100, size=2, n_neurons=24, n_concepts=30, n_true=12, strength=1.5, seed=0) -> World:
    """Return clips in groups that share a sound; group effects in neurons and affinities alike."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), size)
    n_clips = len(groups)
    meaning = rng.normal(size=(n_groups, n_concepts))[groups] + 0.4 * rng.normal(size=(n_clips, n_concepts))
    noise = 0.7 * rng.normal(size=(n_groups, n_neurons))[groups] + rng.normal(size=(n_clips, n_neurons))
    noise[:, :n_true] += strength * meaning[:, :n_true]
    return World(noise.astype(np.float32), (0.3 * meaning).astype(np.float32), groups, n_true)


@pytest.fixture
def world() -> World:
    return make_world()
