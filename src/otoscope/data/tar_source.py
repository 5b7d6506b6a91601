"""Sounds inside tar files, by their place in the file: read one at a time, never unpacked to the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import AudioFileError
from otoscope.store.place import is_remote


@dataclass(frozen=True)
class TarSource:
    """Reads the sound of a row out of its shard; of an object store only the bytes of that sound are asked for.

    Attributes
    ----------
    root : Path
        The folder of the shards, or its URL.
    """

    root: Path

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that :meth:`read` and :meth:`size` need."""
        return ("path", "shard", "tar_offset", "tar_bytes")

    def read(self, record: Mapping[str, Any]) -> tuple[NDArray[np.float32], int]:
        """Return (waveform float32 (channel, time), sample_rate).

        Raises
        ------
        AudioFileError
            If the shard cannot be read there, or what lies there is no sound.
        """
        from otoscope.audio.read import read_bytes

        shard = self.root / str(record["shard"])
        start, size = int(record["tar_offset"]), int(record["tar_bytes"])
        name = f"{shard}: {record['path']}"
        try:
            content = piece(shard, start, size)
        except OSError as error:
            raise AudioFileError(f"{name}: cannot be read ({error or type(error).__name__})") from error
        if len(content) != size:
            raise AudioFileError(f"{name}: the shard ends after {len(content)} of {size} bytes")
        return read_bytes(content, name)

    def size(self, record: Mapping[str, Any]) -> int:
        """Return the number of bytes of the sound's file."""
        return int(record["tar_bytes"])


def piece(file: Path, start: int, size: int) -> bytes:
    """Return ``size`` bytes of a file from ``start`` on; fewer where it ends before."""
    if is_remote(file):
        remote: Any = file
        content: bytes = remote.fs.cat_file(remote.path, start=start, end=start + size)
        return content
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read(size)
