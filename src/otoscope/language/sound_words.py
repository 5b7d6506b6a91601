"""Which words can say what a sound is like, and which say nothing? Two bundled lists.

``sound_words.tsv`` holds adjectives of acoustic features, tone and emotion with the source of each;
``generic_adjectives.txt`` those that fit anything (quantities, ordinals, words about recordings).

Reference: the lists take the place of a chat model's yes or no, and of the fixed stop list, in T.-Y. Wu, Y.-X. Lin,
T.-W. Weng, "AND", ICML 2024, section 3.3; both lists are our own.
"""

from __future__ import annotations

from functools import cache

from otoscope.language import tables

_PREFIXES = ("non-", "semi-", "very-", "ultra-", "super-")


@cache
def sound_words() -> dict[str, str]:
    """Return the listed words and the attribute of sound that each speaks of (``loud`` -> ``loudness``)."""
    return {row[0]: row[1] for row in tables.rows("sound_words.tsv")}


@cache
def generic_adjectives() -> frozenset[str]:
    """Return the adjectives that say nothing of a sound (``several``, ``third``, ``recorded``)."""
    return frozenset(row[0] for row in tables.rows("generic_adjectives.txt"))


@cache
def function_words() -> frozenset[str]:
    """Return articles, pronouns, auxiliaries and the like: the words that weigh next to nothing in a text."""
    auxiliaries = "is are was were been being am has had having does did doing can may might must will would"
    listed = {row[0] for row in tables.rows("common_words.tsv") if float(row[1]) <= 0.05}
    return frozenset(listed | set(auxiliaries.split()))


def is_sound_word(word: str) -> bool:
    """Return whether the bundled list holds ``word``, its comparative's base form, or it without a prefix.

    Examples
    --------
    >>> is_sound_word("high-pitched"), is_sound_word("Loudest"), is_sound_word("wooden"), is_sound_word("third")
    (True, True, True, False)
    """
    known, plain = sound_words(), word.lower()
    forms = [plain, *(plain.removeprefix(one) for one in _PREFIXES if plain.startswith(one))]
    return any(form in known for one in forms for form in (one, *_positive(one)))


def _positive(word: str) -> list[str]:
    for suffix in ("est", "er"):
        if word.endswith(suffix) and len(word) > len(suffix) + 2:
            stem = word[: -len(suffix)]
            shorter = [stem[:-1]] if stem[-1] == stem[-2] else []
            return [stem, stem + "e", *shorter, *([stem[:-1] + "y"] if stem.endswith("i") else [])]
    return []
