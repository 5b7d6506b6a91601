"""The loudest and the faintest samples that are taken for sound are captioned; warnings would be errors here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from otoscope.audio.read import LARGEST
from otoscope.caption import open_captioner
from otoscope.data import open_data


@pytest.mark.parametrize("loudest", [0.99 * LARGEST, 1e5, 1e-20, 1e-38])
def test_any_sample_that_is_taken_for_sound_can_be_captioned(tmp_path: Path, loudest: float) -> None:
    time = np.arange(16000) / 16000
    noise = np.random.default_rng(0).uniform(-1, 1, len(time))
    for name, shape in {"noise": noise, "square": np.sign(np.sin(2 * np.pi * 440 * time))}.items():
        soundfile.write(tmp_path / f"{name}.wav", (loudest * shape).astype("f4"), 16000, subtype="FLOAT")
    table = open_captioner("acoustic").captions(open_data(f"folder:{tmp_path}"), workers=0)
    assert table["status"].to_list() == ["ok", "ok"]
    assert all(("Silence" in text) == (loudest < 1) for text in table["text"])
