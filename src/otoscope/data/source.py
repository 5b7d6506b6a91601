"""Where the sound of a row comes from: a file under a root, or anything with the same three members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Source(Protocol):
    """Reads the sound of a row of ``Clips.table``.

    A source is sent to worker processes: it holds paths and numbers, no open file.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that a record must hold."""
        ...

    def read(self, record: Mapping[str, Any]) -> tuple[NDArray[np.float32], int]:
        """Return (waveform float32 (channel, time), sample_rate)."""
        ...

    def size(self, record: Mapping[str, Any]) -> int:
        """Return about how many bytes the sound takes, without decoding it; -1 where that is not known."""
        ...


@dataclass(frozen=True)
class FileSource:
    """Sound files under ``root``.

    Attributes
    ----------
    root : Path
        The folder that relative paths start from; an absolute path in the table is used as it is.
    """

    root: Path

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that :meth:`read` needs."""
        return ("path", "start_s", "end_s")

    def path(self, record: Mapping[str, Any]) -> Path:
        """Return the file of a row."""
        return self.root / str(record["path"])

    def read(self, record: Mapping[str, Any]) -> tuple[NDArray[np.float32], int]:
        """Return (waveform float32 (channel, time), sample_rate) of the file or of its segment.

        Raises
        ------
        AudioFileError
            If the file cannot be read or must not be used, with the path and the reason.
        """
        from otoscope.audio.read import read

        return read(self.path(record), start_s=record["start_s"], end_s=record["end_s"])

    def size(self, record: Mapping[str, Any]) -> int:
        """Return the file's number of bytes, -1 where it cannot be looked at."""
        try:
            return self.path(record).stat().st_size
        except OSError:
            return -1

    def duration_s(self, record: Mapping[str, Any]) -> float:
        """Return how long the clip lasts by the file's header, without decoding it.

        Raises
        ------
        AudioFileError
            If the file cannot be opened as sound.
        """
        from otoscope.audio.read import info

        start, end = record["start_s"] or 0.0, record["end_s"]
        if end is not None:
            return float(end) - float(start)
        return info(self.path(record)).duration_s - float(start)
