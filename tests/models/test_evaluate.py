"""Scores of a classifier on a set of clips."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from otoscope.audio.windows import ClipLength
from otoscope.data import open_data
from otoscope.models.audio_model import AudioModel
from otoscope.models.evaluate import clip_logits, group_interval, scores
from otoscope.models.python import Waveform


class Loudness(nn.Module):
    """Logits: the mean of the samples, and of their squares."""

    def forward(self, waveform):
        return torch.stack([waveform.mean((1, 2)), waveform.square().mean((1, 2))], 1)


def test_accuracy_confusion_and_classes_by_hand():
    logits = np.array([[2, 1, 0], [0, 1, 0], [3, 1, 0], [0, 0, 1]], np.float32)
    result = scores(logits, np.array([0, 1, 1, 2]), ["a", "b", "b", "c"], ("x", "y", "z", "w")[:3], seed=0)
    assert (result["accuracy"], result["n_clips"], result["n_groups"]) == (0.75, 4, 3)
    assert result["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert result["class_accuracy"] == {"x": 1.0, "y": 0.5, "z": 1.0}


def test_a_class_without_clips_has_no_accuracy():
    result = scores(np.eye(3), np.array([0, 1, 1]), list("abc"), ("x", "y", "z"), seed=0)
    assert result["class_accuracy"]["z"] is None


def test_the_interval_resamples_groups_not_clips():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.random(40) < 0.7, 5)  # clips of a group stand or fall together
    grouped = group_interval(values, np.repeat(np.arange(40), 5).astype(str).tolist(), seed=1)
    alone = group_interval(values, np.arange(200).astype(str).tolist(), seed=1)
    assert grouped[0] < values.mean() < grouped[1]
    ratio = (grouped[1] - grouped[0]) / (alone[1] - alone[0])
    assert ratio == pytest.approx(np.sqrt(5), rel=0.2)
    by_normal_theory = 2 * 1.96 * np.sqrt(values.mean() * (1 - values.mean()) / 40)
    assert grouped[1] - grouped[0] == pytest.approx(by_normal_theory, rel=0.15)


def test_one_group_gives_no_interval():
    assert group_interval(np.array([1, 0, 0]), ["a"] * 3, seed=0) == [pytest.approx(1 / 3)] * 2


def test_windows_of_a_clip_are_merged_by_the_seconds_they_answer_for():
    clips = open_data("sounds:6", duration_s=1.0)
    length = ClipLength(0.4, overlap=0.5)
    model = AudioModel(Waveform("BCT"), Loudness(), sample_rate=16000, clip_length=length).eval()
    logits, failures = clip_logits(model, clips, batch_size=4)
    assert failures == () and logits.shape == (6, 2)
    for row in range(6):
        wave = clips.source.read(clips.record(row))[0][0].astype(np.float64)
        # windows start at 0, 0.2, 0.4, 0.6 s and answer for 0-0.3, 0.3-0.5, 0.5-0.7, 0.7-1 s
        parts = [wave[start : start + 6400] for start in (0, 3200, 6400, 9600)]
        seconds = np.array([0.3, 0.2, 0.2, 0.3])
        wanted = [np.dot(seconds, [part.mean() for part in parts])]
        wanted.append(np.dot(seconds, [np.mean(part**2) for part in parts]))
        np.testing.assert_allclose(logits[row], wanted, atol=1e-5)
