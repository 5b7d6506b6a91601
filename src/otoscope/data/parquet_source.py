"""Sounds in the cells of Parquet files: read one row group at a time, here or in an object store."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import AudioFileError, DataLayoutError, MissingExtraError


def parquet() -> Any:
    """Return the module ``pyarrow.parquet``.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError.of("remote", "pyarrow") from error


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """Give the Parquet file, open.

    Raises
    ------
    DataLayoutError
        If it is none.
    """
    library = parquet()
    with file.open("rb") as stream:
        try:
            found = library.ParquetFile(stream)
        except (OSError, ValueError) as error:
            raise DataLayoutError(f"{file} cannot be read as Parquet: {error}") from error
        with found:
            yield found


@dataclass(frozen=True)
class ParquetSource:
    """Reads the sound of a row; the row group that was read last is kept, so reading in order reads each once.

    Attributes
    ----------
    root : Path
        The folder of the files, or its URL.
    audio : str
        The column with the sounds: bytes, or a struct of ``bytes`` and ``path``.
    """

    root: Path
    audio: str
    _kept: dict[tuple[str, int], list[bytes | None]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that :meth:`read` and :meth:`size` need."""
        return ("shard", "row_group", "row_in_group", "sound_bytes")

    def read(self, record: Mapping[str, Any]) -> tuple[NDArray[np.float32], int]:
        """Return (waveform float32 (channel, time), sample_rate).

        Raises
        ------
        AudioFileError
            If the cell is empty, cannot be read, or holds no sound.
        """
        from otoscope.audio.read import read_bytes

        shard, group, row = str(record["shard"]), int(record["row_group"]), int(record["row_in_group"])
        name = f"{self.root / shard}: row {row} of group {group}"
        try:
            content = self._group(shard, group)[row]
        except (OSError, DataLayoutError) as error:
            raise AudioFileError(f"{name}: cannot be read ({error})") from error
        if content is None:
            raise AudioFileError(f"{name}: the column {self.audio!r} holds no bytes")
        return read_bytes(content, name)

    def size(self, record: Mapping[str, Any]) -> int:
        """Return about how many bytes the sound takes: its share of the row group."""
        return int(record["sound_bytes"])

    def _group(self, shard: str, group: int) -> list[bytes | None]:
        if (shard, group) not in self._kept:
            self._kept.clear()
            with opened(self.root / shard) as file:
                cells = file.read_row_group(group, columns=[self.audio], use_threads=False)[
                    self.audio
                ].to_pylist()
            self._kept[shard, group] = [one.get("bytes") if isinstance(one, dict) else one for one in cells]
        return self._kept[shard, group]
