"""How alike are two short texts about sound, judged by their words alone? The default: no network, no download.

A text is a sum over its words and known phrases of unit vectors ``u``, each weighted by how much the word says::

    vector(text) = normalise( sum over distinct runs r of  weight(r) * sqrt(count(r)) * u(r) )
    u(r)         = normalise( w_lemma e(lemma)  +  w_sense sum_s e(s) / sqrt(S)  +  w_related sum_t e(t) / sqrt(T)
                              +  w_grams sum_g e(g) / sqrt(G) )

with the S senses of the run in the thesaurus, the T senses related to those, and the G character n-grams (3 to 5
letters of ``^lemma$``), which carry spelling variants and words that the thesaurus does not have. Each sense has an
axis of its own; lemmas and n-grams share the other axes by a signed hash (Weinberger et al., 2009, "Feature Hashing
for Large Scale Multitask Learning", ICML). A phrase (``car horn``) also counts its words, less. ``weight`` plays
the part of an inverse document frequency without a corpus: function words and words that fit any recording count
little (``common_words.tsv``).

Conventions: deterministic on every machine (BLAKE2b, not Python's ``hash``); order of words is ignored, but the
word after a negation (``no``, ``not``, ``without``, ``lacking``) keeps only its own axis ``not:word``, so that
"without pitch" does not match "pitch".
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError
from otoscope.language import tables
from otoscope.language.encoder import checked
from otoscope.language.thesaurus import Thesaurus, bundled
from otoscope.store.hashing import hash8

_NEGATIONS = frozenset({"no", "not", "without", "lack", "never"})
_VERSION = 1


@dataclass(frozen=True)
class LexicalWeights:
    """How much each part of a word's vector counts, and the width of the vectors.

    Attributes
    ----------
    lemma, sense, related, grams : float
        Lengths of the four parts before the word's vector is normalised.
    phrase_word : float
        Weight of each word inside a known phrase, where the phrase has 1.
    dim : int
        Axes in all: one for each sense, the rest shared by hashing.
    """

    lemma: float = 0.6
    sense: float = 1.0
    related: float = 0.6
    grams: float = 0.3
    phrase_word: float = 0.4
    dim: int = 2048


class LexicalEncoder:
    """Texts as sums of word vectors; see the module.

    Attributes
    ----------
    id : str
        ``lexical-`` and a hash of the tables and weights.
    cheap : bool
        True: encoding again costs less than reading vectors from the disk.
    """

    cheap = True

    def __init__(self, weights: LexicalWeights | None = None) -> None:
        self._weights = weights or LexicalWeights()
        self._thesaurus: Thesaurus = bundled()
        self._says = {row[0]: float(row[1]) for row in tables.rows("common_words.tsv")}
        self._units: dict[str, NDArray[np.float32]] = {}
        if self._weights.dim < 2 * len(self._thesaurus.senses):
            raise InputError(
                f"dim must be at least {2 * len(self._thesaurus.senses)} (twice the senses), got {self._weights.dim}"
            )
        names = ("thesaurus.tsv", "irregular.tsv", "common_words.tsv")
        texts = [hash8(tables.read_text(one)) for one in names]
        self.id = f"lexical-{hash8([_VERSION, asdict(self._weights), texts])}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit row a text, float32 (text, dim). Cost O(words of all texts * dim)."""
        listed = checked(texts)
        vectors = np.zeros((len(listed), self._weights.dim), np.float32)
        for row, text in enumerate(listed):
            for (key, weight), count in Counter(self._weighted(text)).items():
                vectors[row] += weight * np.sqrt(count) * self._unit(key)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def _weighted(self, text: str) -> Iterator[tuple[str, float]]:
        """Yield the key and weight of each run of words, and of the words inside phrases."""
        negated = False
        for run in self._thesaurus.runs(self._thesaurus.lemmas(text)):
            key = "".join(run)
            says = self._says.get(key, 1.0)
            if negated and says >= 1.0:
                yield f"not:{key}", says
            else:
                yield key, says
                if len(run) > 1:
                    yield from ((one, self._weights.phrase_word * self._says.get(one, 1.0)) for one in run)
            negated = key in _NEGATIONS or (negated and says < 1.0)

    def _unit(self, key: str) -> NDArray[np.float32]:
        if key not in self._units:
            self._units[key] = self._built(key)
        return self._units[key]

    def _built(self, key: str) -> NDArray[np.float32]:
        own = self._weights
        vector = np.zeros(own.dim)
        self._add_hashed(vector, [f"lemma:{key}"], own.lemma)
        if not key.startswith("not:"):
            senses = self._thesaurus.entries.get(key, ())
            related = {two for one in senses for two in self._thesaurus.related[one]} - {*senses}
            for found, weight in ((senses, own.sense), (related, own.related)):
                vector[list(found)] += weight / np.sqrt(max(len(found), 1))
            self._add_hashed(vector, grams(key), own.grams)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def _add_hashed(self, vector: NDArray[np.float64], features: Sequence[str], weight: float) -> None:
        first = len(self._thesaurus.senses)
        for one in features:
            digest = int.from_bytes(hashlib.blake2b(one.encode("utf-8"), digest_size=8).digest(), "big")
            sign = 1.0 if digest & 1 else -1.0
            vector[first + (digest >> 1) % (vector.size - first)] += sign * weight / np.sqrt(len(features))


def grams(word: str, shortest: int = 3, longest: int = 5) -> list[str]:
    """Return the distinct character n-grams of ``^word$``.

    Examples
    --------
    >>> grams("dog")
    ['^do', 'dog', 'og$', '^dog', 'dog$', '^dog$']
    """
    marked = f"^{word}$"
    sizes = range(shortest, longest + 1)
    return list(dict.fromkeys(marked[i : i + n] for n in sizes for i in range(len(marked) - n + 1)))


def load(rest: str = "", device: str = "cpu") -> LexicalEncoder:
    """Return the encoder ``lexical``; it takes no further words, and works on the CPU whatever ``device`` says.

    Raises
    ------
    InputError
        If ``rest`` is not empty.
    """
    if rest:
        raise InputError(f"the text encoder 'lexical' takes nothing after its name, got {rest!r}")
    return LexicalEncoder()
