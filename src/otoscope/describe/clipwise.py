"""What is known of the clips beside the activations, and which of them describe and which score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope.describe.config import ClosedConfig
from otoscope.describe.halves import halves
from otoscope.describe.layer import Layer
from otoscope.errors import InputError

POLES = {"high": 1.0, "low": -1.0}
"""Pole -> sign of the activations."""


@dataclass(frozen=True)
class Clipwise:
    """What is known of the clips, in the order of the activations' rows.

    Attributes
    ----------
    affinities : array (clip, concept)
        Describing affinities; a row of NaN is a clip without caption.
    concepts : sequence of str
        Names of the columns.
    groups : array (clip,)
        Unit that is split, dealt and drawn whole.
    strata : array (clip,), optional
        Permutations stay within one.
    scoring : array (clip, concept), optional
        Affinities of another family that score; the describing ones where not given (flagged).
    flags : tuple of str
        True of every neuron.
    """

    affinities: NDArray[Any]
    concepts: Sequence[str]
    groups: NDArray[Any]
    strata: NDArray[Any] | None = None
    scoring: NDArray[Any] | None = None
    flags: tuple[str, ...] = ()

    def take(self, rows: NDArray[np.int64]) -> Clipwise:
        """Return the same of some clips."""
        strata = None if self.strata is None else self.strata[rows]
        scoring = None if self.scoring is None else self.scoring[rows]
        return replace(
            self, affinities=self.affinities[rows], groups=self.groups[rows], strata=strata, scoring=scoring
        )

    def all_affinities(self) -> NDArray[Any]:
        """Return describing and scoring affinities side by side: a clip needs all of them."""
        if self.scoring is None:
            return self.affinities
        return np.concatenate([self.affinities, self.scoring], axis=1)


@dataclass(frozen=True)
class Side:
    """The describing or the scoring clips.

    Attributes
    ----------
    rows : array of int64 (clip,)
        Their rows in the activations.
    clips : Clipwise
        What is known of them.
    """

    rows: NDArray[np.int64]
    clips: Clipwise

    def of(self, layer: Layer, pole: str) -> Layer:
        """Return the layer on these clips at one pole."""
        return replace(layer, rows=torch.from_numpy(self.rows).to(layer.rows.device), sign=POLES[pole])


def sides(rows: NDArray[np.int64], clips: Clipwise, config: ClosedConfig) -> tuple[Side, Side]:
    """Return the describing and the scoring side of the usable ``rows``: halves by group, or twice the same."""
    if config.same_clips:
        everything = Side(rows, clips.take(rows))
        return everything, everything
    cut = halves(clips.groups[rows], config.split, config.seed, len(clips.groups))
    describing, scoring = (rows[part] for part in cut)
    return Side(describing, clips.take(describing)), Side(scoring, clips.take(scoring))


def validate(clips: Clipwise) -> None:
    """Raise InputError if concepts, scoring affinities or groups do not fit the describing affinities."""
    n_clips, n_concepts = clips.affinities.shape
    if len(clips.concepts) != n_concepts:
        raise InputError(f"{n_concepts} columns of affinities but {len(clips.concepts)} concepts")
    if clips.scoring is not None and clips.scoring.shape != clips.affinities.shape:
        raise InputError(
            f"scoring affinities must be of the same clips and concepts, {clips.affinities.shape}, "
            f"got {clips.scoring.shape}"
        )
    if len(clips.groups) != n_clips:
        raise InputError(f"expected one group a clip, got {len(clips.groups)} for {n_clips} clips")
