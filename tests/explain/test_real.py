"""On real recordings: explanations of a trained network beat random masks of their size, energy and smoothness."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.data import open_data
from otoscope.explain.explanation import explainer
from otoscope.explain.listen import listen
from otoscope.explain.score import ScoreConfig, score
from otoscope.explain.sounds import Sounds
from otoscope.explain.summary import summarise
from otoscope.explain.windows import explain
from otoscope.models import open_model

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def heard(test_data):
    """Return the demo network and the first clip of each of twelve sources of ESC-10's fold 5."""
    model = open_model("demo:")
    clips = open_data(f"esc50:{test_data / 'esc10'}")
    fold = clips.table.filter(pl.col("fold") == 5).unique("group", keep="first", maintain_order=True)
    return model, Sounds.of(clips, model, fold["row"].to_list()[:12])


def test_explanations_beat_matched_chance(heard) -> None:
    model, sounds = heard
    how = ScoreConfig(controls=("random-matched",), removals=("zero",))
    table = score(model, sounds, {"ig": explainer("integrated-gradients", steps=16)}, how)
    found = summarise(table, sounds.groups, replicates=200).filter(
        measure="faithfulness", control="random-matched"
    )
    assert found["difference"][0] > 0 and found["difference_low"][0] > 0


def test_what_is_heard_is_a_part_of_the_recording(heard) -> None:
    model, sounds = heard
    waveform = torch.from_numpy(sounds.waveforms)
    result = listen(explain(explainer("grad-cam"), model, waveform), waveform)
    energy = [one.square().sum((1, 2)).numpy() for one in (result.explanation, result.original)]
    assert result.explanation.shape == waveform.shape
    assert (energy[0] > 0).all() and (energy[0] <= 1.05 * energy[1]).all()
    assert np.allclose(result.explanation + result.remainder, waveform, atol=1e-5)
