"""Which words mean the same? Senses from ``thesaurus.tsv``, looked up by word or by a run of words.

A sense is a row of the table: words that mean nearly the same (``dog; canine; hound``) and senses that are related
to it (``bark`` is related to ``dog``). A run of up to :data:`LONGEST` words is looked up by its lemmas written
together, so ``tick-tock``, ``tick tock`` and ``ticktock`` are one entry, and so are ``door bell`` and ``doorbell``.
A closed compound that the table does not
have (``dogbarks``, a habit of file names) is cut in two where both parts are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from otoscope.language import tables
from otoscope.language.lemmas import lemma
from otoscope.language.tokens import words

LONGEST = 4
"""Words in the longest run that is looked up as one."""


@dataclass(frozen=True)
class Thesaurus:
    """Senses and the words that have them.

    Attributes
    ----------
    senses : tuple of str
        Names of the senses, in table order.
    related : tuple of tuple of int
        For each sense, the senses related to it.
    entries : mapping of str to tuple of int
        Lemmas written together -> the senses they have.
    known : frozenset of str
        Every single word of the table, as written there.
    irregular : mapping of str to str
        Inflected form -> lemma.
    """

    senses: tuple[str, ...]
    related: tuple[tuple[int, ...], ...]
    entries: Mapping[str, tuple[int, ...]]
    known: frozenset[str]
    irregular: Mapping[str, str]

    def lemmas(self, text: str) -> list[str]:
        """Return the lemmas of the words of ``text``; unknown closed compounds are cut in two."""
        return [part for word in words(text) for part in self._parts(word)]

    def _parts(self, word: str) -> list[str]:
        base = lemma(word, self.known, self.irregular)
        if base in self.entries or base in self.known or len(word) < 6:
            return [base]
        for cut in range(3, len(word) - 2):
            first, second = (lemma(one, self.known, self.irregular) for one in (word[:cut], word[cut:]))
            if first in self.entries and second in self.entries:
                return [first, second]
        return [base]

    def runs(self, lemmas: Sequence[str]) -> list[tuple[str, ...]]:
        """Return ``lemmas`` cut into the longest runs that have an entry; a lemma without one is a run of its own."""
        found, start = [], 0
        while start < len(lemmas):
            for stop in range(min(start + LONGEST, len(lemmas)), start, -1):
                if stop == start + 1 or "".join(lemmas[start:stop]) in self.entries:
                    found.append(tuple(lemmas[start:stop]))
                    start = stop
                    break
        return found


@cache
def bundled() -> Thesaurus:
    """Return the thesaurus of the package (read once)."""
    rows = [[*row, "", ""][:3] for row in tables.rows("thesaurus.tsv")]
    irregular = {row[0]: row[1] for row in tables.rows("irregular.tsv")}
    phrases = [[one.strip() for one in row[1].split(";") if one.strip()] for row in rows]
    known = frozenset(word for row in phrases for phrase in row for word in words(phrase))
    place = {row[0]: number for number, row in enumerate(rows)}
    related = tuple(
        tuple(place[one.strip()] for one in row[2].split(";") if one.strip() and one.strip() != row[0])
        for row in rows
    )
    entries: dict[str, tuple[int, ...]] = {}
    for number, row in enumerate(phrases):
        for phrase in row:
            key = "".join(lemma(word, known, irregular) for word in words(phrase))
            if number not in entries.get(key, ()):
                entries[key] = (*entries.get(key, ()), number)
    return Thesaurus(tuple(place), related, entries, known, irregular)
