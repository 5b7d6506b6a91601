"""Which statements does a caption make, and in how many clips is each made?

A caption makes these statements, each once:

- *clauses*: its sentences, cut at commas, semicolons and colons ("many short bursts"), of two words or more that
  say something;
- *words*: the lemmas of its words, and runs of words that the thesaurus knows as one ("clock ticking"), without those
  that say little;
- *senses*: what the thesaurus takes those words for, so "kitten" and "meow" in two captions have ``cat`` in common.

Statements are compared by their lemmas and shown as most captions write them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from otoscope.language import tables
from otoscope.language.sentences import sentences
from otoscope.language.sound_words import function_words
from otoscope.language.thesaurus import Thesaurus, bundled

KINDS = ("clause", "word", "sense")
_CUT = re.compile(r"[,;:()\[\]\"]|\s[-–—]\s")
_SAYS_LITTLE = 0.5


@dataclass(frozen=True)
class Statements:
    """Who says what.

    Attributes
    ----------
    made : array of bool (clip, statement)
    kind : tuple of str
        ``clause``, ``word`` or ``sense``.
    text : tuple of str
        As most captions write it; the name of a sense.
    lemmas : tuple of frozenset of str
        What it consists of.
    """

    made: NDArray[np.bool_]
    kind: tuple[str, ...]
    text: tuple[str, ...]
    lemmas: tuple[frozenset[str], ...]


def statements(captions: Sequence[str], *, at_least: int = 2) -> Statements:
    """Return the statements that at least ``at_least`` of the captions make.

    Examples
    --------
    >>> found = statements(["a dog barking", "two dogs bark", "rain"])
    >>> [text for text, kind in zip(found.text, found.kind) if kind == "word"]
    ['bark', 'dog']
    """
    thesaurus = bundled()
    places: dict[tuple[str, tuple[str, ...]], set[int]] = defaultdict(set)
    written: dict[tuple[str, tuple[str, ...]], Counter[str]] = defaultdict(Counter)
    for clip, caption in enumerate(captions):
        for kind, key, text in _of(caption, thesaurus):
            places[kind, key].add(clip)
            written[kind, key][text] += 1
    kept = sorted(one for one, clips in places.items() if len(clips) >= at_least)
    made = np.zeros((len(captions), len(kept)), dtype=np.bool_)
    for column, one in enumerate(kept):
        made[list(places[one]), column] = True
    shown = [min(written[one].items(), key=lambda item: (-item[1], item[0]))[0] for one in kept]
    return Statements(
        made, tuple(kind for kind, _ in kept), tuple(shown), tuple(frozenset(key) for _, key in kept)
    )


def _of(caption: str, thesaurus: Thesaurus) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield kind, lemmas and wording of each statement of a caption."""
    for sentence in sentences(caption):
        for clause in _CUT.split(sentence):
            lemmas = tuple(thesaurus.lemmas(clause))
            content = [one for one in lemmas if says_something(one)]
            if len(content) > 1:
                yield "clause", lemmas, clause.strip(" .!?'’“”")
            for run in thesaurus.runs(lemmas):
                if all(says_something(one) for one in run):
                    yield "word", run, " ".join(run)
                    senses = thesaurus.entries.get("".join(run), ())
                    yield from (("sense", (thesaurus.senses[one],), thesaurus.senses[one]) for one in senses)
                    if len(run) > 1:
                        yield from (("word", (one,), one) for one in run)


def says_something(lemma: str) -> bool:
    """Return whether a lemma tells one sound from another: not a function word, number, or word of any recording."""
    return lemma.isalpha() and len(lemma) > 1 and lemma not in _little() | function_words()


@cache
def _little() -> frozenset[str]:
    """Return the words that weigh little in a text about sound."""
    return frozenset(row[0] for row in tables.rows("common_words.tsv") if float(row[1]) < _SAYS_LITTLE)
