"""Small datasets on disk, made afresh for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Tone = Callable[..., Path]


def write_tone(
    path: Path,
    *,
    seconds: float = 0.5,
    rate: int = 8000,
    channels: int = 1,
    hz: float = 440.0,
    level: float = 0.5,
) -> Path:
    """Write a tone (time, channel); channel c has the frequency hz * (c + 1)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(round(seconds * rate)) / rate
    tones = [level * np.sin(2 * np.pi * hz * (channel + 1) * time_s) for channel in range(channels)]
    soundfile.write(path, np.stack(tones, axis=1).astype(np.float32), rate)
    return path


@pytest.fixture
def tone() -> Tone:
    """Return the function that writes a tone."""
    return write_tone


@pytest.fixture
def esc_root(tmp_path: Path) -> Path:
    """Return a folder laid out as ESC-50: 2 classes with targets 3 and 40, 2 folds, 2 sources a class and fold."""
    root = tmp_path / "ESC-50-master"
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in (1, 2):
        for target, name, esc10 in ((40, "helicopter", True), (3, "cow", False)):
            for source in (100, 200):
                file = f"{fold}-{fold}{source}{target}-A-{target}.wav"
                rows.append(f"{file},{fold},{target},{name},{esc10},{fold}{source}{target},A")
                write_tone(root / "audio" / file, hz=200 + target)
    (root / "meta").mkdir()
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def labelled_folder(tmp_path: Path) -> Path:
    """Return a folder of 2 classes, 3 and 2 clips of 0.5 s, one of them nested, beside files that are no sound."""
    root = tmp_path / "sounds"
    for name in ("dog/a.wav", "dog/deep/er/b.flac", "dog/c.ogg", "cat/a.wav", "cat/b.wav"):
        write_tone(root / name)
    (root / "dog" / "notes.txt").write_text("not a sound")
    (root / "dog" / "._a.wav").write_bytes(b"resource fork")
    write_tone(root / ".trash" / "old.wav")
    return root
