"""JSON manifests: one reader, one writer; indented for people, keys sorted: equal content is equal bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from otoscope.errors import FormatError, StageError
from otoscope.store.atomic import write_text


def write(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path`` atomically."""
    write_text(
        path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    )


def read(path: Path) -> dict[str, Any]:
    """Return the content of the manifest at ``path``.

    Raises
    ------
    StageError
        If there is no such file.
    FormatError
        If it is not a JSON object.
    """
    if not path.is_file():
        raise StageError(f"there is no {path}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds {type(content).__name__}, expected a JSON object")
    return content
