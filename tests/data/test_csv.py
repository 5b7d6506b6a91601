"""Tables of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.errors import DataLayoutError, EmptyDataError, InputError


def opened(folder: Path, text: str, name: str = "t.csv", **options: str) -> Clips:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return open_data(f"csv:{folder / name}", **options)


def test_all_columns(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a b.wav", seconds=2.0)
    head = "path,label,fold,split,start_s,end_s,group,weather,bird"
    text = f"{head}\na b.wav,007,3,test,0.5,1.25,g1,rain,1.5\na b.wav,x,,,,,g1,,2\n"
    clips = opened(tmp_path, text)
    assert clips.table["id"].to_list() == ["a b.wav#500-1250", "a b.wav"]
    assert clips.table["fold"].to_list() == [3, None] and clips.table["split"].to_list() == ["test", None]
    assert clips.table["label"].to_list() == ["007", "x"] and clips.label_sets[0].classes == ("007", "x")
    assert clips.group_declared and clips.table["group"].to_list() == ["g1", "g1"]
    assert clips.table["weather"].to_list() == ["rain", None] and clips.table["bird"].to_list() == [1.5, 2.0]
    assert clips.source.read(clips.record(0))[0].shape == (1, 6000)
    assert clips.source.read(clips.record(1))[0].shape == (1, 16000)


def test_segments_of_one_file_share_a_group(tmp_path: Path) -> None:
    clips = opened(tmp_path, "path,label,start_s,end_s\na.wav,x,0,1\na.wav,y,1,\na.wav,y,,0.0005\n")
    assert clips.table["id"].to_list() == ["a.wav#0-1000", "a.wav#1000-", "a.wav#0-0"]
    assert clips.table["group"].unique().to_list() == ["a.wav"] and not clips.group_declared


def test_columns_called_id_and_row_are_kept_under_another_name(tmp_path: Path) -> None:
    clips = opened(tmp_path, "id,row,path,label\n7,9,a.wav,x\n")
    assert clips.record(0)["id"] == "a.wav" and clips.record(0)["row"] == 0
    assert clips.record(0)["id_given"] == "7" and clips.record(0)["row_given"] == 9


def test_several_label_columns_and_none(tmp_path: Path) -> None:
    text = "path,species,place\na.wav,owl,wood\nb.wav,,wood\n"
    clips = opened(tmp_path, text, labels="species,place")
    assert [one.name for one in clips.label_sets] == ["species", "place"]
    assert clips.targets().tolist() == [0, -1]
    assert opened(tmp_path, text, labels="").label_sets == ()


@pytest.mark.parametrize("separator", ["|", ";"])
def test_several_labels_a_cell_only_where_said(tmp_path: Path, separator: str) -> None:
    text = f"path,label\na.wav,rain{separator} wind{separator}rain\nb.wav,\nc.wav,wind\n"
    clips = opened(tmp_path, text, multi=separator)
    assert clips.table["label"].to_list() == [["rain", "wind"], [], ["wind"]]
    assert clips.label_sets[0].kind == "multi" and clips.label_sets[0].classes == ("rain", "wind")
    assert clips.targets().tolist() == [[True, True], [False, False], [False, True]]
    plain = opened(tmp_path, text)
    assert (
        plain.label_sets[0].kind == "single"
        and plain.table["label"][0] == f"rain{separator} wind{separator}rain"
    )


def test_paths_start_at_the_table_or_at_root(tmp_path: Path, tone) -> None:
    sound = tone(tmp_path / "audio" / "a.wav")
    text = f"path,label\na.wav,x\n{sound},y\n"
    with pytest.raises(DataLayoutError, match=r"names the same clip twice: id 'a.wav'"):
        opened(tmp_path / "tables", text, root=str(tmp_path / "audio"))
    clips = opened(tmp_path / "tables", f"path,label\n{sound},y\n")
    assert clips.table["id"].to_list() == [sound.as_posix()]
    assert clips.source.read(clips.record(0))[1] == 8000
    clips = opened(tmp_path, f"path,label\n{sound},y\n")
    assert clips.table["id"].to_list() == ["audio/a.wav"]


def test_tabs_and_a_byte_order_mark(tmp_path: Path) -> None:
    clips = opened(tmp_path, "\ufeffpath\tlabel\na,b.wav\tx\n", "t.tsv")
    assert clips.table["path"].to_list() == ["a,b.wav"]


def test_missing_columns_name_found_and_expected(tmp_path: Path) -> None:
    with pytest.raises(
        DataLayoutError, match=r"t.csv has no column 'path'. Expected: path, label. Found: 'file', 'label'."
    ):
        opened(tmp_path, "file,label\na.wav,x\n")
    with pytest.raises(
        DataLayoutError,
        match=r"no column 'label'. Expected: path, label. Found: 'path', 'class'. Other label",
    ):
        opened(tmp_path, "path,class\na.wav,x\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label,fold\na,x,1\nb,x,one\n", "t.csv, line 3: fold must be a number, got 'one'"),
        ("path,label,start_s\na,x,-1\n", "line 2: start_s must be 0 or more seconds, got -1"),
        ("path,label,start_s,end_s\na,x,2,1\n", "line 2: end_s must be after start_s, in seconds, got 1"),
        ("path,label,start_s,end_s\na,x,2,NaN\n", "end_s must be after start_s, in seconds, got nan"),
        (
            "path,label,end_s\na,x,0\nb,x,0\n",
            r"line 2: end_s must be after start_s, in seconds, got 0.0 \(2 such lines\)",
        ),
        ("path,label\n,x\n", "line 2: path must be filled in, got None"),
        ("path,label,group\na,x,\n", "line 2: group must be filled in"),
        ("path,label\na,x\na,y\n", "names the same clip twice"),
        (
            "path,label,start_s\na,x,0.0001\na,y,0.0002\n",
            "give segments of one file different start_s and end_s",
        ),
        ("", "cannot be read as a UTF-8 table with a header"),
        ("path,label\na,x,y\n", "cannot be read as a UTF-8 table"),
    ],
)
def test_cells_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataLayoutError, match=message):
        opened(tmp_path, text)


def test_empty_missing_and_not_text(tmp_path: Path) -> None:
    with pytest.raises(EmptyDataError, match=r"holds no clip. Expected: a header and rows path,label"):
        opened(tmp_path, "path,label\n")
    with pytest.raises(DataLayoutError, match="there is no table"):
        open_data(f"csv:{tmp_path / 'none.csv'}")
    (tmp_path / "b.csv").write_bytes(b"path,label\n\xff\xfe\x00,x\n")
    with pytest.raises(DataLayoutError, match="cannot be read as a UTF-8 table"):
        open_data(f"csv:{tmp_path / 'b.csv'}")


def test_label_columns_must_not_be_standard_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labels are distinct columns other than row, id, path"):
        opened(tmp_path, "path,label,split\na,x,y\n", labels="split")


def test_html_in_labels_and_paths(tmp_path: Path) -> None:
    clips = opened(tmp_path, 'path,label\n<a&b>.wav,"<script>alert(""x"")</script>"\n')
    assert clips.record(0)["label"] == '<script>alert("x")</script>' and clips.record(0)["id"] == "<a&b>.wav"


def test_events(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(
        "path,onset_s,offset_s,label\nb.wav,0.5,0.75,bark\na.wav,2,,meow\nb.wav,0.25,0.3,bark\n"
    )
    clips = opened(tmp_path, "path,label\na.wav,x\nb.wav,y\n", events=str(tmp_path / "e.csv"))
    assert clips.events is not None
    assert clips.events.rows() == [(0, 2.0, None, "meow"), (1, 0.25, 0.3, "bark"), (1, 0.5, 0.75, "bark")]


def test_events_that_belong_to_no_clip(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("path,onset_s,offset_s,label\nc.wav,0.5,0.75,bark\n")
    with pytest.raises(
        DataLayoutError,
        match=r"e.csv: 1 of 1 events cannot be used. .*e.csv, line 2: no clip is called 'c.wav'",
    ):
        opened(tmp_path, "path,label\na.wav,x\n", events=str(tmp_path / "e.csv"))
    (tmp_path / "e.csv").write_text("path,label\n")
    with pytest.raises(DataLayoutError, match="no column for onset, offset or duration"):
        opened(tmp_path, "path,label\na.wav,x\n", events=str(tmp_path / "e.csv"))
