"""Label sets made of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.data.derive import read_map, regroup
from otoscope.errors import DataLayoutError, InputError, UnknownNameError

TABLE = "path,note,who,kinds,accent\na.wav,60,jo,x;y,uk\nb.wav,9,al,y,us\nc.wav,60,,,uk\nd.wav,72,jo,z,\n"


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    (tmp_path / "t.csv").write_text(TABLE)
    return open_data(f"csv:{tmp_path / 't.csv'}", labels="note,who")


def test_combination(clips: Clips) -> None:
    found = clips.derive("who+note")
    made = found.label_set("who+note")
    assert made.classes == ("al|9", "jo|60", "jo|72") and made.kind == "single"
    assert found.targets("who+note").tolist() == [1, 0, -1, 2]
    assert found.label_set() == clips.label_set() and found.table.columns[8:11] == ["note", "who", "who+note"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", json.dumps({"60": "4", "9": "0", "99": "7"})),
        ("m.json", json.dumps({"4": [60, "61"], "0": ["9"]})),
        ("m.csv", "class,group\n60,4\n9,0\n61,4\n"),
    ],
)
def test_coarser_classes(clips: Clips, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = clips.derive(f"octave=note:{tmp_path / name}")
    assert found.label_set("octave").classes == ("0", "4")
    assert found.targets("octave").tolist() == [1, 0, 1, -1]


def test_coarser_classes_of_several_labels(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    clips = open_data(f"csv:{tmp_path / 't.csv'}", labels="kinds", multi=";")
    found = regroup(clips, "big", "kinds", {"x": "A", "y": "A", "z": "B"})
    assert found.table["big"].to_list() == [["A"], ["A"], [], ["B"]]
    assert found.label_set("big").kind == "multi"
    with pytest.raises(InputError, match="'kinds' gives a clip several"):
        found.derive("kinds+big")


def test_a_column(clips: Clips) -> None:
    found = clips.derive("accent, note")
    assert found.label_set("accent").classes == ("uk", "us") and found.targets("accent").tolist() == [
        0,
        1,
        0,
        -1,
    ]
    assert [one.name for one in found.label_sets] == ["note", "who", "accent"]
    with pytest.raises(UnknownNameError, match=r"unknown column of labels 'axent'. Did you mean 'accent'"):
        clips.derive("axent")


def test_it_is_part_of_the_spec_and_of_the_hash(clips: Clips) -> None:
    found = open_data(clips.spec, derive="note+who,accent")
    assert open_data(found.spec).table.equals(found.table) and "derive=" in found.spec
    assert found.content_hash() != clips.content_hash()


def test_what_cannot_be(clips: Clips, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown label set 'wo'. Did you mean 'who'"):
        clips.derive("note+wo")
    with pytest.raises(InputError, match="two or more label sets"):
        clips.derive("note+note")
    with pytest.raises(DataLayoutError, match="there is no map"):
        clips.derive(f"o=note:{tmp_path / 'no.json'}")
    (tmp_path / "m.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(DataLayoutError, match="two columns"):
        read_map(tmp_path / "m.csv")
    (tmp_path / "m.csv").write_text("a,b\n60,2\n60,3\n")
    with pytest.raises(DataLayoutError, match="puts class '60' into both '2' and '3'"):
        read_map(tmp_path / "m.csv")
    (tmp_path / "m.json").write_text("[1]")
    with pytest.raises(DataLayoutError, match="a map is an object"):
        read_map(tmp_path / "m.json")
    with pytest.raises(
        InputError, match=r"none of the classes of 'note' is mapped. It has 9, 60, 72; mapped are 1"
    ):
        regroup(clips, "o", "note", {"1": "2"})
    with pytest.raises(InputError, match="cannot be called 'fold'"):
        regroup(clips, "fold", "note", {"60": "2"})
