"""Which names does a reply propose, and which concepts are they?

:func:`proposed` reads the last line that begins with ``Answer:`` (and, where that is empty, the lines after it), cut at
commas and semicolons; a reply without one, or with too few names, is unusable and asked for once more.

:func:`and_2024_proposed` reads as AND's release does: what follows the last ``Answer:``, cut at commas; but if the
reply holds a double quote anywhere, the quoted strings replace it; else if it holds a single quote, the strings between
single quotes (one apostrophe leaves nothing); else if a sentence holds ``#``, the *letters* of what follows it; and
where nothing is left, the whole reply. It never fails.

:func:`concepts_of` maps each proposed name to a concept: the same but for case, hyphens and underscores, else the
nearest by the text encoder, which is a *repair* and reported with its cosine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from otoscope.errors import ReplyError
from otoscope.language import TextEncoder
from otoscope.language.concepts import spoken
from otoscope.language.sentences import and_2024_sentences

_ANSWER = re.compile(r"^[\s*_#>]*(?:final\s+)?answers?[\s*_]*:[\s*_]*(.*)$", re.IGNORECASE)
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\(?\d{1,3}[.):])\s+")
_OUTSIDE = " \t\"'“”‘’`*_.[]()<>"
LONGEST = 100
"""Characters of a name; a longer one is no name."""


@dataclass(frozen=True)
class Mapped:
    """Concepts of a reply.

    Attributes
    ----------
    concepts : tuple of str
        As the set writes them.
    repaired : tuple of bool
        Whether the proposed name was another one.
    cosine : tuple of float
        Of the proposed name and the concept; 1 where it is the same.
    """

    concepts: tuple[str, ...]
    repaired: tuple[bool, ...]
    cosine: tuple[float, ...]


def proposed(k: int) -> Callable[[str], tuple[str, ...]]:
    """Return a parser that gives the first ``k`` names of a reply.

    Examples
    --------
    >>> proposed(2)("It purrs.\\n**Answer:** 'cat', Crying_baby; dog.")
    ('cat', 'Crying_baby')
    """

    def parse(text: str) -> tuple[str, ...]:
        lines = text.splitlines()
        found = [(place, hit.group(1)) for place, line in enumerate(lines) if (hit := _ANSWER.match(line))]
        if not found:
            raise ReplyError("it has no line that begins with 'Answer:'.")
        place, said = found[-1]
        given = (
            [said]
            if any(one.isalnum() for one in said)
            else [_LIST_MARK.sub("", one) for one in lines[place + 1 :]]
        )
        names = [one.strip(_OUTSIDE) for line in given for one in re.split(r"[,;]", line)]
        kept = tuple(dict.fromkeys(one for one in names if any(letter.isalnum() for letter in one)))
        if len(kept) < k:
            raise ReplyError(f"its answer line holds {len(kept)} names, wanted: {k}.")
        if any(len(one) > LONGEST for one in kept[:k]):
            raise ReplyError("its answer line must hold names from the list and nothing else.")
        return kept[:k]

    return parse


def and_2024_proposed(k: int) -> Callable[[str], tuple[str, ...]]:
    """Return the published parser of ``k`` names.

    Examples
    --------
    >>> and_2024_proposed(1)("A 'rooster' is not in the list.\\nAnswer: hen")
    ('rooster',)
    """

    def parse(text: str) -> tuple[str, ...]:
        names: Sequence[str] = text.split("Answer:")[-1].split(",") if "Answer:" in text else ()
        if '"' in text:
            names = re.findall(r'"([^"]*)"', text)
        elif "'" in text:
            names = re.findall(r"'([^']*)'", text)
        elif "#" in text:
            marked = [one for one in and_2024_sentences(text) if "#" in one]
            names = list(marked[-1].split("#")[-1]) if marked else names
        return tuple(names)[:k] if names else (text,)

    return parse


def concepts_of(
    names: Sequence[str],
    concepts: Sequence[str],
    encoder: TextEncoder,
    *,
    template: str = "{}",
    distinct: bool = True,
) -> Mapped:
    """Return the concepts that proposed names stand for.

    Parameters
    ----------
    names : sequence of str
        Untrusted.
    concepts : sequence of str
        The set.
    encoder : TextEncoder
    template : str
        What is encoded of a name and of a concept.
    distinct : bool
        Each concept once.
    """
    exact = {_key(one): one for one in reversed(concepts)}
    found: list[tuple[str, bool, float]] = []
    for name in names:
        same = exact.get(_key(name))
        found.append((same, False, 1.0) if same else (*_nearest(name, concepts, encoder, template),))
    kept = [
        one
        for place, one in enumerate(found)
        if not distinct or one[0] not in [two[0] for two in found[:place]]
    ]
    parts = tuple(zip(*kept)) or ((), (), ())
    return Mapped(*parts)


def _nearest(
    name: str, concepts: Sequence[str], encoder: TextEncoder, template: str
) -> tuple[str, bool, float]:
    said = template.format(spoken(name.replace("\x00", " "))[:LONGEST])
    if not any(one.isalnum() for one in said):
        said = template.format("sound")
    vectors = encoder.encode([said, *(template.format(spoken(one)) for one in concepts)])
    cosines = vectors[1:] @ vectors[0]
    best = int(cosines.argmax())
    return concepts[best], True, float(cosines[best])


def _key(name: str) -> str:
    return " ".join(re.sub(r"[\s_-]+", " ", name).split()).casefold()
