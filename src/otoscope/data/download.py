"""``otoscope data get NAME``: an official download, continued where it stopped, checked, unpacked, ready to open.

``get("esc50", "sounds")`` makes ``sounds/esc50/`` (what the publisher packed, under its own names) and
``sounds/esc50.download.json`` (addresses, sizes, sha256, licence, citation). Archives wait in
``sounds/esc50.downloading/`` until the folder is complete; the folder appears by one rename, so it is there
whole or not at all. Where the publisher states no checksum, the sha256 of the first download is recorded, and
a later download that differs from it is refused.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoscope.data.fetch import fetch
from otoscope.data.official import DOWNLOADS, Download, Part
from otoscope.data.split_zip import is_segment
from otoscope.data.unpack import is_archive, unpack
from otoscope.errors import DataLayoutError, DownloadError, StoreError, UnknownNameError
from otoscope.store import manifest

__all__ = ["DOWNLOADS", "Download", "Fetched", "Part", "get", "plan"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """What a download left on disk.

    Attributes
    ----------
    name : str
        Its name in the table.
    folder : Path
        The dataset.
    spec : str
        The DATA argument that opens it; empty where no layout is known for it.
    licence, citation, page : str
        What the user must know of it.
    sha256 : dict of str to str
        Of each file that was fetched.
    checked : bool
        True where the publisher states a checksum for every file, False where one was recorded instead.
    new : bool
        False where it was there already and nothing was fetched.
    """

    name: str
    folder: Path
    spec: str
    licence: str
    citation: str
    page: str
    sha256: dict[str, str]
    checked: bool
    new: bool


def get(
    name: str,
    destination: str | Path,
    *,
    keep_archives: bool = False,
    downloads: Mapping[str, Download] = DOWNLOADS,
    attempts: int = 5,
    wait_s: float = 1.0,
) -> Fetched:
    """Fetch the dataset ``name`` into ``destination/name``, or return what an earlier call left there.

    Parameters
    ----------
    name : str
        A name of :data:`DOWNLOADS`.
    destination : str or Path
        The folder that datasets go into.
    keep_archives : bool
        Keep the downloaded files in ``destination/name.downloading``.
    downloads : mapping
        The table to look in.
    attempts, wait_s
        As in :func:`otoscope.data.fetch.fetch`.

    Raises
    ------
    UnknownNameError
        If the table has no such name.
    DownloadError
        If a file cannot be fetched or its checksum differs.
    FormatError
        If an archive is damaged or not safe to unpack.
    DataLayoutError
        If something else lies where the dataset should go.
    """
    entry, home = _known(name, downloads), Path(destination)
    folder, record_file, record = _places(name, home)
    if folder.exists():
        return _fetched(name, entry, folder, record["sha256"], new=False)
    _log.info("%s\nlicence: %s\n%s", entry.title, entry.licence, entry.page)
    archives, known = home / f"{name}.downloading", record.get("sha256", {})
    sums: dict[str, str] = {}
    for part in entry.parts:
        file = archives / part.file
        fetch(part.url, file, size_mib=part.size_mib, attempts=attempts, wait_s=wait_s)
        sums[part.file] = _checked(file, part, known.get(part.file), record_file)
    manifest.write(record_file, _record(name, entry, sums))
    _unpacked(entry, archives, folder)
    if not keep_archives:
        shutil.rmtree(archives)
    return _fetched(name, entry, folder, sums, new=True)


def plan(
    name: str, destination: str | Path, *, downloads: Mapping[str, Download] = DOWNLOADS
) -> dict[str, Any]:
    """Return what :func:`get` would fetch, JSON-able; nothing is asked of the publisher's server.

    Returns
    -------
    dict
        ``folder``, ``state`` (``new``, ``continues``, or ``done``: it is there), ``size_mib`` (None where a part's size
        is not stated), ``received_bytes``, ``parts``, ``licence``, ``citation``, ``page``.

    Raises
    ------
    UnknownNameError
        If the table has no such name.
    DataLayoutError
        If something else lies where the dataset should go.
    """
    entry, home = _known(name, downloads), Path(destination)
    folder, archives = _places(name, home)[0], home / f"{name}.downloading"
    received = sum(one.stat().st_size for one in archives.glob("*") if one.suffix != ".json")
    sizes = [part.size_mib for part in entry.parts]
    known = [one for one in sizes if one is not None]
    return {
        "folder": str(folder),
        "state": "done" if folder.exists() else "continues" if received else "new",
        "size_mib": sum(known) if len(known) == len(sizes) else None,
        "received_bytes": received,
        "parts": [{"file": one.file, "url": one.url, "size_mib": one.size_mib} for one in entry.parts],
        "title": entry.title,
        "licence": entry.licence,
        "citation": entry.citation,
        "page": entry.page,
    }


def _known(name: str, downloads: Mapping[str, Download]) -> Download:
    entry = downloads.get(name)
    if entry is None:
        raise UnknownNameError.of("dataset to download", name, downloads)
    return entry


def _places(name: str, home: Path) -> tuple[Path, Path, dict[str, Any]]:
    """Return a collection's folder, and where and what its download's record is; a folder without one is refused."""
    folder, record_file = home / name, home / f"{name}.download.json"
    record = manifest.read(record_file) if record_file.is_file() else {}
    if folder.exists() and not record:
        raise DataLayoutError(f"{folder} exists but no download made it: move it away, or open it as it is")
    return folder, record_file, record


def _checked(file: Path, part: Part, recorded: str | None, record_file: Path) -> str:
    """Return the file's sha256; a file that is not the expected one is removed."""
    sha256 = _digest(file, "sha256")
    kind, _, stated = part.checksum.partition(":")
    got = _digest(file, kind) if kind else sha256
    trouble = ""
    if stated and got != stated.lower():
        trouble = (
            f"the {kind} of what came is {got}, its publisher states {stated}. The file was removed; try again, "
            f"and if it happens again the publisher has changed it."
        )
    elif not stated and recorded and sha256 != recorded:
        trouble = (
            f"the sha256 of what came is {sha256}, the first download recorded {recorded}. The file was removed. "
            f"If the publisher has changed it and that is fine, delete {record_file} and try again."
        )
    if trouble:
        file.unlink()
        raise DownloadError(f"{part.url}: {trouble}")
    return sha256


def _digest(file: Path, kind: str) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, kind).hexdigest()


def _unpacked(entry: Download, archives: Path, folder: Path) -> None:
    """Unpack beside the final place and rename."""
    unfinished = folder.with_name(f"{folder.name}.unpacking")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        for part in entry.parts:
            target = unfinished / part.into
            target.mkdir(parents=True, exist_ok=True)
            if is_segment(part.file):
                continue
            if is_archive(part.file):
                unpack(archives / part.file, target)
            else:
                shutil.copyfile(archives / part.file, target / part.file)
        unfinished.rename(folder)
    except OSError as error:
        raise StoreError(
            f"cannot unpack into {folder}: {error.strerror or error}. The archives are kept."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _record(name: str, entry: Download, sums: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "title": entry.title,
        "licence": entry.licence,
        "citation": entry.citation,
        "page": entry.page,
        "urls": {part.file: part.url for part in entry.parts},
        "sha256": sums,
    }


def _fetched(name: str, entry: Download, folder: Path, sums: dict[str, str], *, new: bool) -> Fetched:
    return Fetched(
        name=name,
        folder=folder,
        spec=f"{entry.scheme}:{folder}" if entry.scheme else "",
        licence=entry.licence,
        citation=entry.citation,
        page=entry.page,
        sha256=sums,
        checked=all(part.checksum for part in entry.parts),
        new=new,
    )
