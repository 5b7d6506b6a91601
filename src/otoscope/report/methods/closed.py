"""Closed concepts (DB, TAB, ICL): one concept of a list, and the next best.

Columns read: ``concept``, ``top_concepts``, ``top_scores``; ``answered`` (ICL: what was said where it was no concept
of the list and the nearest one was taken).
"""

from __future__ import annotations

from itertools import zip_longest

from otoscope.report.methods.method import Method, Row, listed, spoken
from otoscope.report.said import Block, Candidate, Candidates, Facts, Said


def said(row: Row) -> Said:
    """Return the best concept, and the runners-up with their scores."""
    concepts = [spoken(str(one)) for one in listed(row, "top_concepts")]
    scores = listed(row, "top_scores")[: len(concepts)]
    found = tuple(Candidate(*pair) for pair in zip_longest(concepts, scores))
    blocks: list[Block] = [Candidates("Runners-up", found[1:])] if len(found) > 1 else []
    if row.get("answered"):
        blocks.append(Facts("Answer", (("said, and replaced by the nearest concept", str(row["answered"])),)))
    return Said(spoken(str(row.get("concept") or "")), tuple(blocks))


DB = Method("Concept from captions", said)
TAB = Method("Concept from the sound", said)
ICL = Method("Concept chosen by a language model", said)
