"""Reads the project's Markdown: its pages, fenced blocks, links and tables."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the ``file=`` beside it (empty where there is none) and its text."""

    language: str
    file: str
    text: str


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """Return the fenced blocks of a page, all or those of one language."""
    found = []
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        first, *rest = match["info"].split() or [""]
        named = [one.removeprefix("file=") for one in rest if one.startswith("file=")]
        found.append(Block(first, named[0] if named else "", match["text"]))
    return [one for one in found if language in (None, one.language)]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def table_names(page: Path, heading: str | None = None) -> list[str]:
    """Return what stands in backticks in the first column of a page's tables, all or those under a heading."""
    text = prose(page)
    if heading is not None:
        parts = re.split(r"^(#+ .+)$", text, flags=re.MULTILINE)
        text = parts[[part.lstrip("# ").strip() for part in parts].index(heading) + 1]
    rows = [line.split("|")[1] for line in text.splitlines() if line.lstrip().startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def commands(text: str) -> list[list[str]]:
    """Return the words of every line that calls otoscope, comments and prompts cut off."""
    joined = text.replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in joined.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("otoscope ")]


def sessions(text: str) -> list[tuple[list[str], str]]:
    """Return the commands of a console block, each with the output shown below it."""
    found: list[tuple[list[str], str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((shlex.split(line[2:], comments=True), ""))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found
