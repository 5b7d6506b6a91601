"""Any folder of sounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.data import open_data
from otoscope.errors import DataLayoutError, EmptyDataError, InputError


def test_subfolders_are_classes(labelled_folder: Path) -> None:
    clips = open_data(f"folder:{labelled_folder}")
    assert clips.table["id"].to_list() == [
        "cat/a.wav",
        "cat/b.wav",
        "dog/a.wav",
        "dog/c.ogg",
        "dog/deep/er/b.flac",
    ]
    assert clips.table["label"].to_list() == ["cat", "cat", "dog", "dog", "dog"]
    assert not clips.group_declared and clips.label_sets[0].classes == ("cat", "dog")
    assert clips.table["group"].to_list() == clips.table["id"].to_list()


def test_levels(tmp_path: Path, tone) -> None:
    for name in ("train/dog/rex/1.wav", "train/dog/bob/1.wav", "test/cat/tom/1.wav"):
        tone(tmp_path / name)
    clips = open_data(f"folder:{tmp_path}?levels=split/label/group")
    assert clips.group_declared and clips.table["group"].to_list() == ["tom", "bob", "rex"]
    assert len(clips.select(split="train")) == 2 and clips.label_sets[0].classes == ("cat", "dog")
    assert open_data(f"folder:{tmp_path}?levels=-/label").label_sets[0].classes == ("cat", "dog")
    assert open_data(f"folder:{tmp_path}?levels=-").label_sets == ()


def test_folds(tmp_path: Path, tone) -> None:
    for name in ("fold1/a.wav", "fold10/b.wav", "2/c.wav", "part-2_3/d.wav"):
        tone(tmp_path / name)
    clips = open_data(f"folder:{tmp_path}?levels=fold")
    assert dict(zip(clips.table["id"], clips.table["fold"], strict=True)) == {
        "fold1/a.wav": 1,
        "fold10/b.wav": 10,
        "2/c.wav": 2,
        "part-2_3/d.wav": 3,
    }
    tone(tmp_path / "rest" / "e.wav")
    with pytest.raises(DataLayoutError, match="fold must hold whole numbers"):
        open_data(f"folder:{tmp_path}?levels=fold")


def test_sounds_directly_in_the_folder_have_no_labels(tmp_path: Path, tone) -> None:
    tone(tmp_path / "b.wav")
    tone(tmp_path / "a.WAV")
    clips = open_data(f"folder:{tmp_path}")
    assert clips.label_sets == () and clips.table["id"].to_list() == ["a.WAV", "b.wav"]


def test_some_sounds_without_a_class(labelled_folder: Path, tone) -> None:
    tone(labelled_folder / "lost.wav")
    with pytest.raises(
        DataLayoutError, match=r"1 of 6 sounds .* such as 'lost.wav', so they have no label. Put every"
    ):
        open_data(f"folder:{labelled_folder}")


def test_names_with_html_stay_as_they_are(tmp_path: Path, tone) -> None:
    label, file = "<b>dog</b>\"&'", "<img src=x onerror=alert(1)>.wav".replace("/", "")
    folder = tmp_path / "s" / "<i>&amp;"
    tone(folder / file)
    clips = open_data(f"folder:{tmp_path / 's'}")
    assert clips.record(0)["label"] == "<i>&amp;" and clips.record(0)["id"] == f"<i>&amp;/{file}"
    assert clips.source.read(clips.record(0))[0].shape == (1, 4000)
    assert label not in clips.table["label"].to_list()


def test_links_are_followed_once(tmp_path: Path, tone) -> None:
    tone(tmp_path / "real" / "dog" / "a.wav")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "real" / "dog")
    (tmp_path / "set" / "linked" / "loop").symlink_to(tmp_path / "set")
    assert open_data(f"folder:{tmp_path / 'set'}").table["id"].to_list() == ["linked/a.wav"]


def test_empty_and_missing(tmp_path: Path) -> None:
    with pytest.raises(
        EmptyDataError, match=r"holds no clip. Expected: sound files \(.aif, .*in one subfolder per class"
    ):
        open_data(f"folder:{tmp_path}")
    with pytest.raises(DataLayoutError, match="there is no folder"):
        open_data(f"folder:{tmp_path / 'nowhere'}")


@pytest.mark.parametrize("levels", ["labels", "label/label", "", "label/"])
def test_unknown_levels(labelled_folder: Path, levels: str) -> None:
    with pytest.raises(InputError, match="levels are words of label, split, fold, group, -"):
        open_data(f"folder:{labelled_folder}", levels=levels)
