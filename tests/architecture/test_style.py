"""The card, where a machine can check it: sizes of files and functions, no vague rooms, docstrings everywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "otoscope"
FILES = sorted(SRC.rglob("*.py"))
MOST_LINES, MOST_BODY_LINES = 600, 40
VAGUE = {"utils", "helpers", "common", "misc", "base"}


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body
    if (
        isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_sizes(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert body_lines(node) <= MOST_BODY_LINES, f"{path.name}:{node.lineno} {node.name} is too long"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_docstrings_of_public_names(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path} has no module docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            inner = isinstance(node, ast.FunctionDef) and node.name in {"hook", "listen"}
            nested = any(
                node in ast.walk(f) and node is not f
                for f in ast.walk(tree)
                if isinstance(f, ast.FunctionDef)
            )
            assert inner or nested or ast.get_docstring(node) or node.name == "forward", (
                f"{path.name}:{node.lineno} {node.name}"
            )


def test_no_vague_names() -> None:
    assert not [path for path in SRC.rglob("*") if path.stem in VAGUE]


def test_the_project_speaks_of_itself_alone() -> None:
    words = ("/" + "work/", "/" + "farm/", "/ro" + "ot/", "farm-" + "studio", "opt/" + "pypi")
    root = SRC.parents[1]
    names = [
        p for p in root.rglob("*") if p.suffix in {".py", ".md", ".toml", ".txt", ".cff", ".html", ".js"}
    ]
    texts = {
        p: p.read_text(errors="replace")
        for p in names
        if not {".venv", ".git"} & set(p.relative_to(root).parts)
    }
    assert not [(str(path), word) for path, text in texts.items() for word in words if word in text]
