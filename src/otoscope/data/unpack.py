"""Unpack an archive into a folder and nowhere else.

Every member is looked at first: an absolute name, a ``..``, a drive letter, a link or a device refuses the
whole archive, so a hostile or damaged one writes nothing outside the folder. Only plain files are written,
with the process's own permissions.
"""

from __future__ import annotations

import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from otoscope.data import split_zip
from otoscope.errors import FormatError
from otoscope.progress import track

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")


def is_archive(name: str) -> bool:
    """Return whether a file of that name is unpacked (by its suffix)."""
    return name.lower().endswith(_SUFFIXES)


def unpack(archive: Path, folder: Path) -> int:
    """Write the files of ``archive`` under ``folder`` and return how many.

    Parameters
    ----------
    archive : Path
        A zip, tar or gzipped tar; of a zip in segments (``.z01`` ...) the ``.zip``.
    folder : Path
        Made where it does not exist.

    Raises
    ------
    FormatError
        If the archive is damaged or a member would leave the folder; members before it may have been written.
    """
    members = _tar_members
    if archive.name.lower().endswith(".zip"):
        members = _split_members if len(split_zip.segments(archive)) > 1 else _zip_members
    count = 0
    try:
        for name, source in track(members(archive), None, f"unpacking {archive.name}"):
            target = folder / _inside(name, archive)
            target.parent.mkdir(parents=True, exist_ok=True)
            with source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 2**20)
            count += 1
    # zipfile raises RuntimeError for an encrypted member, and a kind of it for an unknown compression
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, EOFError, RuntimeError) as error:
        raise FormatError(f"{archive} is damaged or not an archive: {error}") from error
    return count


def _split_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    for one, content in split_zip.members(archive):
        _inside(one.filename, archive)
        if stat.S_ISLNK(one.external_attr >> 16):
            raise FormatError(_unsafe(archive, one.filename, "is a link"))
        yield one.filename, content


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        entries = opened.infolist()
        for one in entries:
            _inside(one.filename, archive)
            if stat.S_ISLNK(one.external_attr >> 16):
                raise FormatError(_unsafe(archive, one.filename, "is a link"))
        for one in entries:
            if not one.is_dir():
                yield one.filename, opened.open(one)


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive) as opened:
        for one in opened:
            _inside(one.name, archive)
            if one.isdir():
                continue
            source = opened.extractfile(one) if one.isfile() else None
            if source is None:
                raise FormatError(_unsafe(archive, one.name, "is a link or a device"))
            yield one.name, source


def _inside(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]) or "\0" in name:
        raise FormatError(_unsafe(archive, name, "would be written outside the folder"))
    return path


def _unsafe(archive: Path, name: str, why: str) -> str:
    return f"{archive} is not safe to unpack: its member {name!r} {why}"
