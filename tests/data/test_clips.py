"""The table of clips."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.data import open_data
from otoscope.data.clips import STANDARD, Clips, LabelSet
from otoscope.data.source import FileSource, Source
from otoscope.data.table import assemble, class_names
from otoscope.errors import DataLayoutError, EmptyDataError, InputError, UnknownNameError

SETS = (LabelSet("kind", ("a", "b")), LabelSet("tags", ("x", "y", "z"), "multi"))


def made(root: Path = Path("."), **columns: list[object]) -> Clips:
    base: dict[str, list[object]] = {
        "path": ["1.wav", "2.wav", "3.wav"],
        "fold": [1, 2, 2],
        "kind": ["b", "a", None],
        "tags": [["x", "z"], [], None],
    }
    frame = pl.DataFrame(base | columns)
    return assemble(
        frame, SETS, FileSource(root), name="csv", spec="csv:t.csv", expected="rows", group_declared=False
    )


def test_columns_types_and_order() -> None:
    clips = made(zebra=[1, 2, 3])
    assert clips.table.columns == [*STANDARD, "kind", "tags", "zebra"]
    assert clips.table.schema["row"] == pl.Int64 and clips.table.schema["start_s"] == pl.Float64
    assert clips.table["row"].to_list() == [0, 1, 2]
    assert clips.table["id"].to_list() == clips.table["group"].to_list() == ["1.wav", "2.wav", "3.wav"]
    assert clips.table["split"].to_list() == [None] * 3
    assert isinstance(clips.source, Source)
    assert len(clips) == 3


def test_columns_that_a_run_adds_are_renamed() -> None:
    clips = made(duration_s=[1.0, 2.0, 3.0], status=["x", "y", "z"])
    assert clips.table.columns[-2:] == ["duration_s_given", "status_given"]


def test_targets() -> None:
    clips = made()
    assert clips.targets().tolist() == [1, 0, -1]
    assert clips.targets("tags").tolist() == [[True, False, True], [False] * 3, [False] * 3]
    assert clips.label_set() is SETS[0] and clips.label_set("tags") is SETS[1]


def test_unknown_label_set() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown label set 'kinds'. Did you mean 'kind'"):
        made().label_set("kinds")


def test_no_label_set_at_all() -> None:
    clips = assemble(
        pl.DataFrame({"path": ["a"]}),
        [],
        FileSource(Path(".")),
        name="x",
        spec="x:y",
        expected="",
        group_declared=False,
    )
    with pytest.raises(InputError, match="x:y carries no labels: its table has the columns row, id, "):
        clips.targets()


def test_a_class_twice() -> None:
    with pytest.raises(InputError, match="label set 'k' has a class twice: a, a"):
        LabelSet("k", ("a", "a"))


def test_duplicate_ids() -> None:
    with pytest.raises(
        DataLayoutError, match=r"the same clip twice: id '1.wav' stands in rows 0, 2 \(1 id is repeated\)"
    ):
        made(path=["1.wav", "2.wav", "1.wav"])


def test_no_rows() -> None:
    with pytest.raises(EmptyDataError, match=r"csv:t.csv holds no clip. Expected: rows"):
        made(path=[], fold=[], kind=[], tags=[])


def test_fold_that_is_no_number() -> None:
    with pytest.raises(DataLayoutError, match="fold must hold whole numbers"):
        made(fold=["one", "2", "3"])


def test_take_renumbers_and_keeps_the_order_asked_for() -> None:
    part = made().take([2, 0])
    assert part.table["row"].to_list() == [0, 1]
    assert part.table["id"].to_list() == ["3.wav", "1.wav"]
    assert part.label_sets == SETS


def test_take_moves_events_along() -> None:
    events = pl.DataFrame(
        {"row": [0, 0, 2], "onset_s": [0.1, 0.5, 0.2], "offset_s": [None, 0.6, 0.3], "label": list("abc")}
    )
    clips = made()
    clips = Clips(clips.name, clips.spec, clips.table, clips.label_sets, clips.source, events)
    moved = clips.take([2, 0]).events
    assert moved is not None
    assert moved.rows() == [(0, 0.2, 0.3, "c"), (1, 0.1, None, "a"), (1, 0.5, 0.6, "b")]
    assert clips.take([1]).events.height == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rows", "message"), [([3], r"0\.\.2, got 3"), ([-1], "got -1"), ([1, 1], "asked for twice")]
)
def test_take_refuses(rows: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        made().take(rows)


def test_select_keeps_all_classes() -> None:
    part = made().select(folds="1")
    assert len(part) == 1 and part.label_sets == SETS
    assert made().select().table.equals(made().table)


def test_hash_is_of_id_size_segment_and_labels_in_order(tmp_path: Path, tone) -> None:
    for name in ("1.wav", "2.wav", "3.wav"):
        tone(tmp_path / name)
    clips = made(tmp_path)
    size = (tmp_path / "1.wav").stat().st_size
    rows = [
        ["1.wav", size, None, None, "b", ["x", "z"]],
        ["2.wav", size, None, None, "a", []],
        ["3.wav", size, None, None, None, None],
    ]
    text = json.dumps([["kind", "tags"], rows], separators=(",", ":"))
    assert clips.content_hash() == hashlib.sha256(text.encode()).hexdigest()
    assert made(tmp_path, zebra=[1, 2, 3], fold=[3, 3, 3]).content_hash() == clips.content_hash()
    hashes = {
        clips.content_hash(),
        clips.take([1, 0, 2]).content_hash(),
        made(tmp_path, start_s=[0.1, None, None]).content_hash(),
        made(tmp_path, kind=["a", "a", None]).content_hash(),
        made(tmp_path / "gone").content_hash(),
    }
    tone(tmp_path / "2.wav", seconds=0.6)
    assert len(hashes | {clips.content_hash()}) == 6


def test_hash_does_not_depend_on_where_the_data_lie(tmp_path: Path, tone) -> None:
    for place in ("here", "there"):
        tone(tmp_path / place / "dog" / "a.wav")
    one, other = (open_data(f"folder:{tmp_path / place}") for place in ("here", "there"))
    assert one.content_hash() == other.content_hash()


def test_class_names() -> None:
    assert class_names(["b", "a", "b"]) == ("a", "b")
    assert class_names(["10", "9", "0"]) == ("0", "9", "10")
    assert class_names(["10", "9", "x"]) == ("10", "9", "x")
    assert class_names([]) == ()


def test_sources_travel_between_processes() -> None:
    source = FileSource(Path("x"))
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301  (how worker processes get it)


def test_record_is_a_row() -> None:
    assert made().record(1)["id"] == "2.wav"
    assert np.asarray(made().targets()).dtype == np.int64
