"""Safetensors files: named numpy arrays and a small JSON note in one file, written atomically."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from otoscope.errors import FormatError, StageError
from otoscope.store.atomic import write_bytes
from otoscope.store.place import local_copy


def write(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]], note: Any = None) -> None:
    """Write ``arrays`` (and ``note``, any JSON value) to ``path``."""
    contiguous = {name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}
    write_bytes(path, save(contiguous, metadata={"note": json.dumps(note, sort_keys=True)}))


def read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of the file at ``path``.

    Raises
    ------
    StageError
        If there is no such file.
    FormatError
        If it is not a safetensors file.
    """
    return read_with_note(path)[0]


def read_some(path: Path, names: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Return those of the named arrays that the file holds, in the order of ``names``; errors as :func:`read`.

    The others are not read.
    """
    with _opened(path) as handle:
        held = set(handle.keys())
        return {name: handle.get_tensor(name) for name in names if name in held}


def read_with_note(path: Path) -> tuple[dict[str, np.ndarray[Any, Any]], Any]:
    """Return the arrays and the note of the file at ``path``; errors as :func:`read`."""
    with _opened(path) as handle:
        note = json.loads((handle.metadata() or {}).get("note", "null"))
        return {name: handle.get_tensor(name) for name in handle.keys()}, note  # noqa: SIM118


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise StageError(f"there is no {path}: the stage that writes it has not run")
    try:
        with local_copy(path) as local, safe_open(local, framework="numpy") as handle:
            yield handle
    except (SafetensorError, ValueError) as error:
        raise FormatError(f"{path} cannot be read as safetensors: {error}") from error
