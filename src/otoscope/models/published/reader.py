"""What a reader of released files is: something that knows a file by its content, and converts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from otoscope.models.audio_model import AudioModel


@dataclass(frozen=True)
class Content:
    """A file, read but not understood.

    Attributes
    ----------
    path : Path
        Where it came from.
    data : object
        Tensors, numbers, texts, lists and dicts: nothing that could run.
    """

    path: Path
    data: Any


@dataclass(frozen=True)
class Released:
    """What a reader made of a file: a network, a table, or arrays; arrays also beside a network.

    Attributes
    ----------
    model : AudioModel or None
        Becomes a model folder.
    table : polars.DataFrame or None
        Becomes a Parquet file.
    arrays : mapping of str to Tensor
        Become a safetensors file; beside a network ``released.safetensors`` in its folder.
    notes : dict
        JSON-able: what the file said about itself.
    """

    model: AudioModel | None = None
    table: pl.DataFrame | None = None
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """One kind of file.

    Attributes
    ----------
    summary : str
        What it is, in a few words for a person.
    recognises : callable
        ``Content -> bool``, by keys, cheap.
    read : callable
        ``(Content, class names) -> Released``.
    """

    summary: str
    recognises: Callable[[Content], bool]
    read: Callable[[Content, tuple[str, ...]], Released]


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    kind : str
        The reader's name.
    summary : str
        What the file was.
    source : Path
        The file.
    out : Path
        What was written: a model folder, a ``.parquet`` or a ``.safetensors`` file.
    details : dict
        JSON-able figures: layers, classes and parameters of a network, rows of a table, shapes of arrays.
    """

    kind: str
    summary: str
    source: Path
    out: Path
    details: dict[str, Any]
