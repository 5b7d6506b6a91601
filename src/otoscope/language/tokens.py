"""Which words does a text hold? Letters only, lower case, accents removed; file-name habits undone.

``Rain_06``, ``DogBark``, ``20070812.rooster``, ``tick-tock``: words are split at anything that is not a letter and
where a lower-case letter meets
a capital. Numbers are dropped except single digits (the names of spoken digits), unless nothing else is left.
"""

from __future__ import annotations

import re
import unicodedata

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+|(?<!\d)\d(?!\d)")
_ANY = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return the words of ``text`` in order.

    Examples
    --------
    >>> words("Dog_Bark03 (nice); tick-tock, déjà 7")
    ['dog', 'bark', 'nice', 'tick', 'tock', 'deja', '7']
    >>> words("2041")
    ['2041']
    """
    plain = unicodedata.normalize("NFKD", text.replace("'s ", " ").replace("’", "'"))
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    spaced = _CAMEL.sub(" ", plain)
    return [one.lower() for one in _WORD.findall(spaced) or _ANY.findall(spaced)]
