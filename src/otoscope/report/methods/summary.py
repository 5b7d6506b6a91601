"""Calibrated summaries (module B): what the most active clips have in common that the least active have not.

Columns read: ``summary`` (the surviving sentences), ``sentences`` (of the pole's clips: ``text``, ``status``,
``cosine``, ``matched``, ``evidence``), ``low_sentences`` (of the opposite clips), ``threshold``, ``shuffled_pearson``,
``reason``.

A removed sentence and the one that it is too much like share a number, which is a colour on the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otoscope.report.methods.method import Method, Row, listed
from otoscope.report.said import Block, Facts, Said, Sentence, Sentences

_WHY = {
    "removed": "too much like the other summary",
    "boilerplate": "says nothing of the sound",
    "short": "too short",
}


def said(row: Row) -> Said:
    """Return the kept sentences, and both summaries with their matched sentences."""
    own = [one for one in listed(row, "sentences") if one.get("text")]
    numbers = _numbers(own)
    mine = tuple(_sentence(one, numbers) for one in own)
    opposite = tuple(
        Sentence(
            str(one["text"]),
            one.get("status") in ("kept", "matched"),
            None,
            numbers.get(one["text"]),
            _why(one),
        )
        for one in listed(row, "low_sentences")
        if one.get("text")
    )
    most, least = ("most", "least") if row.get("pole", "high") == "high" else ("least", "most")
    blocks: list[Block] = [
        one
        for one in (
            Sentences(f"Summary of the {most} active clips", _note(row, mine), mine),
            Sentences(f"Summary of the {least} active clips, for comparison", "", opposite),
        )
        if one.sentences
    ]
    told = _told(row)
    return Said(str(row.get("summary") or ""), (*blocks, *([Facts("Beside it", told)] if told else [])))


def _numbers(sentences: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return a number for each opposite sentence that took another one away, in the order of the summary."""
    matched = [one["matched"] for one in sentences if one.get("status") == "removed" and one.get("matched")]
    return {text: place for place, text in enumerate(dict.fromkeys(matched))}


def _sentence(one: Mapping[str, Any], numbers: Mapping[str, int]) -> Sentence:
    status = one.get("status")
    pair = numbers.get(one.get("matched") or "") if status == "removed" else None
    why = str(one.get("evidence") or "") if status == "kept" else _why(one)
    return Sentence(str(one["text"]), status == "kept", one.get("cosine"), pair, why)


def _why(one: Mapping[str, Any]) -> str:
    status = str(one.get("status") or "")
    return _WHY.get(status, "" if status in ("kept", "matched") else status)


def _note(row: Row, sentences: Sequence[Sentence]) -> str:
    if all(one.kept for one in sentences):
        return "nothing was removed"
    limit = row.get("threshold")
    return "struck out: removed" + ("" if limit is None else f"; cosine to the other summary above {limit:g}")


def _told(row: Row) -> tuple[tuple[str, str], ...]:
    shuffled, reason = row.get("shuffled_pearson"), row.get("reason")
    found = {
        "held-out r where captions are dealt to other clips": "" if shuffled is None else f"{shuffled:.2f}",
        "no summary because": str(reason or ""),
    }
    return tuple((name, text) for name, text in found.items() if text)


SUMMARY = Method("Calibrated summary", said)
