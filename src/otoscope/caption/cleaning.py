"""Does a caption loop, and what is left of it without the loop?

Audio language models get caught in repetition ("a dog barks. a dog barks. a dog barks ..."). Tokens are words (with
inner hyphens and apostrophes) and single punctuation marks.

=========== =====================================================================================================
``loops``   the default: of text that repeats at once, one copy stays. A loop is a run of p tokens that comes again
            right after itself, r times in all, where the further copies hold at least 8 tokens: (r - 1) p >= 8. So
            "tick tick tick" stays, nine ticks become one, and a sentence of 8 tokens said twice is said once.
            Upper and lower case are one; what follows the loop stays.
``and-2024`` as published: if any window of 8 tokens comes again anywhere in the caption, only its first line is
            kept, or its first sentence where it has one line. Case counts.
``keep``    nothing is removed.
=========== =====================================================================================================

Reference: Audio Network Dissection (ICML 2024), released code. *Where the default differs*: as published, a caption
of two sentences that share 8 tokens ("The sound of a dog barking in the distance ...") loses all but its first line
though nothing loops, and a first line that loops by itself is kept whole. The published code splits with NLTK's
tokenizer, which also cuts contractions in two ("it's" -> "it", "'s"); windows of text without contractions are the
same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import UnknownNameError

Cleaning = Literal["loops", "and-2024", "keep"]

WINDOW = 8
"""Tokens that must come again."""

_TOKEN = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
_SENTENCE = re.compile(r".*?[.!?]+(?=\s|$)", re.DOTALL)
_LONGEST_PERIOD = 512


@dataclass(frozen=True)
class Cleaned:
    """A caption without its loops.

    Attributes
    ----------
    text : str
        What is left.
    removed : int
        Tokens that were removed.
    """

    text: str
    removed: int


def clean(text: str, how: Cleaning = "loops") -> Cleaned:
    """Return a caption without its loops.

    Parameters
    ----------
    text : str
        The caption.
    how : {"loops", "and-2024", "keep"}
        See the module.

    Raises
    ------
    UnknownNameError
        If ``how`` is none of these.

    Examples
    --------
    >>> clean("A dog barks. " * 5 + "Rain falls.")
    Cleaned(text='A dog barks. Rain falls.', removed=16)
    >>> clean("A dog barks. " * 5 + "Rain falls.", "and-2024")
    Cleaned(text='A dog barks.', removed=19)
    """
    if how not in _CLEANINGS:
        raise UnknownNameError.of("cleaning of captions", how, _CLEANINGS)
    cleaned = _CLEANINGS[how](text.strip())
    return Cleaned(cleaned, len(_TOKEN.findall(text)) - len(_TOKEN.findall(cleaned)))


def repeats(text: str, window: int = WINDOW) -> bool:
    """Return whether any ``window`` tokens in a row come again, overlapping or not.

    Examples
    --------
    >>> repeats("tick " * 9), repeats("tick " * 8)
    (True, False)
    """
    tokens = _TOKEN.findall(text)
    windows = [tuple(tokens[start : start + window]) for start in range(len(tokens) - window + 1)]
    return len(set(windows)) < len(windows)


def _as_published(text: str) -> str:
    if not repeats(text):
        return text
    first, *more = text.split("\n")
    if more:
        return first.strip()
    found = _SENTENCE.match(first)
    return found.group().strip() if found else first


def _without_loops(text: str) -> str:
    while True:
        spans = [found.span() for found in _TOKEN.finditer(text)]
        codes = np.unique([text[start:end].casefold() for start, end in spans], return_inverse=True)[1]
        loops = _shortest_loops(codes)
        for start, end in reversed(loops):
            text = text[: spans[start - 1][1]] + text[spans[end - 1][1] :]
        if not loops:
            return text


def _shortest_loops(codes: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return [start, end) of the further copies of each loop of the shortest period at which anything loops."""
    for period in range(1, min(len(codes) // 2, _LONGEST_PERIOD) + 1):
        same = np.concatenate([[False], codes[period:] == codes[:-period], [False]])
        edges = np.flatnonzero(np.diff(same.astype(np.int8)))
        starts, lengths = edges[::2] + period, edges[1::2] - edges[::2]
        copied = lengths // period * period
        loops = [(int(start), int(start + n)) for start, n in zip(starts, copied, strict=True) if n >= WINDOW]
        if loops:
            return loops
    return []


_CLEANINGS: dict[str, Callable[[str], str]] = {
    "loops": _without_loops,
    "and-2024": _as_published,
    "keep": lambda text: text,
}
