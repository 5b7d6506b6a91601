"""A tiny network and clips that need no file: sounds computed from their row."""

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

RATE = 1000


@dataclass(frozen=True)
class MadeSource:
    """Seeded noise of a length that depends on the row; rows listed in ``broken`` cannot be read."""

    lengths_s: tuple[float, ...]
    broken: tuple[int, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return ("path",)

    def read(self, record: Mapping[str, Any]) -> tuple[np.ndarray, int]:
        row = int(record["path"])
        if row in self.broken:
            raise AudioFileError(f"clip {row} is damaged")
        seconds = self.lengths_s[row % len(self.lengths_s)]
        noise = np.random.default_rng(row).standard_normal((1, round(seconds * RATE))) * 0.1
        return noise.astype(np.float32), RATE

    def size(self, record: Mapping[str, Any]) -> int:
        return int(record["path"])


def make_clips(n: int, lengths_s: tuple[float, ...] = (1.0,), broken: tuple[int, ...] = ()) -> Clips:
    table = pl.DataFrame(
        {
            "row": np.arange(n, dtype=np.int64),
            "id": [f"clip-{i}" for i in range(n)],
            "path": [str(i) for i in range(n)],
            "start_s": pl.Series([None] * n, dtype=pl.Float64),
            "end_s": pl.Series([None] * n, dtype=pl.Float64),
            "group": [f"g{i // 2}" for i in range(n)],
            "fold": pl.Series([i % 2 + 1 for i in range(n)], dtype=pl.Int64),
            "split": pl.Series([None] * n, dtype=pl.String),
            "label": ["even" if i % 2 == 0 else "odd" for i in range(n)],
        }
    )
    source = MadeSource(lengths_s, broken)
    return Clips("made", "made:", table, (LabelSet("label", ("even", "odd")),), source, group_declared=True)


class Frames(nn.Module):
    """Waveform ``(clip, 1, time)`` to frames ``(clip, 10, frame)``: ten samples a frame."""

    def forward(self, waveform: Tensor) -> Tensor:
        return waveform[:, 0].unflatten(1, (-1, 10)).transpose(1, 2)


class Net(nn.Module):
    """Two layers over frames and a head; ``act`` is signed, ``pair`` gives a tuple, ``twice`` runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(10, 6, 1)
        self.act = nn.ReLU()
        self.second = nn.Conv1d(6, 4, 3, padding=1)
        self.pair = Pair()
        self.twice = nn.Identity()
        self.unused = nn.Linear(2, 2)
        self.head = nn.Linear(4, 3)

    def forward(self, frames: Tensor) -> Tensor:
        hidden = self.second(self.act(self.first(frames)))
        hidden, _ = self.pair(hidden)
        return self.head(self.twice(self.twice(hidden)).mean(dim=2))


class Pair(nn.Module):
    """Gives ``(x, mean)``."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x.mean()


def make_model(clip_length: ClipLength | None = None) -> AudioModel:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = Net()
    return AudioModel(
        Frames(),
        net,
        sample_rate=RATE,
        classes=("a", "b", "c"),
        clip_length=clip_length or ClipLength(1.0, long="crop"),
        spec="made:",
        declared_layers=("first", "act", "second"),
    ).eval()


@pytest.fixture
def model() -> AudioModel:
    return make_model()


@pytest.fixture
def clips() -> Clips:
    return make_clips(23)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Return every file of a run but its log."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "log.jsonl")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
