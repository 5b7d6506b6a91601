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


URBAN_HEADER = "slice_file_name,fsID,start,end,salience,fold,classID,class"
URBAN_SOUNDS = [  # rate, channels, sample format, seconds: what uploads to Freesound are like
    ("7-3-0-0.wav", 44100, 2, "PCM_24", 1, 3, "dog_bark", 1),
    ("7-3-0-1.wav", 44100, 2, "PCM_24", 1, 3, "dog_bark", 2),
    ("12-0-0-3.wav", 8000, 1, "PCM_U8", 1, 0, "air_conditioner", 1),
    ("344-3-5-0.wav", 192000, 2, "FLOAT", 2, 3, "dog_bark", 1),
    ("90-9-1-0.wav", 22050, 1, "IMA_ADPCM", 2, 9, "street_music", 2),
    ("91-9-1-0.wav", 11025, 2, "MS_ADPCM", 10, 9, "street_music", 1),
    ("92-0-0-0.wav", 48000, 1, "PCM_32", 10, 0, "air_conditioner", 2),
    ("93-0-0-0.wav", 96000, 6, "PCM_16", 10, 0, "air_conditioner", 1),
]


@pytest.fixture
def urban_root(tmp_path: Path) -> Path:
    """Return a folder laid out as UrbanSound8K: 3 of its folds, 3 of its classes, 7 recordings."""
    root, rows = tmp_path / "UrbanSound8K", [URBAN_HEADER]
    for file, rate, channels, subtype, fold, number, name, salience in URBAN_SOUNDS:
        time_s = np.arange(round(0.5 * rate)) / rate
        wave = np.repeat(0.5 * np.sin(2 * np.pi * 440 * time_s)[:, None], channels, axis=1)
        place = root / "audio" / f"fold{fold}" / file
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, wave, rate, subtype=subtype)
        rows.append(f"{file},{file.split('-')[0]},12.5,16.5,{salience},{fold},{number},{name}")
    (root / "metadata").mkdir()
    (root / "metadata" / "UrbanSound8K.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def gtzan_root(tmp_path: Path) -> Path:
    """Return the folder above one laid out as GTZAN: train, valid, test and faulty excerpts of blues and of rock."""
    for name in (
        "blues.00029",
        "blues.00000",
        "blues.00012",
        "blues.00013",
        "rock.00000",
        "rock.00038",
        "rock.00017",
    ):
        write_tone(tmp_path / "genres" / name.partition(".")[0] / f"{name}.wav", rate=22050)
    write_tone(tmp_path / "genres" / "rock" / "rock.00087.wav", rate=22050)
    (tmp_path / "genres" / "bextract_single.mf").write_text("a list of another program\n")
    return tmp_path
