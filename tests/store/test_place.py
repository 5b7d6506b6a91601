"""A run folder by URL: the same content as here, whole files only."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from otoscope.errors import InputError, MissingExtraError, StageError
from otoscope.store import arrays, manifest, tables, tensors
from otoscope.store import run as runs
from otoscope.store.place import is_remote, local_copy, named, place, relative, remove_tree

pytest.importorskip("upath")


@pytest.fixture
def root(request):
    folder = place(f"memory://{request.node.name}")
    yield folder
    if folder.exists():
        remove_tree(folder)


def test_paths_and_urls(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place("~/run") == tmp_path / "run" and place(tmp_path) is tmp_path
    assert not is_remote(tmp_path) and is_remote(place("memory://bucket/run"))
    assert place("memory://bucket/run") / "a" == place("memory://bucket/run/a")
    with pytest.raises(InputError, match="gopher"):
        place("gopher://hole")


def test_a_protocol_without_its_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "upath", None)
    with pytest.raises(MissingExtraError, match=r"otoscope\[remote\]"):
        place("s3://bucket/run")


def test_what_a_folder_calls_a_place(tmp_path, root):
    here, there = tmp_path / "sounds", tmp_path / "runs" / "a"
    assert relative(here, there) == "../../sounds" and named("../../sounds", there) == here
    assert relative(here, root) == here.as_posix() and named(here.as_posix(), root) == here
    assert relative(root, there) == str(root) and named(str(root), there) == root
    assert named("inside", root) == root / "inside"


def test_every_format(root):
    table = pl.DataFrame({"a": [1, 2]})
    tables.write(root / "t" / "a.parquet", table)
    assert tables.read(root / "t" / "a.parquet").equals(table)
    tensors.write(root / "b.safetensors", {"x": np.arange(3)}, note=[1])
    found, note = tensors.read_with_note(root / "b.safetensors")
    assert found["x"].tolist() == [0, 1, 2] and note == [1]
    manifest.write(root / "c.json", {"k": 1})
    assert manifest.read(root / "c.json") == {"k": 1}
    arrays.create_array(root / "d.zarr", (4, 3), "float32", 2)
    arrays.write_rows(root / "d.zarr", 2, np.ones((2, 3), np.float32))
    assert np.isnan(arrays.open_array(root / "d.zarr")[:2]).all()
    assert (arrays.open_array(root / "d.zarr")[2:] == 1).all()
    with local_copy(root / "c.json") as local:
        assert not is_remote(local) and local.read_text() == (root / "c.json").read_text()
    assert not local.exists()
    with pytest.raises(StageError):
        tables.read(root / "none.parquet")


def test_a_failed_write_leaves_what_was_there(root):
    from otoscope.store.atomic import replacing

    manifest.write(root / "a.json", {"k": 1})
    with pytest.raises(ZeroDivisionError), replacing(root / "a.json") as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert manifest.read(root / "a.json") == {"k": 1}


def test_a_run(root):
    identity = {"layers": [], "seed": 0}
    made = runs.create(root, identity)
    made.log("a", seconds=1)
    made.log("b", seconds=2)
    assert len((root / "log.jsonl").read_text().splitlines()) == 2
    runs.commit_stage(made, "record", 1, {}, {}, [])
    assert runs.is_done(runs.open_run(str(root)), "record", 1, {}, {})
    assert runs.create(root, identity).root == root
    with pytest.raises(StageError, match="seed"):
        runs.create(root, identity | {"seed": 1})
