"""What the exhibits of AAPE share: networks, one recording of each collection by each of them, selections made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.data.splits import split_by_group
from otoscope.errors import InputError, ModelError, NotHereError, UnknownNameError
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.models.layer_presets import layer_preset
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.selectivity import presets
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.labels import tasks as label_sets
from otoscope.selectivity.stage import load, select
from otoscope.stage_config import Seed, StageConfig
from otoscope.store.run import Run

PROTOCOL = "aape-2026"
SSL, SL = "self-supervised", "supervised"


@dataclass(frozen=True)
class Collection:
    """A collection of the paper.

    Attributes
    ----------
    title : str
        As the paper calls it.
    schemes : tuple of str
        What may stand before the colon of DATA.
    labels : tuple of str
        Its tasks: label sets, or combinations.
    top_rate : float
        Published share of the neurons.
    """

    title: str
    schemes: tuple[str, ...]
    labels: tuple[str, ...]
    top_rate: float = 0.01


COLLECTIONS: dict[str, Collection] = {
    "esc50": Collection("ESC-50", ("esc50", "esc10"), ("category",), 0.02),
    "gise51": Collection("GISE-51", ("gise51",), ("label",), 0.02),
    "voxforge": Collection("VoxForge", ("voxforge",), ("language",)),
    "voxceleb1": Collection("VoxCeleb1", ("voxceleb1",), ("gender+nationality",)),
    "crema-d": Collection("CREMA-D", ("crema-d", "cremad"), ("emotion", "gender")),
    "gtzan": Collection("GTZAN", ("gtzan",), ("genre",)),
    "nsynth": Collection("NSynth", ("nsynth",), ("family", "octave")),
    "surge": Collection("Surge", ("surge",), ("octave",)),
}
"""Name for ``--set data.NAME=DATA`` -> the collection. Any other name is a collection of one's own: all label sets."""


class AapeReproduceConfig(StageConfig):
    """What a reproduction of AAPE is given; unknown keys are refused.

    Attributes
    ----------
    data : dict of str to str
        Further collections: name of :data:`COLLECTIONS` -> DATA.
    supervised : str or None
        The same network trained with labels; None: the columns of the supervised network are not made.
    layers : tuple of str
        What is recorded; empty: every block's MLP after its activation, or ``*`` of a network without such blocks.
    top_rate : float or None
        Share of neurons in place of the published 2 % and 1 %, for networks of few neurons.
    null : {"margins", "labels"}
        Of sharing, see :mod:`otoscope.selectivity.sharing`.
    n_permutations : int
        Of that null.
    n_chance, n_splits : int
        Selections with permuted labels, and halvings.
    test_folds, test_split : str or None
        What the ablated network is judged on; published: split ``test``. Collections without splits and folds are
        divided by group (:data:`SHARES`), and the exhibit says so.
    probe : dict
        Settings of the linear probe in place of the protocol's, such as ``learning_rate``, which EVAR sets by network.
    shared : {"exact", "intersection"}
        Neurons of a pair of classes: those of exactly these two, which the published numbers of neurons fit, or all
        that both have.
    n_random : int
        Matched random sets beside each ablation (not published).
    limit : int or None
        Clips of each collection at most, spread over it.
    seed : int
    """

    data: dict[str, str] = Field(default_factory=dict)
    supervised: str | None = None
    layers: tuple[str, ...] = ()
    top_rate: float | None = Field(None, gt=0, le=1)
    null: str = "labels"
    n_permutations: int = Field(199, ge=1)
    n_chance: int = Field(20, ge=0)
    n_splits: int = Field(5, ge=0)
    test_folds: str | None = None
    test_split: str | None = "test"
    probe: dict[str, Any] = Field(default_factory=dict)
    shared: Literal["exact", "intersection"] = "exact"
    n_random: int = Field(199, ge=0)
    limit: int | None = Field(None, ge=1)
    seed: Seed = 0


SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}
"""Parts of a collection without a split of its own (CREMA-D); the seed's has 5,155, 732 and 1,551 clips of 63, 9 and 19
actors, which are not known."""


@dataclass
class Bench:
    """Networks, collections and what was recorded of them; each recording is made when it is first asked for.

    Attributes
    ----------
    models : dict of str to AudioModel
        ``self-supervised``, and ``supervised`` where one is given.
    clips : dict of str to Clips
        By name of the collection.
    out : Path
    config : AapeReproduceConfig
    divided : tuple of str
        Collections without a split of their own, which were divided by group (:data:`SHARES`).
    """

    models: dict[str, AudioModel]
    clips: dict[str, Clips]
    out: Path
    config: AapeReproduceConfig
    divided: tuple[str, ...] = ()
    runs: dict[tuple[str, str], Run] = field(default_factory=dict)

    def collection(self, name: str) -> Collection:
        """Return what is known of a collection; of one's own: all its label sets, each a task."""
        own = tuple(one.name for one in self.clips[name].label_sets) if name in self.clips else ()
        return COLLECTIONS.get(name) or Collection(name, (), own)

    def run(self, name: str, kind: str = SSL) -> Run:
        """Return a collection's recording by a network.

        Raises
        ------
        NotHereError
            If the collection, or the network, was not given.
        """
        if name not in self.clips:
            title = self.collection(name).title
            raise NotHereError(f"{title} was not given: --data or --set data.{name}=DATA names it")
        if kind not in self.models:
            raise NotHereError("no supervised network was given: --set supervised=MODEL names one")
        if (name, kind) not in self.runs:
            config = self._recording(self.models[kind])
            self.runs[name, kind] = record(
                self.models[kind], self.clips[name], self.out / f"{name}-{kind}", config
            )
        return self.runs[name, kind]

    def _recording(self, model: AudioModel) -> RecordConfig:
        given: dict[str, Any] = {"layers": self.config.layers, "seed": self.config.seed}
        try:
            found = layer_preset(PROTOCOL, model)
        except ModelError:
            return RecordConfig(**{**given, "layers": self.config.layers or ("*",)})
        layers = self.config.layers or found.layers
        return RecordConfig(**{**given, "layers": layers, "pooling": found.pooling, **found.counting})

    def selection(self, name: str, labels: str) -> SelectConfig:
        """Return the published selection of a task, beside chance and halvings."""
        config = self.config
        rate = config.top_rate or self.collection(name).top_rate
        return presets.preset(
            PROTOCOL, labels=(labels,), top_rate=rate, n_chance=config.n_chance, n_splits=config.n_splits,
            seed=config.seed,
        )  # fmt: skip

    def task(self, name: str, labels: str) -> str:
        """Return how the clips call a task's labels: in a metadata table the first task's are its only label set."""
        there = [one.name for one in self.clips[name].label_sets] if name in self.clips else []
        return "label" if there == ["label"] and labels == self.collection(name).labels[0] else labels

    def selected(self, name: str, labels: str, kind: str = SSL) -> tuple[str, dict[str, pl.DataFrame]]:
        """Return a task's selection and its tables.

        Raises
        ------
        NotHereError
            If the clips lack the label set.
        """
        run, labels = self.run(name, kind), self.task(name, labels)
        lacking = [one for one in labels.split("+") if one not in label_sets(run)]
        if lacking:
            raise NotHereError(
                f"the clips given for {self.collection(name).title} have no label set {lacking[0]!r}"
            )
        return load(run, select(run, self.selection(name, labels)))


def prepare(model: AudioModel | str, clips: Clips | str, out: Path, config: AapeReproduceConfig) -> Bench:
    """Return the bench; nothing is recorded yet.

    Raises
    ------
    UnknownNameError
        If a collection is named that the protocol does not have.
    InputError
        If one is given twice.
    """
    first = clips_of(clips)
    given: dict[str, Clips] = {name_of(first): first}
    for name, spec in config.data.items():
        if name not in COLLECTIONS:
            raise UnknownNameError.of("collection", name, COLLECTIONS)
        if name in given:
            raise InputError(f"{name} is given twice: by --data and by data.{name}")
        given[name] = clips_of(spec)
    if config.limit is not None:
        given = {name: one.select(limit=config.limit) for name, one in given.items()}
    if config.test_folds is None and config.test_split is not None:
        divided = {name: _parted(one, config.seed) for name, one in given.items() if _whole(one)}
    else:
        divided = {}
    models = {SSL: model_of(model)}
    if config.supervised is not None:
        models[SL] = model_of(config.supervised)
    return Bench(models, given | divided, out, config, tuple(divided))


def _whole(clips: Clips) -> bool:
    """Return whether clips have neither splits nor folds, and groups and labels to divide them by."""
    table = clips.table
    undivided = all(table[one].null_count() == len(clips) for one in ("split", "fold"))
    return undivided and table["group"].n_unique() >= len(SHARES) and bool(clips.label_sets)


def _parted(clips: Clips, seed: int) -> Clips:
    """Return clips in parts of :data:`SHARES`, whole groups in each."""
    part = np.empty(len(clips), dtype=object)
    for name, rows in split_by_group(clips, SHARES, seed).items():
        part[rows] = name
    return replace(clips, table=clips.table.with_columns(pl.Series("split", part.tolist(), dtype=pl.String)))


def name_of(clips: Clips) -> str:
    """Return which collection of the protocol clips are of, by their scheme; its own name where none."""
    known: Mapping[str, str] = {scheme: name for name, one in COLLECTIONS.items() for scheme in one.schemes}
    return known.get(clips.name, clips.name)
