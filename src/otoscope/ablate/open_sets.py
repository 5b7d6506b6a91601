"""Strategy ``open`` (``ocp``): a neuron stands for a class if a noun of its summary is a word of the class's name.

``match="lemma"`` (default) compares dictionary forms of whole words: ``waves`` fits ``sea_waves``, ``rain`` does not
fit ``train``. ``word`` compares whole words as they are. ``substring`` is the published rule, with its false hits: a
noun anywhere inside the class's name (``rain`` in ``train``, ``row`` in ``crow``, ``use`` in ``mouse_click``).
"""

from __future__ import annotations

from collections.abc import Callable

from otoscope.ablate.sets import NeuronSet, Request, column
from otoscope.language.lemmas import lemma
from otoscope.language.thesaurus import bundled
from otoscope.language.tokens import words

_ORDERED_BY = ("heldout_pearson", "score")


def choose(request: Request) -> tuple[NeuronSet, ...]:
    """Return one set a concept, ordered by the description's held-out score where the table has one.

    Raises
    ------
    UnknownNameError
        If the table has no column of that name.
    """
    _, table = request.table()
    neurons = column(table, "neuron").to_list()
    nouns = [one or [] for one in column(table, request.config.words_column).to_list()]
    by = next((one for one in _ORDERED_BY if one in table.columns), None)
    scores = table[by].to_list() if by else [None] * len(neurons)
    matches = MATCHES[request.config.match]
    made = []
    for concept in request.concepts:
        hits = [at for at, own in enumerate(nouns) if any(matches(noun, concept) for noun in own)]
        made.append(request.made(concept, [neurons[at] for at in hits], [scores[at] for at in hits]))
    return tuple(made)


def by_lemma(noun: str, name: str) -> bool:
    """Return whether the noun and the name share a word in its dictionary form.

    Examples
    --------
    >>> by_lemma("waves", "sea_waves"), by_lemma("wave", "sea_waves"), by_lemma("rain", "train")
    (True, True, False)
    """
    return bool(_lemmas(noun) & _lemmas(name))


def by_word(noun: str, name: str) -> bool:
    """Return whether the noun and the name share a word."""
    return bool(set(words(noun)) & set(words(name)))


def by_substring(noun: str, name: str) -> bool:
    """Return whether the noun stands anywhere in the name, as published.

    Examples
    --------
    >>> by_substring("rain", "train")
    True
    """
    return bool(noun) and noun.lower() in name.lower()


MATCHES: dict[str, Callable[[str, str], bool]] = {
    "lemma": by_lemma,
    "word": by_word,
    "substring": by_substring,
}
"""How a noun equals a word of a class's name."""


def _lemmas(text: str) -> set[str]:
    known = bundled()
    return {lemma(one, known.known, known.irregular) for one in words(text)}
