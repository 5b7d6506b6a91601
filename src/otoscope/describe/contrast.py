"""What do the captions of some clips say that those of other clips do not? A summary without a language model.

Definition. A group makes a statement (:mod:`otoscope.describe.statements`) if one of its clips does: M of all N groups
do, and x of the k groups of the top clips, by a top clip. A statement is *over-represented* if

- top clips of at least two groups make it;
- p = P(X >= x), X hypergeometric (N, M, k), is at most alpha;
- a larger share of the top clips makes it than of the near misses;
- it is no sense that the same top clips have from a single word.

Statements are taken in the order of p (then of x; clauses before words before senses), each only if it adds a lemma.
They become sentences: what the sounds have to do with, what they are like (words of the list of words for sound), and
clauses as the captions have them; each with its counts, "4 of 5 clips; 0 of 5 near misses; 6 of the other 190".

Conventions: deterministic. p orders and thins out statements and is no test of the neuron: that is the held-out score
beside the score of captions dealt to other groups' clips. A summary of nothing over-represented is empty.

Where we differ from AND (ICML 2024, module B): there a language model is asked what five captions have in common,
whatever all other captions say. The use of the other clips follows common contrastive keyword analysis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from otoscope.describe.statements import KINDS, Statements
from otoscope.language.sound_words import is_sound_word

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Sentence:
    """A sentence of a summary.

    Attributes
    ----------
    text : str
        As a person reads it.
    gist : str
        What it says, without the words around: what is compared and encoded.
    evidence : str or None
        Its counts; None where a language model wrote it.
    """

    text: str
    gist: str
    evidence: str | None = None


@dataclass(frozen=True)
class Finding:
    """An over-represented statement.

    Attributes
    ----------
    kind, text : str
    top, near, rest : int
        Clips that make it: of the top ones, the near misses, all others.
    n_top, n_near, n_rest : int
        How many there are.
    p : float
        By groups.
    """

    kind: str
    text: str
    top: int
    n_top: int
    near: int
    n_near: int
    rest: int
    n_rest: int
    p: float

    @property
    def counts(self) -> str:
        """The counts in words."""
        missed = f"; {self.near} of {self.n_near} near misses" if self.n_near else ""
        return f"{self.top} of {self.n_top} clips{missed}; {self.rest} of the other {self.n_rest}"


class Contrast:
    """Statements of a set of clips, ready to be compared.

    Parameters
    ----------
    made : array of bool (clip, statement)
        Who says what; rows may be dealt anew.
    said : Statements
        Names of the columns.
    groups : array of int (clip,)
        Codes 0, 1, ... of the groups.
    alpha : float
        Largest p of a statement that is kept.
    most : int
        Statements kept at most.
    """

    def __init__(
        self, made: NDArray[np.bool_], said: Statements, groups: Rows, *, alpha: float, most: int
    ) -> None:
        self._made, self._said, self._groups = made, said, groups
        self._alpha, self._most = alpha, most
        by_group = _by_group(made, groups)
        self._n_groups, self._in_groups = len(by_group), by_group.sum(axis=0)
        self._in_clips = made.sum(axis=0)
        self._kind = np.asarray([KINDS.index(one) for one in said.kind], dtype=np.int64)

    def findings(self, top: Rows, near: Rows) -> list[Finding]:
        """Return what is over-represented among the clips ``top``, the surest first.

        Parameters
        ----------
        top, near : array of int
            Positions of clips; a near miss is no top clip.
        """
        x, missed = self._made[top].sum(axis=0), self._made[near].sum(axis=0)
        by_group = _by_group(
            self._made[top], np.unique(self._groups[top], return_inverse=True)[1].reshape(-1)
        )
        in_groups = by_group.sum(axis=0)
        p = hypergeom.sf(in_groups - 1, self._n_groups, self._in_groups, len(by_group))
        kept = (in_groups > 1) & (p <= self._alpha)
        kept &= x * max(len(near), 1) > missed * len(top)
        columns = self._new_senses(np.flatnonzero(kept), top, x)
        order = np.lexsort((self._kind[columns], -x[columns], p[columns]))
        n_rest = len(self._made) - len(top) - len(near)
        return [
            Finding(
                self._said.kind[one],
                self._said.text[one],
                int(x[one]),
                len(top),
                int(missed[one]),
                len(near),
                int(self._in_clips[one] - x[one] - missed[one]),
                n_rest,
                float(p[one]),
            )
            for one in self._new(columns[order])
        ]

    def _new_senses(self, columns: Rows, top: Rows, x: NDArray[np.int64]) -> Rows:
        """Return the columns without senses that the very same top clips have from one and the same word."""
        made, word = self._made[top], self._kind == KINDS.index("word")
        kept = []
        for one in columns:
            same = np.flatnonzero(word & (x == x[one])) if self._kind[one] == KINDS.index("sense") else ()
            if not len(same) or not (made[:, same] == made[:, [one]]).all(axis=0).any():
                kept.append(one)
        return np.asarray(kept, dtype=np.int64)

    def _new(self, columns: Rows) -> list[int]:
        """Return the first columns that each add a lemma to those before."""
        taken: list[int] = []
        known: set[str] = set()
        for one in columns:
            if len(taken) < self._most and not self._said.lemmas[one] <= known:
                taken.append(int(one))
                known |= self._said.lemmas[one]
        return taken


def _by_group(made: NDArray[np.bool_], groups: Rows) -> NDArray[np.bool_]:
    """Return which groups make which statement ``(group, statement)``."""
    found = np.zeros((int(groups.max()) + 1, made.shape[1]), dtype=np.bool_)
    np.logical_or.at(found, groups, made)
    return found


def written(findings: Sequence[Finding]) -> list[Sentence]:
    """Return the findings as sentences.

    Examples
    --------
    >>> found = [Finding("word", "dog", 4, 5, 0, 5, 6, 190, 0.001), Finding("word", "loud", 3, 5, 1, 5, 9, 190, 0.01)]
    >>> [one.text for one in written(found)]
    ['These sounds have to do with dog.', 'They are loud.']
    >>> written(found)[0].evidence
    'dog: 4 of 5 clips; 0 of 5 near misses; 6 of the other 190'
    """
    clauses = [one for one in findings if one.kind == "clause"]
    words = [one for one in findings if one.kind != "clause"]
    like = [one for one in words if is_sound_word(one.text.replace(" ", "-"))]
    about = [one for one in words if one not in like]
    return [
        *([_listed("These sounds have to do with", about)] if about else []),
        *([_listed("They are", like)] if like else []),
        *(Sentence(_sentence(one.text), one.text, f"{one.text}: {one.counts}") for one in clauses),
    ]


def _listed(start: str, findings: Sequence[Finding]) -> Sentence:
    names = [one.text for one in findings]
    joined = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    evidence = " | ".join(f"{one.text}: {one.counts}" for one in findings)
    return Sentence(f"{start} {joined}.", ", ".join(names), evidence)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
