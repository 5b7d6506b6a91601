"""Safetensors files: named numpy arrays and a small JSON note in one file, written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from otoscope.errors import FormatError, StageError
from otoscope.store.atomic import write_bytes


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


def read_with_note(path: Path) -> tuple[dict[str, np.ndarray[Any, Any]], Any]:
    """Return the arrays and the note of the file at ``path``; errors as :func:`read`."""
    if not path.is_file():
        raise StageError(f"there is no {path}: the stage that writes it has not run")
    try:
        with safe_open(path, framework="numpy") as handle:
            note = json.loads((handle.metadata() or {}).get("note", "null"))
            return {name: handle.get_tensor(name) for name in handle.keys()}, note  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise FormatError(f"{path} cannot be read as safetensors: {error}") from error
