"""The files of a folder, as tar shards and as Parquet tables."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from otoscope.data import open_data


def shown(folder: Path) -> list[Path]:
    """The sounds of a folder of class folders."""
    return [folder / one for one in open_data(f"folder:{folder}").table["path"]]


def tar(folder: Path, out: Path, per_shard: int = 2) -> str:
    """Write WebDataset shards with ``.json`` and ``.cls`` beside each sound; return what names them."""
    out.mkdir(parents=True)
    sounds = shown(folder)
    for n, start in enumerate(range(0, len(sounds), per_shard)):
        with tarfile.open(out / f"part-{n:02d}.tar", "w") as opened:
            for i, one in enumerate(sounds[start : start + per_shard]):
                add(opened, f"{i:04d}{one.suffix}", one.read_bytes())
                add(opened, f"{i:04d}.cls", one.relative_to(folder).parts[0].encode())
                facts = {
                    "name": one.stem,
                    "tags": ["a", one.relative_to(folder).parts[0]],
                    "path": "x",
                    "nested": {"b": 1},
                }
                add(opened, f"{i:04d}.json", json.dumps(facts).encode())
    return f"{out}/part-{{00..{n:02d}}}.tar"


def add(opened: tarfile.TarFile, name: str, content: bytes) -> None:
    """Put a member into a shard."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    opened.addfile(member, io.BytesIO(content))


def parquet(folder: Path, out: Path, per_file: int = 2) -> str:
    """Write Parquet files with bytes of sounds, labels and tags, a row group a sound; return what names them."""
    import pyarrow as arrow
    import pyarrow.parquet as library

    out.mkdir(parents=True)
    sounds = shown(folder)
    for n, start in enumerate(range(0, len(sounds), per_file)):
        rows = [
            {
                "audio": {"bytes": one.read_bytes(), "path": one.name},
                "label": one.relative_to(folder).parts[0],
                "tags": ["a", one.relative_to(folder).parts[0]],
                "id": i,
            }
            for i, one in enumerate(sounds[start : start + per_file])
        ]
        library.write_table(arrow.Table.from_pylist(rows), out / f"part-{n}.parquet", row_group_size=1)
    return f"{out}/*.parquet"
