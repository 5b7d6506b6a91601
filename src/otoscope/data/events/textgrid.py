"""Events of one tier of a Praat TextGrid: intervals with a label, or points.

Both text forms are read, the long one (``xmin = 0``, ``intervals [1]:``) and the short one (values alone): Praat
itself takes from a text file only quoted strings, numbers that stand free and flags such as ``<exists>``, whatever
words are around them, and so does this reader. UTF-8, or UTF-16 with its mark. A quote inside a label is doubled.
The binary form is refused. A point has no offset.

Reference: P. Boersma, D. Weenink, Praat: doing phonetics by computer, manual, TextGrid file formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from otoscope.data.events.raw import RawEvent, chosen_tier, seconds, text_of
from otoscope.errors import DataLayoutError

_TOKEN = re.compile(
    r'"((?:[^"]|"")*)"|(<\w+>)|(?<!\S)([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)|(!.*)'
)
_CLASSES = {"IntervalTier": 3, "TextTier": 2}


@dataclass(frozen=True)
class Tier:
    """A tier: its name and (start, end or None, label, line) of each entry."""

    name: str
    entries: tuple[tuple[float, float | None, str, int], ...]


def read(file: Path, tier: str | None) -> list[RawEvent]:
    """Return the events of the tier called ``tier``; None: of the only one.

    Raises
    ------
    DataLayoutError
        If the file is no TextGrid, breaks off, or has no such tier.
    """
    tiers = parse(file)
    chosen = tiers[chosen_tier(tier, [one.name for one in tiers], file)]
    return [
        RawEvent("", start, end, label, f"{file}, line {line}") for start, end, label, line in chosen.entries
    ]


def parse(file: Path) -> list[Tier]:
    """Return every tier of a TextGrid.

    Raises
    ------
    DataLayoutError
        If the file is no TextGrid in text form, or breaks off.
    """
    if file.read_bytes()[:12] == b"ooBinaryFile":
        raise DataLayoutError(f"{file} is a binary TextGrid: save it as a text file in Praat")
    tokens = _Tokens(file, text_of(file))
    if tokens.text() != "ooTextFile" or tokens.text() != "TextGrid":
        raise DataLayoutError(f'{file} is no TextGrid: it must begin with "ooTextFile" and "TextGrid"')
    tokens.number()
    tokens.number()
    if tokens.flag() != "<exists>":
        return []
    return [_tier(tokens) for _ in range(int(tokens.number()))]


def _tier(tokens: _Tokens) -> Tier:
    kind, name = tokens.text(), tokens.text()
    if kind not in _CLASSES:
        raise DataLayoutError(f"{tokens.where}: a tier is an IntervalTier or a TextTier, got {kind!r}")
    tokens.number()
    tokens.number()
    entries = []
    for _ in range(int(tokens.number())):
        start = tokens.number()
        end = tokens.number() if kind == "IntervalTier" else None
        entries.append((start, end, tokens.text(), tokens.line))
    return Tier(name, tuple(entries))


class _Tokens:
    """The values of a file, one after another."""

    def __init__(self, file: Path, text: str) -> None:
        self._file, self.line = file, 1
        self._values = self._all(text)

    def _all(self, text: str) -> Iterator[tuple[str, str]]:
        at = 0
        for match in _TOKEN.finditer(text):
            self.line += text.count("\n", at, match.start())
            at = match.start()
            string, flag, number, comment = match.groups()
            if comment is None:
                kind = "a number" if number else "a flag" if flag else "a text"
                yield kind, number or flag or string.replace('""', '"')

    @property
    def where(self) -> str:
        """File and line of the last value."""
        return f"{self._file}, line {self.line}"

    def _next(self, expected: str) -> str:
        kind, value = next(self._values, ("its end", ""))
        if kind != expected:
            raise DataLayoutError(f"{self.where}: expected {expected}, got {kind} {value!r}".rstrip(" '"))
        return value

    def text(self) -> str:
        """Return the next value, a quoted string."""
        return self._next("a text")

    def flag(self) -> str:
        """Return the next value, a flag."""
        return self._next("a flag")

    def number(self) -> float:
        """Return the next value, a number."""
        return seconds(self._next("a number"), self.where, "a time")
