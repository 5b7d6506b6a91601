"""The describe stage: words for the neurons of a recorded and captioned run.

Writes ``descriptions/db-<hash8>.parquet``, the hash of the configuration and of all it reads; its marker is
``stages/describe-db-<hash8>.json``. ``stages/describe.json`` names the table that was asked for last. Layers are read
in blocks of columns, so memory does not grow with the network.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data import reopen
from otoscope.data.clips import Clips
from otoscope.describe.affinity import as_affinity, cosine_affinity
from otoscope.describe.clipwise import Clipwise
from otoscope.describe.closed import identify, with_q
from otoscope.describe.config import DescribeConfig
from otoscope.errors import UnknownNameError
from otoscope.language import TextEncoder, concept_set, remember, text_encoder
from otoscope.language.concepts import ConceptSet
from otoscope.progress import track
from otoscope.store import run as runs
from otoscope.store import tables
from otoscope.store.run import LayerRecord, Run

logger = logging.getLogger(__name__)

STAGE, VERSION = "describe", 1
_HELD_IN_MEMORY = 2**26
"""Activations (256 MB) up to which a layer is read once instead of once a pass."""


@dataclass(frozen=True)
class Stored:
    """A recorded layer that is read as it is sliced.

    Attributes
    ----------
    run : Run
    layer : str
    shape : tuple of int
        (clip, neuron).
    """

    run: Run
    layer: str
    shape: tuple[int, int]

    @cached_property
    def _whole(self) -> NDArray[np.float32] | None:
        if self.shape[0] * self.shape[1] > _HELD_IN_MEMORY:
            return None
        return self.run.activations(self.layer)

    def __getitem__(self, index: tuple[slice, slice]) -> NDArray[np.float32]:
        rows, neurons = index
        if self._whole is not None:
            return self._whole[rows, neurons]
        return self.run.activations(self.layer, neurons)[rows]


def describe(
    run: Run,
    config: DescribeConfig | None = None,
    *,
    clips: Clips | None = None,
    encoder: TextEncoder | None = None,
) -> str:
    """Write the descriptions of the run's neurons and return the name of their table.

    Parameters
    ----------
    run : Run
        Recorded with pooled activations, and captioned.
    config : DescribeConfig, optional
    clips : Clips, optional
        Only for the concept set ``labels`` where the run's sounds have moved; else they are opened again.
    encoder : TextEncoder, optional
        A loaded one to use for ``config.encoder``.

    Returns
    -------
    str
        ``db-<hash8>``, for ``run.table("descriptions", name)``.

    Raises
    ------
    StageError
        If the run was not recorded, keeps no pooled activations, or has no captions.
    UnknownNameError
        If a layer, a table of captions, a concept set or an encoder does not exist.
    EmptyDataError
        If no clip has both activations and a caption.
    """
    config = config or DescribeConfig()
    started = time.perf_counter()
    sources = _sources(run, config, clips, encoder)
    identity = sources.identity(run, config)
    inputs = {"record": (runs.read_stage(run, "record") or {}).get("hash")}
    name = f"db-{runs.hash8([VERSION, identity, inputs])}"
    output = f"descriptions/{name}.parquet"
    if not runs.is_done(run, f"{STAGE}-{name}", VERSION, identity, inputs):
        table = _described(run, config, _clipwise(run, config, sources))
        tables.write(run.root / output, table)
        notes = {**summary(table, config.alpha), "top_k": config.top_k(table["n_describe"][0])}
        runs.commit_stage(run, f"{STAGE}-{name}", VERSION, identity, inputs, [output], notes)
        run.log(STAGE, name=name, seconds=time.perf_counter() - started, **notes)
    runs.commit_stage(run, STAGE, VERSION, {"name": name}, inputs, [output])
    return name


@dataclass(frozen=True)
class Sources:
    """What the stage reads beside the activations.

    Attributes
    ----------
    captions, score_captions : str
        Names of the tables of captions that describe and that score.
    words : ConceptSet
    reader : TextEncoder
    """

    captions: str
    score_captions: str
    words: ConceptSet
    reader: TextEncoder

    def identity(self, run: Run, config: DescribeConfig) -> dict[str, Any]:
        """Return everything that decides the descriptions, JSON-able."""
        return {
            **config.identity(),
            "layers": [one.name for one in _layers(run, config)],
            "captions": self.captions,
            "score_captions": self.score_captions,
            "encoder": self.reader.id,
            "concepts": list(self.words.words),
        }


def summary(descriptions: pl.DataFrame, alpha: float) -> dict[str, Any]:
    """Return what a person wants to know of a table of descriptions first."""
    significant = descriptions.filter((pl.col("q") <= alpha) & pl.col("testable"))
    return {
        "descriptions": descriptions.height,
        "testable": int(descriptions["testable"].sum()),
        "significant": significant.height,
        "neurons_significant": significant["neuron"].n_unique(),
        "median_heldout_pearson": descriptions["heldout_pearson"].median(),
        "median_control_pearson": descriptions["control_pearson"].median(),
        "n_describe": descriptions["n_describe"][0],
        "n_score": descriptions["n_score"][0],
        "flags": dict(descriptions["flags"].str.split(";").explode().value_counts(sort=True).iter_rows()),
    }


def _described(run: Run, config: DescribeConfig, clips: Clipwise) -> pl.DataFrame:
    n_clips = len(clips.groups)
    signed = run.neurons()["signed"].to_numpy()
    found = []
    layers = _layers(run, config)
    for layer in track(layers, len(layers), "describing layers"):
        neurons = slice(layer.first_neuron, layer.first_neuron + layer.n_neurons)
        activations = Stored(run, layer.name, (n_clips, layer.n_neurons))
        found.append(
            identify(
                activations,
                clips,
                config,
                signed=signed[neurons],
                layer=layer.name,
                first_neuron=layer.first_neuron,
            )
        )
    return with_q(pl.concat(found))


def _sources(run: Run, config: DescribeConfig, clips: Clips | None, encoder: TextEncoder | None) -> Sources:
    captions = run.table("captions", config.captions)[0]
    scoring = run.table("captions", config.score_captions)[0] if config.score_captions else captions
    labelled = clips
    if labelled is None and any(part.partition(":")[0] == "labels" for part in config.concepts.split("+")):
        labelled = reopen.reopen(run)
    words = concept_set(config.concepts, labelled)
    return Sources(captions, scoring, words, remember(encoder or text_encoder(config.encoder)))


def _clipwise(run: Run, config: DescribeConfig, sources: Sources) -> Clipwise:
    clips, same = run.clips(), sources.score_captions == sources.captions
    describing = _cosines(run, sources.captions, sources)
    return Clipwise(
        affinities=as_affinity(describing, config.affinity, config.temperature),
        concepts=sources.words.words,
        groups=clips["group"].to_numpy(),
        strata=None if config.strata is None else _column(clips, config.strata),
        scoring=None if same else _cosines(run, sources.score_captions, sources),
        flags=_flags(run, sources),
    )


def _cosines(run: Run, captions: str, sources: Sources) -> NDArray[np.float32]:
    said = run.table("captions", captions)[1].filter(pl.col("status") == "ok").select("row", "text")
    by_row = run.clips().select("row").join(said, on="row", how="left", maintain_order="left")
    return cosine_affinity(by_row["text"].to_list(), sources.words.texts, sources.reader)


def _flags(run: Run, sources: Sources) -> tuple[str, ...]:
    marker = runs.read_stage(run, f"caption-{sources.captions}") or {}
    given = {
        "circular-captions": bool(marker.get("notes", {}).get("circular")),
        "groups-undeclared": not run.manifest["data"].get("group_declared", False),
    }
    return tuple(flag for flag, holds in given.items() if holds)


def _column(clips: pl.DataFrame, name: str) -> NDArray[Any]:
    if name not in clips.columns:
        raise UnknownNameError.of("column of the clips", name, clips.columns)
    return clips[name].cast(pl.String).fill_null("").to_numpy()


def _layers(run: Run, config: DescribeConfig) -> list[LayerRecord]:
    return [run.layer(name) for name in config.layers] if config.layers else list(run.layers)
