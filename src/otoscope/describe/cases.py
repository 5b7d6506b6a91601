"""The neurons to be put into words, each with the clips that show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otoscope.describe.exemplars import exemplars
from otoscope.describe.free_text import Corpus, FreeTextConfig, Part, parts
from otoscope.progress import track
from otoscope.store.run import Run

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """A neuron at one pole.

    Attributes
    ----------
    neuron : int
        Number in the run.
    layer : str
    index : int
        Number in the layer.
    pole : str
    high, low, near : array of int64
        Positions among the describing clips; see :mod:`otoscope.describe.exemplars`.
    dead, tied : bool
    """

    neuron: int
    layer: str
    index: int
    pole: str
    high: Rows
    low: Rows
    near: Rows
    dead: bool
    tied: bool


def cases_of(
    run: Run,
    config: FreeTextConfig,
    corpus: Corpus,
    *,
    k: int,
    distinct_groups: bool,
    vectors: NDArray[np.float32] | None = None,
) -> list[list[Case]]:
    """Return the cases of each part of the run, in the order of :func:`otoscope.describe.free_text.parts`.

    Parameters
    ----------
    run : Run
    config : FreeTextConfig
    corpus : Corpus
    k : int
        Clips of each kind.
    distinct_groups : bool
        At most one clip of a group among the high, and among the low ones.
    vectors : array (describing clip, dim), optional
        Of the captions, where they are not the clips' own.
    """
    said = corpus.vectors(corpus.describing) if vectors is None else vectors
    work = list(parts(run, config))
    return [
        list(_cases(run, config, corpus, part, said, k, distinct_groups))
        for part in track(work, len(work), "finding exemplars")
    ]


def _cases(
    run: Run,
    config: FreeTextConfig,
    corpus: Corpus,
    part: Part,
    vectors: NDArray[np.float32],
    k: int,
    distinct_groups: bool,
) -> Iterator[Case]:
    activations = part.activations(run, corpus.describing)
    groups = corpus.groups[corpus.describing]
    found = exemplars(activations, vectors, groups, k=k, distinct_groups=distinct_groups, seed=config.seed)
    for place, index in enumerate(part.index):
        high, low, near = (one[place][one[place] >= 0] for one in (found.high, found.low, found.near))
        yield Case(
            int(part.layer.first_neuron + index),
            part.layer.name,
            int(index),
            part.pole,
            high,
            low,
            near,
            bool(found.dead[place]),
            bool(found.tied[place]),
        )
