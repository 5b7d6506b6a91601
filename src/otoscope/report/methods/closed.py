"""Closed concepts (DB, TAB, ICL): one concept of a list, and the next best.

Columns read: ``concept``, ``top_concepts``, ``top_scores``; of ICL ``proposed`` (what the reply said), ``repaired`` and
``repair_cosine`` (which names were replaced by the nearest concept, and how near that is), ``reason``.
"""

from __future__ import annotations

from itertools import zip_longest

from otoscope.report.methods.method import Method, Row, listed, spoken
from otoscope.report.said import Block, Candidate, Candidates, Facts, Said


def said(row: Row) -> Said:
    """Return the best concept, the runners-up with their scores, and what was repaired."""
    concepts = [spoken(str(one)) for one in listed(row, "top_concepts")]
    scores = listed(row, "top_scores")[: len(concepts)]
    found = tuple(Candidate(*pair) for pair in zip_longest(concepts, scores))
    blocks: list[Block] = [Candidates("Runners-up", found[1:])] if len(found) > 1 else []
    told = (*_repairs(row, concepts), *_reason(row))
    return Said(spoken(str(row.get("concept") or "")), (*blocks, *([Facts("Reply", told)] if told else [])))


def _repairs(row: Row, concepts: list[str]) -> tuple[tuple[str, str], ...]:
    parts = zip(listed(row, "proposed"), listed(row, "repaired"), listed(row, "repair_cosine"), concepts)
    return tuple(
        (f"said {str(name)[:80]!r}", f"not in the list: the nearest is {concept}, cosine {cosine:.2f}")
        for name, repaired, cosine, concept in parts
        if repaired and cosine is not None
    )


def _reason(row: Row) -> tuple[tuple[str, str], ...]:
    return (("no concept because", str(row["reason"])),) if row.get("reason") else ()


DB = Method("Concept from captions (DB)", said)
TAB = Method("Concept from the sound (TAB)", said)
ICL = Method("Concept chosen from the summary (ICL)", said)
