"""What a comparison is: every choice that changes a number."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from otoscope.stage_config import Seed, StageConfig


class CompareConfig(StageConfig):
    """Options of a comparison; unknown keys are refused.

    Attributes
    ----------
    label_set : str or None
        Task of selection and probe, as :mod:`otoscope.selectivity.labels` names it; None: the first run's primary one.
    layers : tuple of str
        Recorded layers or globs; all but ``logits`` where none is named.
    folds, split : str or None
        Compare on these clips only, by the first run's table: name clips that neither network was trained on.
    group : str
        Column of the clips that is kept whole in halves, blocks, folds and permutations; ``row``: every clip alone,
        where each group has one class only (speakers).
    selection : dict
        Options of :class:`otoscope.selectivity.config.SelectConfig` in which its defaults are changed; equal for all
        runs.
    blocks : int
        Blocks of groups that the jackknife leaves out in turn; 0: no intervals of selection and CKA.
    splits : int
        Halvings by group.
    deals : int
        Permutations of the clips by group.
    probe : bool
        Compare linear probes of the layers.
    probe_folds : int
        Of their cross-validation, by group.
    descriptions : str or None
        Table of descriptions in every run, or the beginning of its name; None: the one asked for last.
    encoder : str
        Text encoder that describes the halves anew, where the tables were made by captions with the same.
    replicates : int
        Of the bootstrap over groups.
    plots : bool
        Also write figures.
    seed : int
    """

    label_set: str | None = None
    layers: tuple[str, ...] = ()
    folds: str | None = None
    split: str | None = None
    group: str = "group"
    selection: dict[str, Any] = Field(default_factory=dict)
    blocks: int = Field(10, ge=0)
    splits: int = Field(3, ge=1)
    deals: int = Field(5, ge=1)
    probe: bool = True
    probe_folds: int = Field(5, ge=2)
    descriptions: str | None = None
    encoder: str = "lexical"
    replicates: int = Field(1000, ge=2)
    plots: bool = True
    seed: Seed = 0
