"""Archives that are cut into segments."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from otoscope.data.split_zip import is_segment, segments
from otoscope.data.unpack import unpack
from otoscope.errors import FormatError

CONTENT = {
    "d/a.bin": np.random.default_rng(0).bytes(150_000),
    "d/b.txt": b"text " * 9000,
    "c.bin": np.random.default_rng(1).bytes(70_000),
}
CUTS = (100_000, 160_000)


def split(folder: Path) -> Path:
    """Write an archive in three segments, as a splitting program does: offsets count from each segment's start."""
    whole = folder / "whole.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in CONTENT.items():
            archive.writestr(name, content)
    content = bytearray(whole.read_bytes())
    bounds = [0, *CUTS, len(content)]
    place = lambda at: max(i for i in range(3) if bounds[i] <= at)  # noqa: E731
    end = content.rfind(b"PK\x05\x06")
    at = start = struct.unpack_from("<I", content, end + 16)[0]
    while content[at : at + 4] == b"PK\x01\x02":
        sizes = struct.unpack_from("<HHH", content, at + 28)
        offset = struct.unpack_from("<I", content, at + 42)[0]
        struct.pack_into("<H", content, at + 34, place(offset))
        struct.pack_into("<I", content, at + 42, offset - bounds[place(offset)])
        at += 46 + sum(sizes)
    struct.pack_into("<HH", content, end + 4, 2, 2)
    struct.pack_into("<I", content, end + 16, start - bounds[2])
    for index, name in enumerate(("x.z01", "x.z02", "x.zip")):
        (folder / name).write_bytes(content[bounds[index] : bounds[index + 1]])
    return folder / "x.zip"


def unpacked(folder: Path) -> dict[str, bytes]:
    return {
        one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*") if one.is_file()
    }


def test_segments_are_one_archive(tmp_path: Path) -> None:
    archive = split(tmp_path)
    assert [one.name for one in segments(archive)] == ["x.z01", "x.z02", "x.zip"]
    assert unpack(archive, tmp_path / "out") == 3 and unpacked(tmp_path / "out") == CONTENT


@pytest.mark.skipif(shutil.which("zip") is None, reason="the program zip is not installed")
def test_what_the_program_zip_splits(tmp_path: Path) -> None:
    for name, content in CONTENT.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    subprocess.run(["zip", "-q", "-r", "-s", "64k", "../y.zip", "."], cwd=tmp_path / "in", check=True)
    assert len(segments(tmp_path / "y.zip")) >= 3
    assert unpack(tmp_path / "y.zip", tmp_path / "out") == 3 and unpacked(tmp_path / "out") == CONTENT


def test_damage_is_said(tmp_path: Path) -> None:
    archive = split(tmp_path)
    content = bytearray((tmp_path / "x.z01").read_bytes())
    content[50_000] ^= 1
    (tmp_path / "x.z01").write_bytes(content)
    with pytest.raises(FormatError, match=r"x.zip is damaged or not an archive: (d/a.bin is damaged|Error)"):
        unpack(archive, tmp_path / "out")
    split(tmp_path)
    (tmp_path / "x.z02").unlink()
    with pytest.raises(FormatError, match="3 segments belong to it, 2 are there"):
        unpack(archive, tmp_path / "out")


def test_names_of_segments() -> None:
    assert [is_segment(one) for one in ("a.z01", "a.Z10", "a.zip", "a.z", "a.wav")] == [
        True,
        True,
        False,
        False,
        False,
    ]
