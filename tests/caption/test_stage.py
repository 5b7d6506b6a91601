"""The caption stage: one table and one marker, continued after a kill, refused where the clips are others."""

from __future__ import annotations

import logging

import pytest
from pydantic import ValidationError

from otoscope.caption import stage
from otoscope.caption.stage import CaptionConfig, caption
from otoscope.errors import EmptyDataError, StageError
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


def test_unknown_options_are_refused():
    with pytest.raises(ValidationError, match="colour"):
        CaptionConfig(colour="red")
