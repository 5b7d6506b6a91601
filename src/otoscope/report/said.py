"""View models of what a method says about a neuron: few words, and the blocks that show how they came about.

A method's own view (:mod:`otoscope.report.methods`) turns a row of its table into a :class:`Said`; the page, the
notebook cards and the rating page know only the four kinds of blocks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """One concept with its score, among a description's five best."""

    concept: str
    score: float | None


@dataclass(frozen=True)
class Candidates:
    """The concepts that came second to fifth.

    Attributes
    ----------
    title : str
    candidates : tuple of Candidate
    """

    title: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Sentence:
    """One sentence of a summary.

    Attributes
    ----------
    text : str
    kept : bool
        False where calibration removed it.
    cosine : float or None
        Its largest cosine to a sentence of the other summary, [-1, 1].
    pair : int or None
        Sentences of both summaries that were matched share this number (and a colour).
    reason : str
        Why it was removed; empty where it was kept.
    """

    text: str
    kept: bool
    cosine: float | None = None
    pair: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Sentences:
    """A summary, sentence by sentence.

    Attributes
    ----------
    title, note : str
        What it sums up, and in small print how it was made.
    sentences : tuple of Sentence
    """

    title: str
    note: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Chip:
    """One word: kept as a concept, or not, and why."""

    text: str
    kept: bool
    reason: str = ""


@dataclass(frozen=True)
class Chips:
    """Words of one kind (adjectives, nouns, verbs)."""

    title: str
    chips: tuple[Chip, ...]


@dataclass(frozen=True)
class Facts:
    """Whatever else a table says about a neuron: names and values as text."""

    title: str
    pairs: tuple[tuple[str, str], ...]


Block = Candidates | Sentences | Chips | Facts


@dataclass(frozen=True)
class Said:
    """What a method says about one pole of a neuron.

    Attributes
    ----------
    words : str
        The description in the fewest words: a concept, the kept sentences, the kept words.
    blocks : tuple of Block
        How it came about, for those who look closer.
    """

    words: str
    blocks: tuple[Block, ...] = ()
