"""Where things lie: a folder here, or one in an object store named by a URL (``s3://bucket/run``, ``gs://``, ...).

Local places are :class:`pathlib.Path`. Others are paths of universal_pathlib over fsspec with the same methods, so that
rooms need not know; what differs stands here. Credentials and endpoints are the libraries' own affair (for S3:
``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` and their kin).

Listings are not cached: other machines write into the same run.
"""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from otoscope.errors import InputError, MissingExtraError


def place(where: Path | str) -> Path:
    """Return the path of a folder or file, local or remote.

    Parameters
    ----------
    where : Path or str
        A path (``~`` is the home folder), or a URL of a protocol that fsspec knows.

    Raises
    ------
    MissingExtraError
        If a URL is given and the extra ``remote``, or the protocol's own package, is not installed.
    InputError
        If the protocol is unknown.
    """
    if not isinstance(where, str):
        return where
    if "://" not in where:
        return Path(where).expanduser()
    try:
        upath: Any = importlib.import_module("upath")
    except ImportError as error:
        raise MissingExtraError.of("remote", "universal_pathlib") from error
    try:
        return cast(Path, upath.UPath(where, use_listings_cache=False))
    except ImportError as error:
        raise MissingExtraError.of("remote", str(error)) from error
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def is_place(value: object) -> bool:
    """Return whether a value is a path of either kind."""
    return isinstance(value, Path) or hasattr(value, "storage_options")


def is_remote(where: Path) -> bool:
    """Return whether a place is in an object store."""
    return not isinstance(where, Path)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it."""
    if is_remote(folder):
        remote: Any = folder
        remote.fs.rm(remote.path, recursive=True)
    else:
        shutil.rmtree(folder)


def upload(source: Path, target: Path) -> None:
    """Put a local file where ``target`` is; object stores show it when it is whole."""
    remote: Any = target
    remote.fs.put_file(str(source), remote.path)


@contextmanager
def local_copy(file: Path) -> Iterator[Path]:
    """Give a local path of the file's content: itself, or a copy that goes when the block ends."""
    if not is_remote(file):
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        copy.write_bytes(file.read_bytes())
        yield copy


def relative(where: Path, folder: Path) -> str:
    """Return how a folder names a place: by a relative path where there is one, else in full."""
    if is_remote(where):
        return str(where)
    full = where.resolve()
    if is_remote(folder):
        return full.as_posix()
    try:
        return Path(os.path.relpath(full, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return full.as_posix()


def named(text: str, folder: Path) -> Path:
    """Return the place that :func:`relative` named from a folder."""
    if "://" in text or Path(text).is_absolute():
        return place(text)
    return folder / text if is_remote(folder) else Path(os.path.normpath(folder / text))
