"""What every method that writes free text about neurons shares: its options, and the clips in words.

The clips are split as in :mod:`otoscope.describe.closed`: one half describes, the other scores, whole groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from otoscope.describe.clipwise import POLES
from otoscope.describe.halves import halves
from otoscope.describe.recorded import chosen_layers
from otoscope.errors import EmptyDataError
from otoscope.language import TextEncoder, text_encoder
from otoscope.language.embeddings import remember_in
from otoscope.language.encoder import Remembered
from otoscope.stage_config import Seed, StageConfig
from otoscope.store import run as runs
from otoscope.store.run import LayerRecord, Run

Rows = NDArray[np.int64]


class FreeTextConfig(StageConfig):
    """Options that all methods which write free text share; unknown keys are refused.

    Attributes
    ----------
    captions : str
        Name of the run's table of captions, or the beginning of one that fits a single table.
    score_captions : str or None
        Another table of captions, of another family, that scores the descriptions; None = the same (flagged).
    encoder : str
        Text encoder, see :mod:`otoscope.language`.
    layers : tuple of str
        Recorded layers to describe; empty = all.
    neurons : tuple of int
        Numbers in the run of the neurons to describe; empty = all of the layers.
    poles : {"both", "high"}
        Describe the low pole of signed neurons, too, or not.
    split : float
        Share of the clips that describe; the others score. Whole groups.
    same_clips : bool
        Describe and score on the same clips: the scores then are not held out, and flagged.
    activity_quantile : float
        A neuron is active above this quantile of its activations on the describing clips.
    replicates : int
        Of the bootstrap.
    seed : int
        Of the split, the ties, the controls and the bootstrap.
    block : int
        Neurons taken at a time. Not part of the identity.
    """

    captions: str = "acoustic"
    score_captions: str | None = None
    encoder: str = "lexical"
    layers: tuple[str, ...] = ()
    neurons: tuple[int, ...] = ()
    poles: Literal["both", "high"] = "both"
    split: float = Field(0.5, gt=0, lt=1)
    same_clips: bool = False
    activity_quantile: float = Field(0.9, gt=0, lt=1)
    replicates: int = Field(1000, ge=2)
    seed: Seed = 0
    block: int = Field(512, ge=1)

    def identity(self) -> dict[str, object]:
        """Return the choices that change a word or a number, JSON-able."""
        return self.model_dump(mode="json", exclude=set(UNIDENTIFIED))


UNIDENTIFIED = ("block", "concurrency", "max_calls", "max_tokens_total")
"""Options that say how the work is done and change no result."""


@dataclass(frozen=True)
class Corpus:
    """The run's clips in words, split into those that describe and those that score.

    Attributes
    ----------
    texts, scoring_texts : tuple of str or None
        Caption of each row of the run: those that describe, and those that score.
    groups : array (row,)
        Unit that is never cut in two.
    describing, scoring : array of int64
        Rows of the run, ascending.
    encoder : Remembered
    captions, score_captions : str
        Names of their tables.
    flags : tuple of str
        True of every neuron.
    """

    texts: tuple[str | None, ...]
    scoring_texts: tuple[str | None, ...]
    groups: NDArray[Any]
    describing: Rows
    scoring: Rows
    encoder: Remembered
    captions: str
    score_captions: str
    flags: tuple[str, ...]

    def captions_of(self, rows: Rows) -> list[str]:
        """Return the describing captions of some usable rows."""
        return [str(self.texts[row]) for row in rows]

    def vectors(self, rows: Rows, *, scoring: bool = False) -> NDArray[np.float32]:
        """Return the unit vectors ``(row, dim)`` of the captions of some usable rows."""
        texts = self.scoring_texts if scoring else self.texts
        return self.encoder.encode([str(texts[row]) for row in rows])

    def identity(self) -> dict[str, str]:
        """Return the names behind the words, JSON-able."""
        return {
            "captions": self.captions,
            "score_captions": self.score_captions,
            "encoder": self.encoder.id,
        }


def corpus_of(run: Run, config: FreeTextConfig, encoder: TextEncoder | None = None) -> Corpus:
    """Return the clips of a run in words.

    Raises
    ------
    StageError, UnknownNameError
        If there are no captions, or none of that name.
    EmptyDataError
        If no clip has both activations and a caption.
    InputError
        If there are fewer than two groups to split.
    """
    captions = run.table("captions", config.captions)[0]
    scoring = run.table("captions", config.score_captions)[0] if config.score_captions else captions
    texts, scoring_texts = _texts(run, captions), _texts(run, scoring)
    groups = run.clips()["group"].to_numpy()
    rows = [row for row in run.usable_rows() if texts[row] is not None and scoring_texts[row] is not None]
    if not rows:
        raise EmptyDataError(f"none of {len(texts)} clips has both activations and a caption in {captions}")
    usable = np.asarray(rows, dtype=np.int64)
    describing, scored = usable, usable
    if not config.same_clips:
        cut = halves(groups[usable], config.split, config.seed, len(groups))
        describing, scored = (usable[part] for part in cut)
    found = remember_in(run, encoder or text_encoder(config.encoder))
    flags = _flags(run, config, captions, scoring)
    return Corpus(texts, scoring_texts, groups, describing, scored, found, captions, scoring, flags)


def _texts(run: Run, captions: str) -> tuple[str | None, ...]:
    said = run.table("captions", captions)[1].filter(pl.col("status") == "ok").select("row", "text")
    return tuple(run.clips().select("row").join(said, on="row", how="left", maintain_order="left")["text"])


def _flags(run: Run, config: FreeTextConfig, captions: str, scoring: str) -> tuple[str, ...]:
    marker = runs.read_stage(run, f"caption-{captions}") or {}
    given: Mapping[str, bool] = {
        "same-clips": config.same_clips,
        "circular-scorer": captions == scoring,
        "circular-captions": bool(marker.get("notes", {}).get("circular")),
        "groups-undeclared": not run.manifest["data"].get("group_declared", False),
    }
    return tuple(flag for flag, holds in given.items() if holds)


@dataclass(frozen=True)
class Part:
    """Some neurons of a layer at one pole.

    Attributes
    ----------
    layer : LayerRecord
    pole : str
        ``high`` or ``low``.
    index : array of int64 (neuron,)
        Numbers in the layer.
    """

    layer: LayerRecord
    pole: str
    index: Rows

    def neurons(self) -> list[tuple[int, str]]:
        """Return the number in the run and the pole of each."""
        return [(int(self.layer.first_neuron + one), self.pole) for one in self.index]

    def activations(self, run: Run, rows: Rows) -> NDArray[np.float32]:
        """Return their activations ``(row, neuron)`` float32 on some clips, negated at the low pole."""
        first, last = int(self.index[0]), int(self.index[-1]) + 1
        block = run.activations(self.layer.name, slice(first, last), rows)
        return np.asarray(block[:, self.index - first] * np.float32(POLES[self.pole]))


def parts(run: Run, config: FreeTextConfig) -> Iterator[Part]:
    """Yield the neurons to describe: layer by layer, pole by pole, in blocks."""
    signed = run.neurons()["signed"].to_numpy()
    wanted = set(config.neurons)
    for layer in chosen_layers(run, config.layers):
        whole = np.arange(layer.n_neurons)
        if wanted:
            whole = np.asarray([one for one in whole if layer.first_neuron + one in wanted], dtype=np.int64)
        poles = {"high": whole, "low": whole[signed[layer.first_neuron + whole]] if len(whole) else whole}
        for pole, index in poles.items():
            if pole == "high" or config.poles == "both":
                yield from (Part(layer, pole, some) for some in _blocks(index, config.block))


def _blocks(index: Rows, size: int) -> Iterator[Rows]:
    return (index[start : start + size] for start in range(0, len(index), size))
