"""What part of speech is each word? Penn Treebank tags, whoever tags.

======================= ============================================================================================
``hanta``               HanTa, the Hanover Tagger, with the English model that its package holds; offline
``spacy:MODEL``         an installed spaCy model (``spacy:en_core_web_sm``)
======================= ============================================================================================

HanTa's English tags are those of the British National Corpus (C5) and are put into Penn's: ``AJ0`` -> ``JJ``,
``VVN`` -> ``VBN``, ``PRP`` -> ``IN``. Ordinals are ``JJ`` and prepositions ``IN`` there as in Penn; base forms are
``VBP``. A new tagger is one function ``(rest of the spec) -> Tagger`` plus one line in :data:`TAGGERS`.

Reference: C. Wartena, "A Probabilistic Morphology Model for German Lemmatization", KONVENS 2019 (HanTa). AND's release
tags with NLTK's perceptron tagger, on the lower-cased text without sentence ends.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from otoscope.errors import InputError, MissingExtraError, ModelError
from otoscope.registry import lookup

TAGGERS: dict[str, str] = {
    "hanta": "otoscope.language.tagging:load_hanta",
    "spacy": "otoscope.language.tagging:load_spacy",
}
"""Scheme -> function ``(rest of the spec) -> Tagger``."""

ADJECTIVES = frozenset({"JJ", "JJR", "JJS", "VBN"})
NOUNS = frozenset({"NN", "NNS", "NNP", "NNPS"})
VERBS = frozenset({"VB", "VBD", "VBG", "VBN", "VBP", "VBZ"})
PREPOSITIONS = frozenset({"IN"})

_PENN = {
    "AJ0": "JJ", "AJC": "JJR", "AJS": "JJS", "ORD": "JJ", "AV0": "RB", "AVP": "RP", "AVQ": "WRB", "XX0": "RB",
    "AT0": "DT", "DT0": "DT", "DTQ": "WDT", "DPS": "PRP$", "CJC": "CC", "CJS": "IN", "CJT": "IN", "PRF": "IN",
    "PRP": "IN", "CRD": "CD", "EX0": "EX", "ITJ": "UH", "NN0": "NN", "NN1": "NN", "NN2": "NNS", "NP0": "NNP",
    "PNI": "PRP", "PNP": "PRP", "PNQ": "WP", "POS": "POS", "TO0": "TO", "UNC": "FW", "VM0": "MD", "ZZ0": "SYM",
}  # fmt: skip
_VERB_FORMS = {"B": "VBP", "D": "VBD", "G": "VBG", "I": "VB", "N": "VBN", "Z": "VBZ"}
_TOKEN = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s]")
_CONTRACTION = re.compile(r"^(.+?)(n't|'(?:s|re|ve|ll|d|m))$", re.IGNORECASE)


@dataclass(frozen=True)
class Token:
    """A word or mark in its sentence.

    Attributes
    ----------
    text : str
        As written.
    tag : str
        Penn Treebank tag; ``.`` for punctuation.
    """

    text: str
    tag: str

    @property
    def word(self) -> str:
        """The text in lower case."""
        return self.text.lower()


class Tagger(Protocol):
    """Tags sentences.

    Attributes
    ----------
    id : str
        Name and version: equal ids give equal tags.
    """

    @property
    def id(self) -> str:
        """Name and version."""
        ...

    def tag(self, sentence: str) -> list[Token]:
        """Return the tokens of one sentence."""
        ...


def tagger(spec: str = "hanta") -> Tagger:
    """Return the tagger that ``spec`` names.

    Raises
    ------
    UnknownNameError
        If no tagger has the scheme.
    InputError, ModelError
        If the rest of the spec is unusable, or the model is not installed.
    MissingExtraError
        If the tagger's package is not installed.
    """
    scheme, _, rest = spec.partition(":")
    found: Tagger = lookup(TAGGERS, scheme, room="language", kind="tagger")(rest)
    return found


def tokens(sentence: str) -> list[str]:
    """Return words and marks in order; hyphens hold a word together, contractions are cut.

    Examples
    --------
    >>> tokens("It isn't high-pitched, cannot be.")
    ['It', 'is', "n't", 'high-pitched', ',', 'can', 'not', 'be', '.']
    """
    return [part for found in _TOKEN.findall(sentence) for part in _parts(found.replace("’", "'"))]


def _parts(word: str) -> Sequence[str]:
    if word.lower() == "cannot":
        return word[:3], word[3:]
    cut = _CONTRACTION.match(word)
    return cut.groups() if cut else (word,)


class HanTaTagger:
    """HanTa's English model.

    Attributes
    ----------
    id : str
        ``hanta-`` and the version of the package.
    """

    def __init__(self, model: Any, version: str) -> None:
        self._model = model
        self.id = f"hanta-{version}"

    def tag(self, sentence: str) -> list[Token]:
        """Return the tokens of one sentence with Penn tags."""
        cut = tokens(sentence)
        if not cut:
            return []
        found = self._model.tag_sent(cut)
        return [Token(text, _penn(text, c5)) for text, (_, _, c5) in zip(cut, found, strict=True)]


def _penn(text: str, c5: str) -> str:
    if not any(one.isalnum() for one in text):
        return "."
    if text.lower() == "n't":
        return "RB"
    if c5 in _PENN:
        return _PENN[c5]
    return _VERB_FORMS.get(c5[-1:], "NN") if c5.startswith("V") else "NN"


def load_hanta(rest: str = "") -> HanTaTagger:
    """Return the tagger ``hanta``; the model is the file inside its package, whatever the working folder holds.

    Raises
    ------
    InputError
        If ``rest`` is not empty.
    MissingExtraError
        If HanTa is not installed.
    """
    if rest:
        raise InputError(f"the tagger 'hanta' takes nothing after its name, got {rest!r}")
    try:
        from HanTa import HanoverTagger
    except ImportError as error:
        raise MissingExtraError.of("nlp", "HanTa") from error
    model = Path(HanoverTagger.__file__).parent / "morphmodel_en.pgz"
    return HanTaTagger(HanoverTagger.HanoverTagger(str(model)), importlib.metadata.version("HanTa"))


class SpacyTagger:
    """A spaCy pipeline.

    Attributes
    ----------
    id : str
        ``spacy:`` with the model's name and version.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self.id = f"spacy:{pipeline.meta['lang']}_{pipeline.meta['name']}-{pipeline.meta['version']}"

    def tag(self, sentence: str) -> list[Token]:
        """Return the tokens of one sentence with Penn tags; hyphenated words stay one token."""
        documents = importlib.import_module("spacy.tokens")
        cut = tokens(sentence)
        document = self._pipeline(documents.Doc(self._pipeline.vocab, words=cut)) if cut else []
        return [Token(one.text, "." if one.is_punct else one.tag_) for one in document]


def load_spacy(rest: str = "") -> SpacyTagger:
    """Return the tagger ``spacy:MODEL``.

    Raises
    ------
    InputError
        If no model is named.
    MissingExtraError
        If spaCy is not installed.
    ModelError
        If the model is not.
    """
    if not rest:
        raise InputError("spacy: needs an installed model: spacy:en_core_web_sm")
    try:
        spacy: Any = importlib.import_module("spacy")
    except ImportError as error:
        raise MissingExtraError("spaCy is not installed. It comes with: pip install spacy") from error
    try:
        return SpacyTagger(spacy.load(rest))
    except OSError as error:
        raise ModelError(
            f"there is no spaCy model {rest!r}: install it with: python -m spacy download {rest}"
        ) from error
