"""Rows that kill workers: noted beside the summaries, so that a job started again does not meet them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from otoscope.store import manifest

_NAME = "set-aside.json"


def read(folder: Path) -> dict[int, str]:
    """Return the rows that are set aside and why."""
    path = folder / _NAME
    return {int(row): str(reason) for row, reason in manifest.read(path).items()} if path.is_file() else {}


def write(folder: Path, rows: Mapping[int, str]) -> None:
    """Note the rows that are set aside."""
    manifest.write(folder / _NAME, {str(row): reason for row, reason in sorted(rows.items())})
