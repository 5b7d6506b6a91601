"""The caption stage: one table and one marker, continued after a kill, refused where the clips are others."""

from __future__ import annotations

import logging

import pytest

from otoscope.caption import stage
from otoscope.caption.stage import CaptionConfig, caption
from otoscope.data import reopen
from otoscope.errors import EmptyDataError, InputError, StageError, UnknownNameError
from otoscope.store import run as runs

from .conftest import make_clips


@pytest.fixture
def run(clips, tmp_path):
    identity = {
        "model": {"spec": "none:"},
        "data": {"spec": clips.spec, "hash": clips.content_hash(), "n_clips": len(clips)},
        "layers": [],
        "seed": 0,
    }
    return runs.create(tmp_path / "run", identity)


TITLES = ["a", "b", "c", "d", "e"]


@pytest.fixture
def recorded(tmp_path):
    """A run that says where its sounds lie, and that folder."""
    clips = make_clips(tmp_path / "sounds", title=TITLES)
    identity = {"model": {"spec": "none:"}, "data": reopen.describe(clips, tmp_path / "run"), "layers": []}
    run = runs.create(tmp_path / "run", identity)
    runs.tables.write(run.root / "clips.parquet", clips.table)
    return run, tmp_path / "sounds"


def test_a_table_and_a_marker(run, clips):
    name = caption(run, clips, CaptionConfig(captioner="acoustic", block=2, workers=0))
    found, table = run.table("captions", "acoustic")
    assert found == name and table.height == 5
    marker = runs.read_stage(run, f"caption-{name}")
    assert marker["outputs"] == [f"captions/{name}.parquet"]
    assert marker["notes"]["failed"] == 1 and marker["notes"]["circular"] is False
    assert marker["notes"]["share_with_label"] == pytest.approx(0.25, abs=0.5)
    assert [one.name for one in (run.root / "captions").iterdir()] == [f"{name}.parquet"]
    assert '"event": "caption"' in (run.root / "log.jsonl").read_text()


def test_several_captioners_stand_side_by_side(run, clips):
    names = {caption(run, clips, CaptionConfig(captioner=one, workers=0)) for one in ("labels", "titles")}
    assert names == set(run.listing("captions")) and len(names) == 2
    marker = runs.read_stage(run, "caption-" + next(one for one in names if one.startswith("labels")))
    assert marker["notes"]["circular"] is True and marker["notes"]["share_with_label"] == 1.0


def test_block_size_and_workers_do_not_change_a_byte(run, clips, tmp_path):
    name = caption(run, clips, CaptionConfig(block=2, workers=0))
    first = (run.root / "captions" / f"{name}.parquet").read_bytes()
    (run.root / "captions" / f"{name}.parquet").unlink()
    caption(run, clips, CaptionConfig(block=100, workers=1))
    assert (run.root / "captions" / f"{name}.parquet").read_bytes() == first


def test_done_is_not_done_again(run, clips, monkeypatch, caplog):
    config = CaptionConfig(captioner="labels")
    name = caption(run, clips, config)
    monkeypatch.setattr(stage, "_computed", None)
    with caplog.at_level(logging.INFO):
        assert caption(run, clips, config) == name
    assert "already holds" in caplog.text


def test_a_killed_stage_goes_on(run, clips, monkeypatch):
    config = CaptionConfig(captioner="acoustic", block=2, workers=0)
    real, written = stage.tables.write, []

    def dying(path, table):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        real(path, table)

    monkeypatch.setattr(stage.tables, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        caption(run, clips, config)
    assert run.listing("captions") == {}
    assert not list((run.root).glob("stages/caption*"))
    again = []
    monkeypatch.setattr(
        stage.tables, "write", lambda path, table: (again.append(path.name), real(path, table))
    )
    name = caption(run, clips, config)
    assert written == ["0-2.parquet", "2-4.parquet"] and again == ["4-5.parquet", f"{name}.parquet"]
    assert run.table("captions")[1].height == 5


def test_a_killed_stage_goes_on_with_blocks_of_another_size(run, clips, monkeypatch):
    real, written = stage.tables.write, []

    def dying(path, table):
        if written:
            raise KeyboardInterrupt
        written.append(path.name)
        real(path, table)

    with monkeypatch.context() as patch:
        patch.setattr(stage.tables, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            caption(run, clips, CaptionConfig(captioner="acoustic", block=3, workers=0))
    caption(run, clips, CaptionConfig(captioner="acoustic", block=1, workers=0))
    table = run.table("captions")[1]
    assert table.height == 5
    assert not list((run.root / "captions").glob("*.parts"))


def test_other_clips_are_refused(run, tmp_path):
    other = make_clips(tmp_path / "other").take([0, 1])
    with pytest.raises(
        StageError, match=r"\(2 clips\) is not what .* was recorded on: test:clips \(5 clips\)"
    ):
        caption(run, other)


def test_nobody_captioned(run, clips, monkeypatch):
    from otoscope.caption.metadata import MetadataCaptioner

    silent = clips.table["title"].is_null()
    assert silent.any()
    monkeypatch.setattr(MetadataCaptioner, "captions", lambda self, clips, **_: _all_failed(clips))
    with pytest.raises(
        EmptyDataError, match=r"titles gave none of 5 clips a caption\. The first: empty cell"
    ):
        caption(run, clips, CaptionConfig(captioner="titles"))
    assert run.listing("captions") == {} and not list((run.root / "captions").iterdir())


def _all_failed(clips):
    from otoscope.caption.captioner import table

    rows = range(len(clips))
    return table(clips, rows, {}, dict.fromkeys(rows, "empty cell"))


@pytest.mark.parametrize(
    "by, said",
    [
        ("labels:foo", "unknown label set 'foo'"),
        ("metadata:nope", "unknown column 'nope'"),
        ("metadata:kind", "'kind' is a label set: ask for labels:kind"),
    ],
)
def test_what_cannot_caption_leaves_nothing_behind(run, clips, by, said):
    with pytest.raises(InputError, match=said):
        caption(run, clips, CaptionConfig(captioner=by))
    assert not (run.root / "captions").exists()


def test_a_captioner_that_fails_leaves_no_empty_folder(run, clips, monkeypatch):
    monkeypatch.setattr(stage, "check", lambda words, clips: None)
    with pytest.raises(UnknownNameError, match="unknown column 'nope'"):
        caption(run, clips, CaptionConfig(captioner="metadata:nope"))
    assert list((run.root / "captions").iterdir()) == []


def test_the_table_of_moved_sounds_is_enough_for_captions_that_it_says(recorded, tmp_path):
    run, root = recorded
    root.rename(tmp_path / "moved")
    for by in ("labels", "titles"):
        name = caption(run, config=CaptionConfig(captioner=by))
        assert run.table("captions", name)[1].height == 5
    with pytest.raises(StageError, match=r"are no longer at .*sounds: .*\(--data\)"):
        caption(run, config=CaptionConfig(captioner="acoustic"))
    moved = make_clips(tmp_path / "moved", title=TITLES)
    assert run.table("captions", caption(run, moved, CaptionConfig(workers=0)))[1].height == 5


def test_unknown_options_are_refused():
    with pytest.raises(UnknownNameError, match="colour"):
        CaptionConfig(colour="red")
