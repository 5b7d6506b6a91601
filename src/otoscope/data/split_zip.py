"""Members of a zip archive that is cut into segments: ``NAME.z01``, ``NAME.z02`` ... and ``NAME.zip``, the last one.

The segments one after another are one stream; the directory at its end says of each member in which segment it begins
and where in that. Stored and deflated members without encryption are read, one at a time in memory, and their CRC is
compared.

Reference: PKWARE, APPNOTE.TXT, .ZIP File Format Specification, 4.3 and 8.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

_END, _END_SIZE, _LOCAL_SIZE = b"PK\x05\x06", 22, 30
_MOST_COMMENT = 2**16
_ENCRYPTED = 1


def is_segment(name: str) -> bool:
    """Return whether a file is a segment before the last of a split archive (``.z01`` ...)."""
    suffix = Path(name).suffix.lower()
    return len(suffix) >= 4 and suffix.startswith(".z") and suffix[2:].isdigit()


def segments(archive: Path) -> list[Path]:
    """Return the segments of a split archive in order, ``archive`` (the ``.zip``) last; it alone where it is whole."""
    before = [one for one in archive.parent.glob(f"{archive.stem}.z*") if is_segment(one.name)]
    return [*sorted(before, key=lambda one: int(one.suffix[2:])), archive]


def members(archive: Path) -> Iterator[tuple[zipfile.ZipInfo, IO[bytes]]]:
    """Yield (description, content) of every file of a split archive.

    Raises
    ------
    zipfile.BadZipFile
        If a segment is missing, or a member is damaged, encrypted or compressed in another way.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(_Joined(segments(archive)))
        listed, disk = _directory(stream, archive)
        if disk != len(stream.starts) - 1:
            raise zipfile.BadZipFile(f"{disk + 1} segments belong to it, {len(stream.starts)} are there")
        for one in listed:
            if not one.is_dir():
                yield one, io.BytesIO(_content(stream, one, disk))


def _directory(stream: _Joined, archive: Path) -> tuple[list[zipfile.ZipInfo], int]:
    """Return the members and the number of the segment that the directory is in."""
    tail = min(stream.length, _END_SIZE + _MOST_COMMENT)
    stream.seek(stream.length - tail)
    content = stream.read(tail)
    place = content.rfind(_END)
    if place < 0 or len(content) < place + _END_SIZE:
        raise zipfile.BadZipFile(f"{archive.name} has no directory at its end")
    (disk,) = struct.unpack_from("<H", content, place + 6)
    with zipfile.ZipFile(stream) as opened:
        return opened.infolist(), disk


def _content(stream: _Joined, one: zipfile.ZipInfo, disk: int) -> bytes:
    """Return a member's bytes; ``disk`` is the segment whose start :mod:`zipfile` counted from."""
    if one.flag_bits & _ENCRYPTED:
        raise zipfile.BadZipFile(f"{one.filename} is encrypted")
    at = one.header_offset - stream.starts[disk] + stream.starts[one.volume]
    stream.seek(at)
    name, extra = struct.unpack("<26xHH", stream.read(_LOCAL_SIZE))
    stream.seek(at + _LOCAL_SIZE + name + extra)
    packed = stream.read(one.compress_size)
    if one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(f"{one.filename} is compressed in a way that is not read here")
    content = packed if one.compress_type == zipfile.ZIP_STORED else zlib.decompress(packed, -zlib.MAX_WBITS)
    if zlib.crc32(content) != one.CRC:
        raise zipfile.BadZipFile(f"{one.filename} is damaged: its CRC differs")
    return content


class _Joined(io.RawIOBase):
    """Several files as one."""

    def __init__(self, files: list[Path]) -> None:
        sizes = [one.stat().st_size for one in files]
        self.starts = [sum(sizes[:index]) for index in range(len(sizes))]
        self.length = sum(sizes)
        self._files = [one.open("rb") for one in files]
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place of the whole and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.length}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the place in the whole."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from one file and return how many bytes came."""
        place = max(index for index, start in enumerate(self.starts) if start <= self._at)
        self._files[place].seek(self._at - self.starts[place])
        n = self._files[place].readinto(buffer)
        if not n and place + 1 < len(self._files):
            self._at = self.starts[place + 1]
            return self.readinto(buffer)
        self._at += n
        return n

    def read(self, size: int = -1) -> bytes:
        """Return ``size`` bytes, across files; fewer only at the end."""
        wanted = self.length - self._at if size is None or size < 0 else size
        found = bytearray()
        while len(found) < wanted and (part := super().read(wanted - len(found))):
            found += part
        return bytes(found)

    def close(self) -> None:
        """Close every file."""
        for one in getattr(self, "_files", []):
            one.close()
        super().close()
