"""Archives go into their folder and nowhere else."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from otoscope.data.unpack import is_archive, unpack
from otoscope.errors import FormatError


def zipped(file: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file


def tarred(file: Path, members: dict[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(file, "w:gz" if file.suffix in {".gz", ".tgz"} else "w") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return file


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_plain(tmp_path: Path, name: str) -> None:
    members = {"top/a.txt": b"one", "top/deep/b.txt": b"two", "top/ä b.txt": b""}
    make = zipped if name.endswith("zip") else tarred
    assert is_archive(name) and not is_archive("a.csv")
    assert unpack(make(tmp_path / name, members), tmp_path / "out") == 3
    found = {
        one.relative_to(tmp_path / "out").as_posix(): one.read_bytes()
        for one in (tmp_path / "out").rglob("*.txt")
    }
    assert found == members


def test_folders_are_fine(tmp_path: Path) -> None:
    file = zipped(tmp_path / "a.zip", {"top/": b"", "top/a.txt": b"x"})
    assert unpack(file, tmp_path / "out") == 1
    file = tarred(tmp_path / "a.tar", {"top": special("top", tarfile.DIRTYPE), "top/a.txt": b"x"})
    assert unpack(file, tmp_path / "out2") == 1


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"]
)
@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
def test_members_that_leave_the_folder(tmp_path: Path, name: str, kind: str) -> None:
    make = zipped if kind.endswith("zip") else tarred
    file = make(tmp_path / kind, {name: b"gotcha"})
    with pytest.raises(FormatError, match=r"not safe to unpack: its member .* would be written outside"):
        unpack(file, tmp_path / "in" / "out")
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    file = tarred(tmp_path / "a.tar", {"x": special("x", kind, "/etc/passwd"), "x/y": b"through the link"})
    with pytest.raises(FormatError, match="its member 'x' is a link or a device"):
        unpack(file, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*")) if (tmp_path / "out").exists() else True


def test_links_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(FormatError, match="its member 'link' is a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_damaged(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is no archive " * 100)
    with pytest.raises(FormatError, match="is damaged or not an archive"):
        unpack(tmp_path / name, tmp_path / "out")
    make = zipped if name.endswith("zip") else tarred
    whole = make(tmp_path / name, {"a.txt": bytes(range(256)) * 4000}).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match="is damaged or not an archive"):
        unpack(tmp_path / name, tmp_path / "out")


def test_a_changed_byte_in_a_zip(tmp_path: Path) -> None:
    file = zipped(tmp_path / "a.zip", {"a.txt": bytes(range(256)) * 40})
    content = bytearray(file.read_bytes())
    content[60] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(FormatError, match="is damaged"):
        unpack(file, tmp_path / "out")


@pytest.mark.parametrize("flags, compression", [(1, 0), (0, 97)], ids=["encrypted", "unknown compression"])
def test_a_zip_that_cannot_be_read_here(tmp_path: Path, flags: int, compression: int) -> None:
    file = zipped(tmp_path / "a.zip", {"a.txt": b"hello"})
    data = bytearray(file.read_bytes())
    for start, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(start) + offset
        data[at : at + 4] = flags.to_bytes(2, "little") + compression.to_bytes(2, "little")
    file.write_bytes(data)
    with pytest.raises(FormatError, match="damaged or not an archive"):
        unpack(file, tmp_path / "out")
