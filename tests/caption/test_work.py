"""Captioning block by block, with clips that are set aside."""

from __future__ import annotations

import copy

from otoscope.caption.work import Captioning, merge, part
from otoscope.data import open_data
from otoscope.store import tables, tensors
from otoscope.work import set_aside
from otoscope.work.blocks import plan
from otoscope.work.engine import run


def test_clips_that_are_set_aside_are_counted_failures(tmp_path):
    clips = open_data("sounds:9")
    set_aside.write(tmp_path, {4: "killed its worker 2 times"})
    blocks = plan(9, 4)
    paths = run(blocks, tmp_path, Captioning("acoustic", clips, tmp_path, 0), merge)
    made = [tables.read(part(tmp_path, block)) for block in blocks]
    assert [one["row"].to_list() for one in made] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert made[1].select("row", "id", "text", "status", "reason").row(0, named=True) == {
        "row": 4,
        "id": clips.table["id"][4],
        "text": None,
        "status": "failed",
        "reason": "killed its worker 2 times",
    }
    assert sum(int(tensors.read(path)["failed"][0]) for path in paths) == 1


def test_a_captioner_stays_where_it_is(tmp_path):
    work = Captioning("acoustic", open_data("sounds:2"), tmp_path, None)
    work.begin("cpu", 1)
    assert work.words is not None and work.workers == 0
    assert copy.copy(work).words is None
    work.try_alone(1)
    assert not list(tmp_path.iterdir())
