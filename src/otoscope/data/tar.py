"""Sounds in tar shards, as WebDataset lays them out: ``tar:PATH/part-{000..099}.tar``, ``tar:s3://bucket/part-*.tar``.

A clip is all members with one name up to the first dot of the file name: ``a/0001.flac``, ``a/0001.json``,
``a/0001.cls``. Its sound is the member with a sound's ending; ``.cls`` and ``.txt`` become the columns ``cls`` and
``txt``, and the fields of ``.json`` that are text, number or a list of texts become columns of their own.

==================  =======================================================================================
``labels=A,B``      label columns, the primary one first; by default ``cls``, else ``label``, where there is one.
                    A field that holds lists is a set of several labels a clip.
``group=COLUMN``    what belongs together; by default a column ``group``, else groups are undeclared
``index=FILE``      a Parquet table of where everything lies: read where it is there and fits the shards (names
                    and sizes), written where it is not. Without it the shards are looked through each time
==================  =======================================================================================

To find its members a shard is read from header to header; in an object store that asks for little more than the
headers where sounds are long, and for the whole shard once where they are short. Compressed tar files cannot be read
in places: store sounds that are compressed themselves (FLAC, Ogg) in plain ones.

Reference: the WebDataset format, T. Breuel and others, 2020.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from otoscope.data.clips import STANDARD, Clips
from otoscope.data.hub_labels import labelled
from otoscope.data.shards import found
from otoscope.data.table import assemble, is_sound
from otoscope.data.tar_source import TarSource
from otoscope.errors import DataLayoutError, UnknownNameError
from otoscope.progress import track
from otoscope.store import tables
from otoscope.store.place import place

_EXPECTED = "plain tar files whose members share a name per clip: 0001.flac, 0001.json, 0001.cls"
_TEXTS = {".cls", ".txt"}
_MOST_TEXT = 2**20
_OURS = ("path", "shard", "tar_offset", "tar_bytes", "shard_bytes")
_TAKEN = {*_OURS, *STANDARD} - {"group", "fold", "split"}


def load(rest: str, *, labels: str = "", group: str = "", index: str = "") -> Clips:
    """Return sounds in tar shards, never unpacked: tar:PATH/{000..099}.tar, tar:FOLDER, tar:s3://...

    Parameters
    ----------
    rest : str
        The shards.
    labels, group, index : str
        See the table of the module.

    Raises
    ------
    DataLayoutError
        If a shard is not there, is no plain tar file, or holds two sounds of one name.
    EmptyDataError
        If there is no sound in them.
    UnknownNameError
        If a column that is asked for does not exist.
    """
    root, names = found(rest, (".tar",))
    frame = _indexed(root, names, index).with_columns(id=pl.concat_str("shard", "path", separator="/"))
    if group:
        if group not in frame.columns:
            raise UnknownNameError.of(f"column of tar:{rest}", group, frame.columns)
        frame = frame.with_columns(group=pl.col(group).cast(pl.String))
    asked = [one.strip() for one in labels.split(",") if one.strip()]
    default = [one for one in ("cls", "label") if one in frame.columns][:1]
    frame, sets = labelled(frame, {}, asked or default, f"tar:{rest}")
    return assemble(
        frame.drop("shard_bytes"),
        sets,
        TarSource(root),
        name="tar",
        spec=f"tar:{rest}",
        expected=_EXPECTED,
        group_declared="group" in frame.columns,
    )


def _indexed(root: Path, names: tuple[str, ...], index: str) -> pl.DataFrame:
    """Return where everything lies, from the index where it fits, else from the shards."""
    sizes = {name: (root / name).stat().st_size for name in names}
    file = place(index) if index else None
    if file is not None and file.is_file():
        kept = tables.read(file)
        shards = dict(kept.select("shard", "shard_bytes").unique().iter_rows())
        if shards == {name: sizes[name] for name in names}:
            return kept
    rows = [
        {**row, "shard_bytes": sizes[name]}
        for name in track(names, len(names), "looking through shards")
        for row in _rows(root / name)
    ]
    frame = (
        pl.DataFrame(rows, infer_schema_length=None)
        if rows
        else pl.DataFrame(schema=dict.fromkeys(_OURS, pl.String))
    )
    if file is not None:
        tables.write(file, frame)
    return frame


def _rows(shard: Path) -> list[dict[str, Any]]:
    """Return one row a clip of a shard, in its order."""
    rows: dict[str, dict[str, Any]] = {}
    try:
        with shard.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as opened:
            for member in _files(opened):
                folder, _, name = member.name.rpartition("/")
                key = f"{folder}/{name.partition('.')[0]}" if folder else name.partition(".")[0]
                row = rows.setdefault(key, {})
                _add(row, member, opened, shard)
    except tarfile.TarError as error:
        raise DataLayoutError(f"{shard} is no plain tar file ({error}). Expected: {_EXPECTED}") from error
    return [{"shard": shard.name, **row} for row in rows.values() if "path" in row]


def _files(opened: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in opened:
        if member.isfile() and not PurePosixPath(member.name).name.startswith("."):
            yield member


def _add(row: dict[str, Any], member: tarfile.TarInfo, opened: tarfile.TarFile, shard: Path) -> None:
    """Put what a member holds into its clip's row."""
    suffix = PurePosixPath(member.name).suffix.lower()
    if is_sound(PurePosixPath(member.name).name):
        if "path" in row:
            raise DataLayoutError(f"{shard}: {row['path']} and {member.name} are two sounds of one name")
        row |= {"path": member.name, "tar_offset": member.offset_data, "tar_bytes": member.size}
    elif suffix in _TEXTS and member.size <= _MOST_TEXT:
        row[suffix[1:]] = _text(member, opened, shard).strip()
    elif suffix == ".json" and member.size <= _MOST_TEXT:
        for name, value in _fields(member, opened, shard).items():
            row[f"{name}_given" if name in _TAKEN else name] = value


def _text(member: tarfile.TarInfo, opened: tarfile.TarFile, shard: Path) -> str:
    content = opened.extractfile(member)
    try:
        return "" if content is None else content.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataLayoutError(f"{shard}: {member.name} is no UTF-8 text ({error.reason})") from error


def _fields(member: tarfile.TarInfo, opened: tarfile.TarFile, shard: Path) -> dict[str, Any]:
    """Return the flat fields of a member that is JSON."""
    try:
        content = json.loads(_text(member, opened, shard))
    except ValueError as error:
        raise DataLayoutError(f"{shard}: {member.name} is not JSON ({error})") from error
    fields = content if isinstance(content, dict) else {}
    kept = {name: value for name, value in fields.items() if isinstance(value, str | int | float)}
    lists = {name: value for name, value in fields.items() if isinstance(value, list)}
    return kept | {name: value for name, value in lists.items() if all(isinstance(one, str) for one in value)}
