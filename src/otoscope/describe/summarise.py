"""Summaries of clips: by a chat model that is asked what they have in common, or by contrast of their statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.describe.cases import Case
from otoscope.describe.chatting import Asked
from otoscope.describe.contrast import Contrast, Sentence, written
from otoscope.describe.free_text import Corpus
from otoscope.describe.prompts import summary_question
from otoscope.describe.statements import Statements, statements
from otoscope.language.boilerplate import AND_2024_MARKS, is_boilerplate
from otoscope.language.chat import Answer, Sampling
from otoscope.language.sentences import and_2024_sentences, sentences
from otoscope.language.tagging import tokens

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Said:
    """A summary.

    Attributes
    ----------
    text : str or None
        Whole; None where there is none.
    sentences : tuple of Sentence
        Those that are compared.
    left_out : tuple of (str, str)
        The others, each with why: ``boilerplate`` or ``short``.
    failed : str or None
        Why a chat model gave none.
    """

    text: str | None
    sentences: tuple[Sentence, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    failed: str | None = None


@dataclass(frozen=True)
class Cutting:
    """How a model's text becomes sentences.

    Attributes
    ----------
    published : bool
        As AND's release: its sentence ends and marks, as substrings.
    least_tokens : int
        Tokens that a sentence has at least.
    """

    published: bool
    least_tokens: int

    def said(self, answer: Answer[str]) -> Said:
        """Return a model's answer in sentences."""
        if answer.value is None:
            return Said(None, failed=answer.reason)
        cut = and_2024_sentences(answer.value) if self.published else sentences(answer.value)
        judged = [(one, self._why_not(one)) for one in cut]
        kept = tuple(Sentence(one, one) for one, why in judged if why is None)
        return Said(answer.value, kept, tuple((one, why) for one, why in judged if why))

    def _why_not(self, sentence: str) -> str | None:
        marked = (
            is_boilerplate(sentence, AND_2024_MARKS, whole_words=False)
            if self.published
            else is_boilerplate(sentence)
        )
        if marked:
            return "boilerplate"
        return "short" if len(tokens(sentence)) < self.least_tokens else None


def questions(
    cases: Sequence[Case], captions: Sequence[str], sampling: Sampling, *, near: bool, published: bool
) -> list[Asked]:
    """Return the questions about the high and the low clips of each case, in turn; none for a dead neuron.

    Parameters
    ----------
    cases : sequence of Case
    captions : sequence of str
        Of the describing clips.
    sampling : Sampling
    near : bool
        Tell the high clips apart from the near misses.
    published : bool
        See :func:`otoscope.describe.prompts.summary_question`.
    """
    asked = []
    for case in cases:
        if case.dead:
            continue
        for role, rows in (("high", case.high), ("low", case.low)):
            others = [captions[one] for one in case.near] if near and role == "high" else []
            question = summary_question(
                [captions[one] for one in rows], others, sampling, published=published
            )
            asked.append(Asked(question, role, case.neuron, case.pole))
    return asked


@dataclass(frozen=True)
class Explainer:
    """The offline explainer of a corpus.

    Attributes
    ----------
    contrast : Contrast
    """

    contrast: Contrast

    @classmethod
    def of(
        cls,
        corpus: Corpus,
        said: Statements,
        *,
        alpha: float,
        most: int,
        dealt: Rows | None = None,
    ) -> Explainer:
        """Return the explainer of the describing clips.

        Parameters
        ----------
        corpus : Corpus
        said : Statements
            Of the describing captions.
        alpha, most
            See :class:`otoscope.describe.contrast.Contrast`.
        dealt : array of int64 (clip,), optional
            Whose caption each clip takes: the control.
        """
        groups = np.unique(corpus.groups[corpus.describing], return_inverse=True)[1].reshape(-1)
        made: NDArray[Any] = said.made if dealt is None else said.made[dealt]
        return cls(Contrast(made, said, groups, alpha=alpha, most=most))

    def said(self, rows: Rows, near: Rows) -> Said:
        """Return the summary of some clips against near misses and the rest."""
        found = written(self.contrast.findings(rows, near))
        return Said(" ".join(one.text for one in found) or None, tuple(found))

    def both(self, case: Case, *, near: bool) -> tuple[Said, Said]:
        """Return the summaries of a case's high and low clips; empty ones for a dead neuron."""
        if case.dead:
            return Said(None), Said(None)
        nobody = case.near[:0]
        return self.said(case.high, case.near if near else nobody), self.said(case.low, nobody)


def statements_of(corpus: Corpus) -> Statements:
    """Return the statements of the describing captions."""
    return statements(corpus.captions_of(corpus.describing))
