"""Clips made of known sounds, written to a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.source import FileSource

from .signals import RATE, clicks, noise, sine

SOUNDS = {
    "a/tone.wav": sine(440, 1.5),
    "a/noise.wav": noise(1.5),
    "b/clicks.wav": clicks([0.2, 0.6, 1.0, 1.4], 1.6),
    "b/silence.wav": np.zeros(RATE, np.float32),
    "b/broken.wav": None,
}


def make_clips(root: Path, **columns: list) -> Clips:
    """Write :data:`SOUNDS` under ``root`` and return them as clips with labels ``kind`` and any further columns."""
    for name, wave in SOUNDS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if wave is None:
            (root / name).write_text("not a sound")
        else:
            soundfile.write(root / name, wave, RATE)
    n = len(SOUNDS)
    kinds = ["pure_tone", "noise", "clicks", None, "noise"]
    table = pl.DataFrame(
        {
            "row": range(n),
            "id": list(SOUNDS),
            "path": list(SOUNDS),
            "start_s": [None] * n,
            "end_s": [None] * n,
            "group": list(SOUNDS),
            "fold": [1] * n,
            "split": [None] * n,
            "kind": kinds,
            **columns,
        },
        schema_overrides={"row": pl.Int64, "start_s": pl.Float64, "end_s": pl.Float64, "split": pl.String},
    )
    labels = LabelSet("kind", ("pure_tone", "noise", "clicks"))
    return Clips("test", "test:clips", table, (labels,), FileSource(root))


@pytest.fixture
def clips(tmp_path):
    """Five clips, one of them no sound at all."""
    titles = ["My_nice tone", "radio  static", "<b>tick</b>", None, "..."]
    return make_clips(tmp_path / "sounds", title=titles, tags=[["x_y", "z"], [], None, ["q"], ["r"]])
