"""Write a file so that a reader sees the old one, the new one, or none: never half of it.

A file is written under a temporary name in its own folder, flushed to the disk, and renamed. A full disk or a
kill leaves the temporary file, which the next writer of the same name replaces. For an object store it is written
here and put there as a whole.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otoscope.errors import StoreError
from otoscope.store.place import is_remote, upload

TEMPORARY = ".part"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the temporary path to write; rename it to ``path`` when the block ends without an error.

    Raises
    ------
    StoreError
        If the file system refuses (no space, no permission, a file where a folder should be); the temporary file is
        removed.
    """
    if is_remote(path):
        with _uploading(path) as part:
            yield part
        return
    part = path.with_name(path.name + TEMPORARY)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb+") as handle:
            os.fsync(handle.fileno())
        part.replace(path)
    except OSError as error:
        _remove(part)
        raise StoreError(f"cannot write {path}: {error.strerror or error}. Nothing was replaced.") from error
    except BaseException:
        _remove(part)
        raise


@contextmanager
def _uploading(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / path.name
        yield part
        try:
            upload(part, path)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error}. Nothing was replaced.") from error


def _remove(part: Path) -> None:
    if part.is_file():
        part.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with replacing(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8 with newlines as they are."""
    write_bytes(path, text.encode("utf-8"))
