"""Names for content: sha256 of canonical JSON and of bytes.

Canonical JSON has sorted keys, no spaces, no NaN, UTF-8; so equal content has one hash on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def canonical_json(content: Any) -> str:
    """Return the one JSON text for ``content``.

    Raises
    ------
    ValueError
        If it holds NaN or an infinity, which JSON does not know.
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_json(content: Any) -> str:
    """Return the sha256 (64 hexadecimal digits) of the canonical JSON of ``content``.

    Examples
    --------
    >>> sha256_json({"b": 1, "a": 2}) == sha256_json({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(canonical_json(content).encode("utf-8")).hexdigest()


def sha256_json_table(head: Any, rows: Iterable[Any]) -> str:
    """Return ``sha256_json([head, list(rows)])``, one row in memory at a time.

    Examples
    --------
    >>> sha256_json_table(["a"], iter([[1, "x"], [2, None]])) == sha256_json([["a"], [[1, "x"], [2, None]]])
    True
    """
    digest = hashlib.sha256(f"[{canonical_json(head)},[".encode())
    between = ""
    for row in rows:
        digest.update((between + canonical_json(row)).encode("utf-8"))
        between = ","
    digest.update(b"]]")
    return digest.hexdigest()


def hash8(content: Any) -> str:
    """Return the first 8 digits of :func:`sha256_json`, used in file names."""
    return sha256_json(content)[:8]


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
