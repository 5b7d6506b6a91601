"""The sound of a dataset of the ``datasets`` library, one row at a time; it is decoded here, by soundfile."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import (
    AudioFileError,
    DataLayoutError,
    MissingExtraError,
    OtoscopeError,
    UnknownNameError,
)

WHOLE = "all"
"""What a dataset saved without a split is called."""


def library() -> Any:
    """Return the ``datasets`` library.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise MissingExtraError.of("hub", "datasets") from error


def opened(name: str | Path, config: str, revision: str, split: str) -> dict[str, Any]:
    """Return split -> dataset; sounds are not decoded.

    Parameters
    ----------
    name : str or Path
        A name on the hub; or a folder, written by ``save_to_disk`` or with data files that the library reads.
    config, revision : str
        Configuration and revision of a dataset; empty is the default.
    split : str
        Only this one; empty is all.

    Raises
    ------
    DataLayoutError
        If the library cannot open it, with its reason.
    UnknownNameError
        If there is no such split.
    """
    try:
        parts = _load(library(), name, config, revision)
    except OtoscopeError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        advice = "A configuration is chosen by ?config=NAME, a split by hub:NAME:SPLIT"
        raise DataLayoutError(f"hub:{name} cannot be opened: {reason}. {advice}") from error
    if split and split not in parts:
        raise UnknownNameError.of(f"split of hub:{name}", split, parts)
    return {split: parts[split]} if split else parts


def _load(datasets: Any, name: str | Path, config: str, revision: str) -> dict[str, Any]:
    if isinstance(name, Path) and any((name / one).is_file() for one in ("state.json", "dataset_dict.json")):
        found = datasets.load_from_disk(str(name))
    else:
        found = datasets.load_dataset(str(name), config or None, revision=revision or None)
    if isinstance(found, dict):
        return {str(one): part for one, part in found.items()}
    return {str(found.split or WHOLE): found}


@dataclass(frozen=True)
class HubSource:
    """Reads the sound of a row from its bytes in the dataset, or from the file that the dataset names.

    The dataset is opened when the first sound is read; worker processes share its memory-mapped files.

    Attributes
    ----------
    name : str or Path
        Name on the hub, or a folder.
    audio : str
        The column with the sound.
    config, revision, split : str
        As for :func:`opened`.
    """

    name: str | Path
    audio: str
    config: str = ""
    revision: str = ""
    split: str = ""
    _parts: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that :meth:`read` and :meth:`size` need."""
        return ("split", "hub_row", "hub_bytes")

    def holding(self, parts: Mapping[str, Any]) -> HubSource:
        """Return the source, with split -> dataset (:func:`undecoded`) opened already."""
        self._parts.update(parts)
        return self

    def parts(self) -> dict[str, Any]:
        """Return split -> dataset with nothing but the sounds' column."""
        if not self._parts:
            found = opened(self.name, self.config, self.revision, self.split)
            self._parts.update({one: undecoded(part, self.audio) for one, part in found.items()})
        return self._parts

    def read(self, record: Mapping[str, Any]) -> tuple[NDArray[np.float32], int]:
        """Return (waveform float32 (channel, time), sample_rate).

        Raises
        ------
        AudioFileError
            If there is no sound in the row, or it cannot be decoded.
        """
        from otoscope.audio.read import read, read_bytes

        split, row = str(record["split"]), int(record["hub_row"])
        cell = self.parts()[split][row][self.audio]
        content, path = _taken_apart(cell)
        where = f"hub:{self.name}:{split} row {row}" + (f" ({path})" if path else "")
        if content is not None:
            return read_bytes(content, where)
        if path is None:
            raise AudioFileError(f"{where}: column {self.audio!r} is empty")
        return read(self.name / path if isinstance(self.name, Path) else path)

    def size(self, record: Mapping[str, Any]) -> int:
        """Return the number of bytes of the sound's file as the dataset holds it, -1 where it only names one."""
        return int(record["hub_bytes"])


def undecoded(part: Any, audio: str) -> Any:
    """Return the dataset with its sounds' column alone, as it is stored: bytes and path, not samples."""
    alone = part.select_columns([audio])
    is_audio = type(alone.features[audio]).__name__ == "Audio"
    return alone.cast_column(audio, library().Audio(decode=False)) if is_audio else alone


def _taken_apart(cell: Any) -> tuple[bytes | None, str | None]:
    """Return (bytes, path) of a cell: a struct of both, bytes alone or a path alone."""
    if isinstance(cell, dict):
        return cell.get("bytes"), cell.get("path")
    return (cell, None) if isinstance(cell, bytes) else (None, cell)
