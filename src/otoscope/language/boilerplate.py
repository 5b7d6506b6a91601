"""Is this a sentence of a summary, or what a chat model says around it ("Sure, here are ...")?

By default whole words count; AND's release (ICML 2024) looks for substrings, so a sentence with "pressure" or
"measured" was taken for "sure" and dropped: :data:`AND_2024_MARKS` with ``whole_words=False`` does the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

MARKS: tuple[str, ...] = (
    "sure", "certainly", "of course", "please", "here are", "here is", "here's", "this helps", "this help",
    "let me know", "feel free", "i hope", "i'm happy", "i am happy", "happy to help", "i can help", "i cannot",
    "i can't",
    "i'm sorry", "i apologize", "as an ai", "language model", "any more help", "further assistance", "any questions",
    "based on the", "based on your", "based on these", "summary of the", "in summary", "the descriptions you",
    "you provided", "you have provided",
)  # fmt: skip
"""Phrases that mark talk about the task."""

AND_2024_MARKS: tuple[str, ...] = (
    "sure", "here are", "this help", "based on", "\n\n1", "let me know", "please", "need any more help",
)  # fmt: skip
"""The published marks."""


def is_boilerplate(sentence: str, marks: Sequence[str] = MARKS, *, whole_words: bool = True) -> bool:
    """Return whether the sentence holds one of ``marks``, whatever its case.

    Examples
    --------
    >>> is_boilerplate("Sure! Here are the sounds."), is_boilerplate("It is a high-pressure hiss.")
    (True, False)
    >>> is_boilerplate("It is a high-pressure hiss.", AND_2024_MARKS, whole_words=False)
    True
    """
    plain = sentence.lower().replace("’", "'")
    if not whole_words:
        return any(mark in plain for mark in marks)
    return _pattern(tuple(marks)).search(plain) is not None


@cache
def _pattern(marks: tuple[str, ...]) -> re.Pattern[str]:
    phrases = "|".join(r"\s+".join(map(re.escape, mark.split())) for mark in marks)
    return re.compile(rf"(?<![\w-])(?:{phrases})(?![\w-])")
