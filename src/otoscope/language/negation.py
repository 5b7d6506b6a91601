"""Which words of a sentence are denied? "not loud or harsh", "no distorted tone", "without reverb", "lacks bass".

Definition: a denial reaches from its negator forwards to the end of its clause. It ends at ``.``, ``;``, ``:``,
brackets, or a word that turns the sentence (but, however, although, except, rather ...). Once a noun has been passed,
it also ends at a comma, "and", a verb or a preposition other than "of", so that in "no music and a loud hum" the hum
is loud; a list goes on with "or" and "nor". A comma or "and" before anything but a further adjective ends it, too
("not loud, it hums"). "not only", "not just", "not merely", "not simply", "no doubt" and "not necessarily" deny
nothing, and a denied "without" affirms.

``non-`` and ``un-`` are part of their words. Denials that follow ("distortion is absent") are not seen.

AND's release (ICML 2024) drops an adjective if "no" or "not" stands among the four tokens before it, whatever lies
between; for the first four tokens its window starts with a negative index and is empty (:func:`and_2024_denied`).
"""

from __future__ import annotations

from collections.abc import Sequence

from otoscope.language.tagging import NOUNS, PREPOSITIONS, VERBS, Token

_NEGATORS = frozenset(
    [
        "no",
        "not",
        "n't",
        "never",
        "neither",
        "nor",
        "without",
        "none",
        "nothing",
        "hardly",
        "scarcely",
        "barely",
        "lack",
        "lacks",
        "lacking",
        "lacked",
    ]
)
_OF_NEGATORS = frozenset({"absence", "free", "devoid"})
_TURNS = frozenset(
    [
        "but",
        "however",
        "although",
        "though",
        "yet",
        "except",
        "while",
        "whereas",
        "because",
        "instead",
        "rather",
        "only",
        "besides",
        "unless",
        "since",
        "which",
        "that",
    ]
)
_STOPS = frozenset(".;:!?()[]{}–—")
_NO_DENIAL = frozenset(["only", "just", "merely", "simply", "necessarily", "doubt"])
_LIST_WORDS = frozenset({"or", "nor"})
_ADJECTIVAL = frozenset({"JJ", "JJR", "JJS", "VBN", "VBG", "RB", "RBR", "RBS"})


def denied(sentence: Sequence[Token]) -> list[bool]:
    """Return, for each token of a tagged sentence, whether it is denied.

    Examples
    --------
    >>> said = [("not", "RB"), ("loud", "JJ"), ("but", "CC"), ("harsh", "JJ")]
    >>> denied([Token(*one) for one in said])
    [False, True, False, False]
    """
    found = [False] * len(sentence)
    inside = passed_noun = False
    for place, token in enumerate(sentence):
        following = sentence[place + 1] if place + 1 < len(sentence) else None
        if _negates(token, following):
            inside = not (inside and token.word == "without")
            passed_noun = False
        elif inside and _ends(token, following, passed_noun):
            inside = False
        elif inside:
            found[place] = True
            passed_noun = token.word not in _LIST_WORDS and (passed_noun or token.tag in NOUNS)
    return found


def and_2024_denied(tokens: Sequence[Token]) -> list[bool]:
    """Return, for each token of a whole text, whether AND's release takes it for denied."""
    words = [one.word for one in tokens]
    windows = [words[place - 4 : place] for place in range(len(words))]
    return ["no" in window or "not" in window for window in windows]


def _negates(token: Token, following: Token | None) -> bool:
    after = following.word if following else ""
    if token.word in _OF_NEGATORS:
        return after in ("of", "from")
    return token.word in _NEGATORS and after not in _NO_DENIAL


def _ends(token: Token, following: Token | None, passed_noun: bool) -> bool:
    if token.word in _LIST_WORDS:
        return False
    if token.text in _STOPS or token.word in _TURNS:
        return True
    if token.word in (",", "and", "&"):
        return (
            passed_noun or following is None or not (_adjectival(following) or following.word in _LIST_WORDS)
        )
    return passed_noun and (token.tag in VERBS or (token.tag in PREPOSITIONS and token.word != "of"))


def _adjectival(token: Token) -> bool:
    return token.tag in _ADJECTIVAL
