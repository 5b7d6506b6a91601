"""Open concepts (module C): the words of a summary that say how something sounds, and the words that were left out.

Columns read: ``open_concepts``; ``adjectives`` (before the filter), ``unjudged`` (those that a chat model gave no
usable answer for), ``nouns``, ``verbs``, ``prepositions``.
"""

from __future__ import annotations

from otoscope.report.methods.method import Method, Row, listed
from otoscope.report.said import Chip, Chips, Said

_OTHER_KINDS = ("nouns", "verbs", "prepositions")


def said(row: Row) -> Said:
    """Return the kept words, and every word with its fate."""
    kept = [str(one) for one in listed(row, "open_concepts")]
    unjudged = set(listed(row, "unjudged"))
    left = dict.fromkeys(str(one) for one in listed(row, "adjectives") if one not in kept)
    adjectives = (
        *(Chip(text, True) for text in kept),
        *(
            Chip(text, False, "no usable answer" if text in unjudged else "not a word for sound")
            for text in left
        ),
    )
    others = tuple(
        Chips(kind.capitalize(), tuple(Chip(str(one), True) for one in dict.fromkeys(listed(row, kind))))
        for kind in _OTHER_KINDS
    )
    shown = (Chips("Adjectives", adjectives), *others)
    return Said(", ".join(kept), tuple(one for one in shown if one.chips))


OPEN = Method("Open concepts", said)
