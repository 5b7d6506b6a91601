"""Open concepts (module C): the words of a summary that say how something sounds, and the words that were left out.

Columns read: ``open_concepts`` (kept adjectives), ``removed`` with ``removed_reasons`` (adjectives that a rule or a
filter took away, and which), ``nouns``, ``verbs``, ``prepositions``.
"""

from __future__ import annotations

from itertools import zip_longest

from otoscope.report.methods.method import Method, Row, listed
from otoscope.report.said import Chip, Chips, Said

_OTHER_KINDS = ("nouns", "verbs", "prepositions")


def said(row: Row) -> Said:
    """Return the kept words, and every word with its fate."""
    kept = [str(one) for one in listed(row, "open_concepts")]
    removed = [str(one) for one in listed(row, "removed")]
    reasons = listed(row, "removed_reasons")[: len(removed)]
    adjectives = (
        *(Chip(text, True) for text in kept),
        *(Chip(text, False, why or "left out") for text, why in zip_longest(removed, reasons)),
    )
    others = tuple(
        Chips(kind.capitalize(), tuple(Chip(str(one), True) for one in listed(row, kind)))
        for kind in _OTHER_KINDS
    )
    shown = (Chips("Adjectives", adjectives), *others)
    return Said(", ".join(kept), tuple(one for one in shown if one.chips))


OPEN = Method("Open concepts", said)
