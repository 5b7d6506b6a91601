"""The Free Spoken Digit Dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.data import open_data
from otoscope.errors import DataLayoutError, EmptyDataError


@pytest.fixture
def fsdd_root(tmp_path: Path, tone) -> Path:
    for digit in (0, 7):
        for speaker in ("theo", "george"):
            for index in (0, 4, 5, 12):
                tone(tmp_path / "fsdd" / "recordings" / f"{digit}_{speaker}_{index}.wav", seconds=0.1)
    return tmp_path / "fsdd"


def test_layout(fsdd_root: Path) -> None:
    clips = open_data(f"fsdd:{fsdd_root}")
    assert len(clips) == 16 and clips.group_declared
    assert [one.name for one in clips.label_sets] == ["digit", "speaker"]
    assert clips.label_sets[0].classes == ("0", "7") and clips.label_sets[1].classes == ("george", "theo")
    assert clips.table["group"].equals(clips.table["speaker"].alias("group"))
    assert clips.table["id"].to_list()[:4] == [f"recordings/0_george_{one}.wav" for one in (0, 4, 5, 12)]
    assert len(clips.select(split="test")) == 8
    assert set(clips.select(split="test").table["take"]) == {0, 4}


def test_facts_of_the_speakers(fsdd_root: Path) -> None:
    clips = open_data(f"fsdd:{fsdd_root}", derive="accent")
    assert clips.label_set("accent").classes == ("GRC/Greek", "USA/neutral") and set(
        clips.table["gender"]
    ) == {"male"}
    file = fsdd_root / "metadata.py"
    file.write_text(
        '"""Speakers."""\nmetadata = {"theo": {"gender": "male", "accent": "X"}}\nraise SystemExit\n'
    )
    assert set(open_data(f"fsdd:{fsdd_root}").table["accent"].to_list()) == {None, "X"}
    file.write_text("metadata = make()\n")
    with pytest.raises(DataLayoutError, match="does not assign a dictionary of speakers"):
        open_data(f"fsdd:{fsdd_root}")


def test_recordings_itself_and_the_folder_above(fsdd_root: Path) -> None:
    same = {
        open_data(f"fsdd:{one}").content_hash()
        for one in (fsdd_root, fsdd_root / "recordings", fsdd_root.parent)
    }
    assert len(same) == 1


def test_wrong_layouts(fsdd_root: Path, tmp_path: Path, tone) -> None:
    with pytest.raises(DataLayoutError, match="there is no folder"):
        open_data(f"fsdd:{tmp_path / 'nowhere'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataLayoutError, match=r"not laid out as FSDD. Expected: a folder recordings/ .* Found: nothing"
    ):
        open_data(f"fsdd:{tmp_path / 'empty'}")
    (tmp_path / "empty" / "recordings").mkdir()
    with pytest.raises(EmptyDataError, match="holds no clip"):
        open_data(f"fsdd:{tmp_path / 'empty'}")
    tone(fsdd_root / "recordings" / "seven.wav")
    with pytest.raises(DataLayoutError, match=r"1 of 17 sounds in .* are not named .* such as 'seven.wav'"):
        open_data(f"fsdd:{fsdd_root}")


@pytest.mark.real
def test_real_fsdd(test_data: Path) -> None:
    clips = open_data(f"fsdd:{test_data / 'fsdd'}")
    assert len(clips) == 3000 and clips.table["group"].n_unique() == 6
    assert len(clips.select(split="test")) == 300 and len(clips.select(split="train")) == 2700
