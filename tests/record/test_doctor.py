from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from otoscope.data import open_data
from otoscope.models import cnn
from otoscope.models.audio_model import AudioModel
from otoscope.record.config import RecordConfig
from otoscope.record.doctor import disk_bytes, examine
from otoscope.record.layers import resolve
from otoscope.record.probe import probe
from otoscope.record.stimuli import place_layers
from tests.record.conftest import make_clips


@pytest.fixture(scope="module")
def network() -> AudioModel:
    return cnn.build(("a", "b"), width=8, clip_s=3.0, seed=1).eval()


def verdicts(model: AudioModel, clips, **options: object) -> dict[str, str]:
    return {check.name: check.verdict for check in examine(model, clips, RecordConfig(**options))}  # type: ignore[arg-type]


def test_a_sound_network_passes(network: AudioModel) -> None:
    found = verdicts(network, open_data("sounds:12", duration_s=3.0))
    assert found == dict.fromkeys(("layers", "logits", "weights", "geometry", "sound", "cost"), "ok")


def test_clicks_and_tones_measure_the_geometry_that_is_declared(network: AudioModel) -> None:
    layers, _ = probe(network, resolve(network, ("blocks.0", "blocks.1")))
    for placed, layer in zip(place_layers(network, layers), layers, strict=True):
        assert placed.stride_s == pytest.approx(layer.geometry.stride_s, rel=0.02)
        assert placed.time_agrees and placed.frequency_agrees


@pytest.mark.parametrize("wrong", [{"stride_s": 0.06}, {"offset_s": 0.4}, {"frequency_hz": "reversed"}])
def test_a_wrong_declaration_is_noticed(network: AudioModel, wrong: dict) -> None:
    layers, _ = probe(network, resolve(network, ("blocks.0",)))
    if wrong.get("frequency_hz") == "reversed":
        wrong = {"frequency_hz": layers[0].geometry.frequency_hz[::-1]}
    declared = replace(layers[0], geometry=replace(layers[0].geometry, **wrong))
    placed = place_layers(network, (declared,))[0]
    assert placed.time_agrees is False or placed.frequency_agrees is False


class Counting(nn.Module):
    """A front end that changes a buffer each time it runs."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.inner(x) * (1 + self.calls)


def test_a_network_that_changes_itself_fails() -> None:
    model = cnn.build(("a", "b"), width=4, clip_s=1.0).eval()
    model.front_end = Counting(model.front_end)
    found = verdicts(model, open_data("sounds:4", duration_s=1.0))
    assert found["weights"] == "failed" and found["logits"] == "failed"


def test_rates_lengths_and_damage_are_pointed_out(network: AudioModel) -> None:
    low = {check.name: check for check in examine(network, make_clips(6, lengths_s=(3.0,)))}
    assert low["sound"].verdict == "warning" and "nothing above 500 Hz" in low["sound"].detail
    short = {check.name: check for check in examine(network, open_data("sounds:6", duration_s=1.0))}
    assert "rest is padding" in short["sound"].detail
    damaged = {check.name: check for check in examine(network, make_clips(3, broken=(0, 1, 2)))}
    assert damaged["sound"].verdict == "failed" and damaged["cost"].verdict == "failed"


def test_cost_is_estimated_from_real_clips(network: AudioModel) -> None:
    cost = {check.name: check for check in examine(network, open_data("sounds:8"))}["cost"].figures
    assert cost["estimate_s"] > 0 and cost["peak_memory_bytes"] > 1e7
    n_neurons = 8 + 16 + 32 + 64 + 2
    assert cost["disk_bytes_before_compression"] == 8 * 4 * (2 * n_neurons + 5), (
        "activations and counts of neurons, positions of 5 layers"
    )
    assert np.isfinite(cost["forward_s_per_clip"])


def test_counts_by_event_are_part_of_the_size(network: AudioModel) -> None:
    layers, _ = probe(network, resolve(network, ("blocks.0", "logits")))
    events = pl.DataFrame({"row": [0, 1, 1], "onset_s": 0.0, "offset_s": 0.5, "label": "a"})
    clips = replace(open_data("sounds:6"), events=events)
    alone = disk_bytes(clips, layers, RecordConfig(counts="none"))
    assert alone == 6 * (8 + 2) * 4
    with_events = disk_bytes(clips, layers, RecordConfig(counts="none", events="all"))
    assert with_events - alone == 3 * 4 * (8 + 2), "3 events, 8 neurons that have time, positions in 2 layers"
    assert disk_bytes(clips, layers, RecordConfig(store="topk", counts="none")) == 0
