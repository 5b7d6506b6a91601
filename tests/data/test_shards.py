"""Tar shards and Parquet files of sounds, here and by URL."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import numpy as np
import pytest

from otoscope.data import open_data
from otoscope.data.shards import expand
from otoscope.errors import AudioFileError, DataLayoutError, UnknownNameError
from otoscope.store import tables
from otoscope.store.place import place, remove_tree
from tests.data import shards


@pytest.fixture
def bucket(request):
    pytest.importorskip("upath")
    folder = place(f"memory://bucket-{''.join(one for one in request.node.name if one.isalnum())}")
    yield folder
    remove_tree(folder)


def copied(folder: Path, bucket: Path) -> Path:
    for one in folder.rglob("*"):
        if one.is_file():
            target = bucket / one.relative_to(folder).as_posix()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(one.read_bytes())
    return bucket


def test_braces():
    assert expand("a/{8..10}-{0..1}.tar")[:3] == ["a/8-0.tar", "a/8-1.tar", "a/9-0.tar"]
    assert expand("plain.tar") == ["plain.tar"]
    with pytest.raises(DataLayoutError, match="counts up"):
        expand("{5..1}")


def test_a_clip_is_all_members_of_one_name(labelled_folder, tmp_path):
    spec = shards.tar(labelled_folder, tmp_path / "shards")
    clips = open_data(f"tar:{spec}")
    files = open_data(f"folder:{labelled_folder}")
    assert clips.table["cls"].to_list() == files.table["label"].to_list()
    assert clips.table["id"][0] == "part-00.tar/0000.wav" and clips.table["path_given"][0] == "x"
    assert clips.label_set().classes == files.label_set().classes
    for row in range(len(files)):
        ours, theirs = clips.source.read(clips.record(row)), files.source.read(files.record(row))
        np.testing.assert_array_equal(ours[0], theirs[0])
    tagged = open_data(f"tar:{spec}?labels=tags,name")
    assert [one.kind for one in tagged.label_sets] == ["multi", "single"]
    with pytest.raises(UnknownNameError, match="tagz"):
        open_data(f"tar:{spec}?labels=tagz")


def test_an_index_saves_looking_through(labelled_folder, tmp_path, monkeypatch):
    spec = f"tar:{shards.tar(labelled_folder, tmp_path / 'shards')}?index={tmp_path / 'index.parquet'}"
    first = open_data(spec)
    looked = []
    monkeypatch.setattr("otoscope.data.tar._rows", lambda shard: looked.append(shard) or [])
    assert open_data(spec).table.equals(first.table) and not looked
    with (tmp_path / "shards" / "part-00.tar").open("ab") as more:
        more.write(bytes(512))
    monkeypatch.undo()
    assert open_data(spec).table.equals(first.table)
    assert tables.read(tmp_path / "index.parquet")["shard_bytes"].max() == max(
        one.stat().st_size for one in (tmp_path / "shards").iterdir()
    )


def test_shards_that_are_not_there(labelled_folder, tmp_path):
    shards.tar(labelled_folder, tmp_path / "shards")
    with pytest.raises(DataLayoutError, match=r"no shard .*part-03.tar and 8 more, of 12"):
        open_data(f"tar:{tmp_path / 'shards'}/part-{{00..11}}.tar")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataLayoutError, match=r"no shard .*empty"):
        open_data(f"tar:{tmp_path / 'empty'}")


def test_damaged_shards(labelled_folder, tmp_path):
    shards.tar(labelled_folder, tmp_path / "shards")
    packed = tmp_path / "packed.tar"
    packed.write_bytes(gzip.compress((tmp_path / "shards" / "part-00.tar").read_bytes()))
    with pytest.raises(DataLayoutError, match="no plain tar"):
        open_data(f"tar:{packed}")
    with tarfile.open(tmp_path / "twice.tar", "w") as opened:
        for name in ("a.wav", "a.flac"):
            shards.add(opened, name, b"x")
    with pytest.raises(DataLayoutError, match="two sounds of one name"):
        open_data(f"tar:{tmp_path / 'twice.tar'}")
    clips = open_data(f"tar:{tmp_path / 'shards'}")
    shard = tmp_path / "shards" / clips.record(0)["shard"]
    shard.write_bytes(shard.read_bytes()[: int(clips.record(0)["tar_offset"]) + 10])
    with pytest.raises(AudioFileError, match="the shard ends after 10"):
        clips.source.read(clips.record(0))


def test_cells_of_parquet(labelled_folder, tmp_path):
    spec = shards.parquet(labelled_folder, tmp_path / "parts")
    clips, files = open_data(f"parquet:{spec}"), open_data(f"folder:{labelled_folder}")
    assert clips.table["label"].to_list() == files.table["label"].to_list()
    assert clips.label_sets[0].name == "label" and clips.table["id_given"].to_list()[:2] == [0, 1]
    for row in (4, 0, 1):
        np.testing.assert_array_equal(
            clips.source.read(clips.record(row))[0], files.source.read(files.record(row))[0]
        )
    with pytest.raises(UnknownNameError, match="sounds"):
        open_data(f"parquet:{spec}?audio=sounds")
    (tmp_path / "parts" / "part-9.parquet").write_text("text")
    with pytest.raises(DataLayoutError, match=r"part-9.parquet cannot be read as Parquet"):
        open_data(f"parquet:{spec}")


@pytest.mark.parametrize("scheme", ["folder", "csv", "tar", "parquet"])
def test_by_url_as_here(scheme, labelled_folder, tmp_path, bucket):
    (labelled_folder / "table.csv").write_text("path,label\ndog/a.wav,d\ncat/b.wav,c\n")
    if scheme == "tar":
        shards.tar(labelled_folder, tmp_path / "there")
    elif scheme == "parquet":
        shards.parquet(labelled_folder, tmp_path / "there")
    here = tmp_path / "there" if scheme in ("tar", "parquet") else labelled_folder
    copied(here, bucket)
    inside = {"csv": "/table.csv", "tar": "/*.tar", "parquet": "/*.parquet"}.get(scheme, "")
    local, remote = open_data(f"{scheme}:{here}{inside}"), open_data(f"{scheme}:{bucket}{inside}")
    assert remote.table.equals(local.table) and remote.content_hash() == local.content_hash()
    for row in range(len(local)):
        ours, theirs = remote.source.read(remote.record(row)), local.source.read(local.record(row))
        np.testing.assert_array_equal(ours[0], theirs[0])
