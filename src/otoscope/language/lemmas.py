"""Which dictionary form does an English word have? ``barking``, ``barked``, ``barks`` -> ``bark``.

A lemma is found in this order: the table of irregular forms (``irregular.tsv``: ``rang`` -> ``ring``, and words
that only look inflected: ``morning``); else the first suffix rule whose result is a known word; else, for a word of
an unknown family, the rule's result by the spelling of its stem:

* a doubled final consonant is halved (``humming`` -> ``hum``), except l, s, z (``calling`` -> ``call``);
* a final ``e`` is restored after a stem that English does not end without it: -v, -c, -u, -z, -dg, consonant + l
(``rattling``
  -> ``rattle``), -at and -iz of two syllables (``oscillating``), and one vowel + one consonant in a single syllable
  (``chiming`` -> ``chime``).

Known words are those of the thesaurus, so the words that matter here are always right. Adverbs lose -ly where an
adjective is known (``loudly`` -> ``loud``). Comparatives are in the table (``louder``), since -er also makes nouns
(``hammer``). Conventions: input is one lower-case word of letters; anything else comes back as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

_VOWEL = re.compile(r"[aeiouy]")
_DOUBLED = re.compile(r"([bdfgkmnprtv])\1$")
_NEEDS_E = re.compile(r"(?:[vcuz]|dg|[^aeiourwl]l|[^aeiou]g|[aeiouy].*(?:at|iz|ur|as))$")
_ONE_SYLLABLE = re.compile(r"^[^aeiouy]*[aeiouy][bcdfgklmnprstvz]$")
_KEEPS_G = re.compile(r"(?:ng|gg)$")


def lemma(word: str, known: Collection[str], irregular: Mapping[str, str]) -> str:
    """Return the dictionary form of ``word``.

    Parameters
    ----------
    word : str
        One word, lower case.
    known : collection of str
        Words that exist; membership must be fast.
    irregular : mapping of str to str
        Inflected form -> lemma.

    Returns
    -------
    str
        The lemma; ``word`` itself where no rule applies.

    Examples
    --------
    >>> known, irregular = {"bark", "chime", "loud"}, {"rang": "ring"}
    >>> [lemma(one, known, irregular) for one in ("barking", "chimes", "loudly", "rang", "zigged")]
    ['bark', 'chime', 'loud', 'ring', 'zig']
    """
    if word in irregular:
        return irregular[word]
    for stems in (_plural(word), _participle(word)):
        if stems:
            return next((irregular.get(one, one) for one in stems if one in known), stems[0])
    return next((one for one in _adjective(word) if one in known), word)


def _plural(word: str) -> list[str]:
    """Return what ``word`` may be the plural or third person of, the likeliest first."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return []
    if word.endswith("ies"):
        return [word[:-3] + "y", word[:-1]]
    if re.search(r"(?:ch|sh|ss|x|zz|[^aeiou]o)es$", word):
        return [word[:-2], word[:-1]]
    return [word[:-1], word[:-2]] if word.endswith("es") else [word[:-1]]


def _participle(word: str) -> list[str]:
    """Return what ``word`` may be the -ing or -ed form of, the likeliest first."""
    for suffix in ("ied", "ing", "ed"):
        stem = word.removesuffix(suffix)
        if stem != word and len(stem) >= 2 and (_VOWEL.search(stem) or suffix == "ied"):
            return [stem + "y"] if suffix == "ied" else list(dict.fromkeys(_bases(stem)))
    return []


def _bases(stem: str) -> Iterator[str]:
    halved = stem[:-1] if _DOUBLED.search(stem) else None
    needs_e = (_NEEDS_E.search(stem) and not _KEEPS_G.search(stem)) or _ONE_SYLLABLE.match(stem)
    likely = halved or (stem + "e" if needs_e and not stem.endswith("ow") else stem)
    yield likely
    yield stem
    yield stem + "e"
    if stem[-1:] == stem[-2:-1]:
        yield stem[:-1]


def _adjective(word: str) -> Iterator[str]:
    """Yield what ``word`` may be the adverb of."""
    if word.endswith("ily") and len(word) > 5:
        yield word[:-3] + "y"
    if word.endswith("ly") and len(word) > 5:
        yield word[:-2]
        yield word[:-1] + "e" if word.endswith("bly") else word[:-2] + "le"
