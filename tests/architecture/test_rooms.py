"""Imports only go down the list of rooms, and importing the package loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "otoscope"

CORE = {"errors", "registry", "arrays", "progress", "callable_room", "heap", "stage_config", "setting_errors"}
LEVELS = [
    {"cli", "explore"},
    {"study", "report"},
    {"describe", "selectivity", "ablate", "explain"},
    {"metrics"},
    {"record"},
    {"caption", "language"},
    {"models"},
    {"data"},
    {"audio"},
    {"fit", "work", "store"},
    CORE,
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
READS_ONLY = {"report": {"store", "audio", *CORE}}
WITHIN_LEVEL = {
    ("registry", "errors"),
    ("callable_room", "registry"),
    ("setting_errors", "errors"),
    ("stage_config", "errors"),
    ("stage_config", "setting_errors"),
    ("caption", "language"),
    ("explore", "report"),
    ("fit", "store"),
    ("work", "store"),
    ("study", "report"),
}


def room_of(path: Path) -> str:
    relative = path.relative_to(SRC)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("otoscope."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "otoscope":
            found.update(alias.name for alias in node.names if alias.name in LEVEL)
        elif isinstance(node, ast.Import):
            found.update(one.name.split(".")[1] for one in node.names if one.name.startswith("otoscope."))
    return found


FILES = [path for path in sorted(SRC.rglob("*.py")) if room_of(path) not in ("__init__", "__main__")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_go_down(path: Path) -> None:
    own = room_of(path)
    assert own in LEVEL, f"room {own} has no place in the house"
    for other in imports(path) - {own}:
        assert other in LEVEL, f"{path} imports the unknown room {other}"
        allowed = READS_ONLY.get(own)
        if allowed is not None:
            assert other in allowed, f"{own}/ may not read {other}/"
        lower = LEVEL[other] > LEVEL[own]
        assert lower or (own, other) in WITHIN_LEVEL, (
            f"{path.relative_to(SRC)} imports {other}/, which is not below"
        )


def test_importing_the_package_is_light() -> None:
    heavy = "torch", "transformers", "sklearn", "matplotlib", "polars", "fastapi", "typer", "numpy"
    code = f"import sys, otoscope; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rooms_with_tables_are_light() -> None:
    rooms = [path.parent.name for path in SRC.glob("*/__init__.py") if path.parent.name != "cli"]
    code = f"import sys, importlib\nfor r in {rooms!r}: importlib.import_module('otoscope.' + r)\n"
    code += "print([m for m in ('torch', 'transformers', 'sklearn', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
