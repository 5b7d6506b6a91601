"""What the tests of dry runs share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otoscope.cli.main import run


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def planned(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what a dry run prints."""
    capsys.readouterr()
    assert run([*arguments, "--dry-run"]) == 0, capsys.readouterr().err
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found
