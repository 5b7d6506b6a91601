"""Which sentences does a text hold?

A line is never joined with the next (models write lists), list marks and emphasis (``1.``, ``-``, ``**``) are taken
off, and a sentence ends at ``.``, ``!`` or ``?`` before white space, except after an abbreviation (``e.g.``), a
single capital (an initial). :func:`and_2024_sentences` is the published way: line ends count as
spaces unless that leaves fewer than three sentences.

Texts are untrusted: they are cut, never interpreted, and the time is linear in their length.
"""

from __future__ import annotations

import re

_ABBREVIATIONS = frozenset(
    [
        "al",
        "approx",
        "cf",
        "ca",
        "dept",
        "dr",
        "e.g",
        "eg",
        "esp",
        "etc",
        "fig",
        "i.e",
        "ie",
        "incl",
        "max",
        "min",
        "mr",
        "mrs",
        "ms",
        "no",
        "nr",
        "nos",
        "p.m",
        "a.m",
        "prof",
        "resp",
        "st",
        "vs",
        "vol",
    ]
)
_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s)")
_LIST_MARK = re.compile(r"^\s*(?:[-*•–]+\s+|\(?\d{1,3}[.)]\s+|\(?[a-z][.)]\s+|#+\s+)")
_EMPHASIS = re.compile(r"\*\*|__|`")


def sentences(text: str) -> list[str]:
    """Return the sentences of ``text`` in order, white space inside them made single.

    Examples
    --------
    >>> sentences("1. A loud, e.g. shrill, call.  It dies away!\\n- No bass")
    ['A loud, e.g. shrill, call.', 'It dies away!', 'No bass']
    """
    lines = (_EMPHASIS.sub("", _LIST_MARK.sub("", line)) for line in text.splitlines())
    return [one for line in lines for one in _cut(line)]


def and_2024_sentences(text: str) -> list[str]:
    """Return the sentences as AND's release takes them: of the whole text; its lines where these are fewer than 3."""
    whole = _cut(" ".join(text.split()))
    return whole if len(whole) >= 3 else [line for line in text.split("\n") if line.strip()]


def _cut(line: str) -> list[str]:
    flat = " ".join(line.split())
    found, start = [], 0
    for end in _END.finditer(flat + " "):
        if not _goes_on(flat[start : end.start()]):
            found.append(flat[start : end.end()].strip())
            start = end.end()
    return [one for one in (*found, flat[start:].strip()) if any(letter.isalnum() for letter in one)]


def _goes_on(before: str) -> bool:
    """Return whether the full stop after ``before`` belongs to its last word."""
    last = before[-24:].rsplit(" ", 1)[-1].lstrip("(\"'“‘")
    return last.lower() in _ABBREVIATIONS or (len(last) == 1 and last.isupper() and last != "I")
