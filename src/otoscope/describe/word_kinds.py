"""Which adjectives, nouns, verbs and prepositions does a summary hold?

By default: adjectives (``JJ``, ``JJR``, ``JJS``) and participles (``VBN``, not after "have") that are not denied
(:mod:`otoscope.language.negation`) and not generic; nouns and verbs that are not denied and say something; prepositions
as they are. Two words that belong together are one: "high quality" is ``high-quality``. Words are in lower case, each
once, in order; the counts count every mention.

As published (``published=True``; T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND", ICML 2024, section 3.3 and its release): the
whole text in lower case is tagged at once; an adjective falls out if "no" or "not" is among the four tokens before it,
which is never so for the first four tokens of the text; denied nouns and verbs stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from otoscope.language.negation import and_2024_denied, denied
from otoscope.language.sentences import sentences
from otoscope.language.sound_words import function_words, generic_adjectives
from otoscope.language.tagging import ADJECTIVES, NOUNS, PREPOSITIONS, VERBS, Tagger, Token

_JOINED = frozenset({"quality", "pitched", "frequency", "toned"})
_HAVE = frozenset({"have", "has", "had", "having"})
_GENERIC_NOUNS = frozenset(
    [
        "sound",
        "sounds",
        "clip",
        "clips",
        "audio",
        "recording",
        "recordings",
        "description",
        "descriptions",
        "caption",
        "captions",
        "sample",
        "samples",
    ]
)


@dataclass(frozen=True)
class Words:
    """The words of a summary by kind.

    Attributes
    ----------
    adjectives, nouns, verbs, prepositions : tuple of str
        Each once, in order.
    n_adjectives, n_nouns, n_verbs, n_prepositions : int
        Mentions.
    n_tokens : int
        Words and punctuation marks of the whole.
    """

    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    prepositions: tuple[str, ...]
    n_adjectives: int
    n_nouns: int
    n_verbs: int
    n_prepositions: int
    n_tokens: int


def words_of(text: str, tagger: Tagger, *, published: bool = False) -> Words:
    """Return the words of a summary.

    Parameters
    ----------
    text : str
    tagger : Tagger
    published : bool
        Negation and tagging as AND's release has them.
    """
    if published:
        said = [tagger.tag(text.lower())]
        out = [and_2024_denied(one) for one in said]
    else:
        said = [_joined(tagger.tag(one)) for one in sentences(text)]
        out = [denied(one) for one in said]
    tokens = [token for one in said for token in one]
    affirmed = [not two for one in out for two in one]
    adjectives = [
        one.word
        for one, yes in zip(_without_perfect(said, published), affirmed)
        if one.tag in ADJECTIVES and yes and one.word not in generic_adjectives()
    ]
    content = [one for one, yes in zip(tokens, affirmed) if (yes or published) and not _says_nothing(one)]
    nouns = [one.word for one in content if one.tag in NOUNS and one.word not in _GENERIC_NOUNS]
    verbs = [one.word for one in content if one.tag in VERBS]
    prepositions = [one.word for one in tokens if one.tag in PREPOSITIONS]
    return Words(
        *(_once(adjectives), _once(nouns), _once(verbs), _once(prepositions)),
        *(len(adjectives), len(nouns), len(verbs), len(prepositions)),
        len(tokens),
    )


def _once(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _joined(sentence: Sequence[Token]) -> list[Token]:
    """Return the sentence with "high quality" as one adjective."""
    found: list[Token] = []
    for token in sentence:
        if found and token.word in _JOINED and found[-1].tag in ADJECTIVES:
            found[-1] = Token(f"{found[-1].text}-{token.text}", "JJ")
        else:
            found.append(token)
    return found


def _without_perfect(said: Sequence[Sequence[Token]], published: bool) -> list[Token]:
    """Return all tokens; a participle after "have" is tagged ``VBD``, as it is no adjective there."""
    found: list[Token] = []
    for sentence in said:
        perfect = False
        for token in sentence:
            taken = perfect and token.tag == "VBN" and not published
            found.append(replace(token, tag="VBD") if taken else token)
            perfect = token.word in _HAVE or (perfect and token.tag == "RB")
    return found


def _says_nothing(token: Token) -> bool:
    return token.word in function_words() or not any(one.isalpha() for one in token.text)
