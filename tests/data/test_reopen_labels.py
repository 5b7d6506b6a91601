from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.write import write
from otoscope.data import open_data
from otoscope.data.reopen import labels_of, reopen
from otoscope.describe.clip_words import concepts_of
from otoscope.errors import InputError, UnknownNameError
from otoscope.models import open_model
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.store.run import Run


@pytest.fixture
def orphan(tmp_path: Path) -> Run:
    """A run whose sounds are gone."""
    for name in ("drum", "flute"):
        wave = np.random.default_rng(1).uniform(-0.1, 0.1, (1, 8000)).astype(np.float32)
        write(tmp_path / "sounds" / name / "a.wav", wave, 16000)
    clips = open_data(f"folder:{tmp_path / 'sounds'}")
    run = record(
        open_model("demo:"), clips, tmp_path / "run", RecordConfig(layers=("logits",), evidence_clips=0)
    )
    shutil.rmtree(tmp_path / "sounds")
    return run


def test_labels_are_kept_without_the_sounds(orphan: Run) -> None:
    assert labels_of(orphan).label_set().classes == ("drum", "flute")
    assert concepts_of(orphan, "labels").words == ("drum", "flute")
    with pytest.raises(UnknownNameError, match="genre"):
        labels_of(orphan).label_set("genre")


def test_clips_without_labels_say_so(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.__dict__["manifest"] = {"data": {"spec": "folder:x", "label_sets": []}}
    with pytest.raises(InputError, match="folder:x carries no labels"):
        labels_of(run).label_set()


def test_label_sets_and_events_come_from_the_run(tmp_path: Path) -> None:
    for name in ("drum", "flute"):
        wave = np.random.default_rng(1).uniform(-0.1, 0.1, (1, 8000)).astype(np.float32)
        write(tmp_path / "sounds" / name / "a.wav", wave, 16000)
    (tmp_path / "map.json").write_text('{"drum": "hit", "flute": "blown"}')
    (tmp_path / "e.csv").write_text("path,onset_s,offset_s,label\ndrum/a.wav,0.1,0.2,bang\n")
    spec = f"folder:{tmp_path / 'sounds'}"
    clips = open_data(spec, derive=f"how=label:{tmp_path / 'map.json'}", events=str(tmp_path / "e.csv"))
    config = RecordConfig(layers=("logits",), evidence_clips=0)
    run = record(open_model("demo:"), clips, tmp_path / "run", config)
    (tmp_path / "sounds").rename(tmp_path / "moved")
    moved = reopen(run, open_data(f"folder:{tmp_path / 'moved'}"))
    assert [one.name for one in moved.label_sets] == ["label", "how"]
    assert moved.table["how"].to_list() == ["hit", "blown"]
    assert moved.events is not None and moved.events.rows() == [(0, 0.1, 0.2, "bang")]
