"""A classifier whose every weight is known, sounds whose class is one channel, and a run of the one on the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from otoscope.audio.windows import ClipLength
from otoscope.data.clips import Clips, LabelSet
from otoscope.errors import AudioFileError
from otoscope.models.audio_model import AudioModel
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.store import tables
from otoscope.store.run import Run

RATE = 1000
CLASSES = ("dog", "sea_waves", "train")
PER_CLASS = 8


@dataclass(frozen=True)
class ChannelSource:
    """A clip of class c is loud in channel c of its frames of ten samples; rows in ``broken`` cannot be read."""

    broken: tuple[int, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return ("path",)

    def read(self, record: Mapping[str, Any]) -> tuple[np.ndarray, int]:
        row = int(record["path"])
        if row in self.broken:
            raise AudioFileError(f"clip {row} is damaged")
        rng = np.random.default_rng(row)
        frames = 0.05 * rng.standard_normal((100, 10))
        frames[:, row % 3] += 0.5 + 0.1 * rng.random()
        return frames.reshape(1, -1).astype(np.float32), RATE

    def size(self, record: Mapping[str, Any]) -> int:
        return int(record["path"])


def make_clips(n: int = 3 * PER_CLASS, broken: tuple[int, ...] = ()) -> Clips:
    table = pl.DataFrame(
        {
            "row": np.arange(n, dtype=np.int64),
            "id": [f"clip-{i}" for i in range(n)],
            "path": [str(i) for i in range(n)],
            "start_s": pl.Series([None] * n, dtype=pl.Float64),
            "end_s": pl.Series([None] * n, dtype=pl.Float64),
            "group": [f"g{i // 2}" for i in range(n)],
            "fold": pl.Series([i // 6 % 2 + 1 for i in range(n)], dtype=pl.Int64),
            "split": pl.Series([None] * n, dtype=pl.String),
            "label": [CLASSES[i % 3] for i in range(n)],
        }
    )
    return Clips("made", "made:", table, (LabelSet("label", CLASSES),), ChannelSource(broken), None, True)


class Frames(nn.Module):
    """Waveform ``(clip, 1, time)`` to frames ``(clip, 10, frame)``."""

    def forward(self, waveform: Tensor) -> Tensor:
        return waveform[:, 0].unflatten(1, (-1, 10)).transpose(1, 2)


class Known(nn.Module):
    """Neurons 2c and 2c + 1 of ``first`` hear channel c (times 1 and 1/2); logit c is the sum of both after ``act``."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(10, 6, 1)
        self.act = nn.ReLU()
        self.head = nn.Linear(6, 3)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            for neuron in range(6):
                self.first.weight[neuron, neuron // 2, 0] = 1.0 if neuron % 2 == 0 else 0.5
                self.head.weight[neuron // 2, neuron] = 1.0

    def forward(self, frames: Tensor) -> Tensor:
        return self.head(self.act(self.first(frames)).mean(dim=2))


def make_model(net: nn.Module | None = None, classes: tuple[str, ...] = CLASSES) -> AudioModel:
    return AudioModel(
        Frames(),
        net or Known(),
        sample_rate=RATE,
        classes=classes,
        clip_length=ClipLength(1.0, long="crop"),
        spec="made:",
        declared_layers=("first", "act"),
    ).eval()


def describe_by_hand(run: Run, name: str = "db-00000001") -> None:
    """Write descriptions: ``act`` neurons 2c, 2c + 1 stand for class c first; the even one better than the odd."""
    rows = []
    for neuron, layer, index in run.neurons().select("neuron", "layer", "index").iter_rows():
        own = CLASSES[index // 2] if layer == "act" else CLASSES[index % 3]
        ranked = [own, *(one for one in CLASSES if one != own)]
        rows.append(
            {
                "neuron": neuron,
                "layer": layer,
                "index": index,
                "pole": "high",
                "top_concepts": [one.replace("_", " ") for one in ranked],
                "top_scores": [2.0 - 0.5 * (index % 2), 0.2, 0.1],
                "heldout_pearson": 0.9 - 0.1 * (index % 2),
                "q": 0.01 if layer == "act" else 0.8,
                "nouns": [["waves", "rain"], ["dogs"], []][index % 3],
            }
        )
    tables.write(run.root / "descriptions" / f"{name}.parquet", pl.DataFrame(rows))


def make_run(root: Path, clips: Clips | None = None, model: AudioModel | None = None) -> Run:
    config = RecordConfig(workers=0, evidence_clips=0, layers=("first", "act", "logits"))
    run = record(model or make_model(), clips or make_clips(), root, config)
    describe_by_hand(run)
    return run


@pytest.fixture
def model() -> AudioModel:
    return make_model()


@pytest.fixture
def clips() -> Clips:
    return make_clips()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run")
