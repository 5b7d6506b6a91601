"""One planted network, heard once on synthetic sounds, for all tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.audio.synthesis import SoundSpec, catalogue, render
from otoscope.models import open_model
from otoscope.models.audio_model import AudioModel
from otoscope.models.planted import truth

RATE = 16000
SPEC = "planted:strengths=1+0.6+0.3,distractors=48,projections=8"


@dataclass(frozen=True)
class Listening:
    """What the network did on a catalogue of sounds it was not calibrated on."""

    model: AudioModel
    truth: pl.DataFrame
    specs: list[SoundSpec]
    pooled: np.ndarray  # (clip, neuron): activation, mean over frames
    drive: np.ndarray  # (clip, neuron): z of the rules alone, mean over frames
    rules: np.ndarray  # (clip, rule), mean over frames


def over_time(model: AudioModel, waveforms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (activation, drive, rule values) over time, each (clip, neuron or rule, frame)."""
    caught = {}
    neurons = model.net.neurons
    hooks = [
        neurons.register_forward_hook(lambda _, given, out: caught.update(rules=given[0], activation=out)),
        neurons.rule.register_forward_hook(lambda _, given, out: caught.update(drive=out)),
    ]
    try:
        with torch.no_grad():
            model(torch.as_tensor(waveforms))
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(caught[name].numpy() for name in ("activation", "drive", "rules"))


@pytest.fixture(scope="session")
def listen():
    """Return the function ``(model, waveforms) -> (activation, drive, rule values)`` over time."""
    return over_time


@pytest.fixture(scope="session")
def listening() -> Listening:
    model = open_model(SPEC)
    specs = catalogue(360, seed=77)
    found = []
    for first in range(0, len(specs), 24):
        sounds = np.stack([render(spec, RATE) for spec in specs[first : first + 24]])
        found.append([one.mean(axis=-1) for one in over_time(model, sounds)])
    pooled, drive, rules = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Listening(model, truth(model), specs, pooled, drive, rules)
