"""The interpretability stage: how many neurons of each layer are uninterpretable, beside what chance gives.

Writes ``interpretability/neurons-<hash8>.parquet`` (one row per neuron and pole: ``best_count``, ``clarity``) and
``interpretability/layers-<hash8>.parquet`` (one row per layer, pole and K'), with the marker
``stages/interpret-<hash8>.json``. All clips with a caption take part: nothing is fitted to a neuron, so nothing is held
out. The measures are those of :mod:`otoscope.describe.interpretable`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from otoscope.describe.cases import Case, cases_of
from otoscope.describe.free_text import Corpus, FreeTextConfig, corpus_of
from otoscope.describe.interpretable import (
    Clusters,
    best_count,
    clarity,
    clarity_by_chance,
    permuted_counts,
    random_sets,
    sentence_clusters,
)
from otoscope.describe.word_statistics import block_of
from otoscope.errors import InputError
from otoscope.language import TextEncoder
from otoscope.metrics.permutation import permutation_p
from otoscope.store import run as runs
from otoscope.store import tables
from otoscope.store.run import Run

STAGE, VERSION = "interpret", 1

PRESETS: dict[str, str] = {
    "default": "otoscope.describe.interpret:default",
    "and-2024": "otoscope.describe.interpret:and_2024",
}
"""Protocol -> function that returns its :class:`InterpretConfig`."""


class InterpretConfig(FreeTextConfig):
    """Options of the interpretability stage; unknown keys are refused.

    Attributes
    ----------
    k : int
        Top clips of a neuron.
    least : tuple of int
        K': a neuron is uninterpretable if no cluster holds as many of its top clips.
    n_clusters : int or None
        None = chosen by the silhouette.
    distinct_groups : bool
        At most one clip of a group among the top clips; published: False.
    draws : int
        Random sets of clips.
    permutations : int
        Deals of the captions.
    """

    same_clips: bool = True
    k: int = Field(5, ge=2)
    least: tuple[int, ...] = (3, 4, 5)
    n_clusters: int | None = Field(11, ge=1)
    distinct_groups: bool = True
    draws: int = Field(10_000, ge=1)
    permutations: int = Field(200, ge=1)


def default() -> InterpretConfig:
    """Return ours: at most one clip of a group among a neuron's top clips, both poles."""
    return InterpretConfig()


def and_2024() -> InterpretConfig:
    """Return the published way: the five highest clips of whatever group, 11 clusters (here seeded), high pole."""
    return InterpretConfig(distinct_groups=False, poles="high")


@dataclass(frozen=True)
class Interpreted:
    """What the stage wrote.

    Attributes
    ----------
    name : str
        The hash in the names of its tables.
    neurons, layers : polars.DataFrame
    """

    name: str
    neurons: pl.DataFrame
    layers: pl.DataFrame


def interpret(
    run: Run | Path | str,
    config: InterpretConfig | Mapping[str, Any] | None = None,
    *,
    encoder: TextEncoder | None = None,
    vectors: NDArray[np.float32] | None = None,
    vectors_id: str | None = None,
) -> Interpreted:
    """Write the two tables and return them.

    Parameters
    ----------
    run : Run or path
        Recorded with pooled activations, and captioned.
    config : InterpretConfig or dict, optional
    encoder : TextEncoder, optional
        A loaded one to use for ``config.encoder``.
    vectors : array (row, dim), optional
        Unit vectors of the run's clips, for the clarity: of their sound; of their captions where not given.
    vectors_id : str, optional
        What gave ``vectors``, for the identity.

    Raises
    ------
    StageError, UnknownNameError, EmptyDataError, InputError
        See :func:`otoscope.describe.free_text.corpus_of`.
    """
    run, config = runs.open_run(run), InterpretConfig.of(config)
    if (vectors is None) != (vectors_id is None):
        raise InputError("vectors come with vectors_id, which names what gave them, and only then")
    corpus = corpus_of(run, config, encoder)
    identity = {**config.identity(), **corpus.identity(), "vectors": vectors_id}
    inputs = {"record": (runs.read_stage(run, "record") or {}).get("hash")}
    name = runs.hash8([VERSION, identity, inputs])
    outputs = [f"interpretability/{kind}-{name}.parquet" for kind in ("neurons", "layers")]
    if not runs.is_done(run, f"{STAGE}-{name}", VERSION, identity, inputs):
        started = time.perf_counter()
        neurons, layers, notes = _made(run, config, corpus, vectors)
        for path, table in zip(outputs, (neurons, layers)):
            tables.write(run.root / path, table)
        runs.commit_stage(run, f"{STAGE}-{name}", VERSION, identity, inputs, outputs, notes)
        run.log(STAGE, name=name, seconds=time.perf_counter() - started)
    return Interpreted(name, *(tables.read(run.root / path) for path in outputs))


def _made(
    run: Run, config: InterpretConfig, corpus: Corpus, vectors: NDArray[np.float32] | None
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    rows = corpus.describing
    clusters = sentence_clusters(
        corpus.captions_of(rows), corpus.encoder, n_clusters=config.n_clusters, seed=config.seed
    )
    parted = cases_of(run, config, corpus, k=config.k, distinct_groups=config.distinct_groups)
    cases = [case for part in parted for case in part if not case.dead]
    top = _top(cases, config.k)
    of_clips = corpus.vectors(rows) if vectors is None else vectors[rows]
    groups = corpus.groups[rows]
    chance = clarity_by_chance(groups, of_clips)
    neurons = _neurons(cases, best_count(top, clusters.membership), clarity(top, of_clips) - chance)
    permuted = permuted_counts(top, clusters.membership, groups, config.permutations, seed=config.seed)
    drawn = random_sets(
        groups, config.k, config.draws, distinct_groups=config.distinct_groups, seed=config.seed
    )
    layers = _layers(neurons, config, permuted, best_count(drawn, clusters.membership))
    return neurons.sort("neuron", "pole"), layers, _notes(clusters, chance)


def _top(cases: list[Case], k: int) -> NDArray[np.int64]:
    top = np.full((len(cases), k), -1, dtype=np.int64)
    for row, case in zip(top, cases):
        row[: len(case.high)] = case.high
    return top


def _neurons(cases: list[Case], counts: NDArray[np.int64], clearness: NDArray[np.float64]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "neuron": pl.Series([one.neuron for one in cases], dtype=pl.Int64),
            "layer": pl.Series([one.layer for one in cases], dtype=pl.String),
            "block": pl.Series([block_of(one.layer) for one in cases], dtype=pl.Int64),
            "index": pl.Series([one.index for one in cases], dtype=pl.Int64),
            "pole": pl.Series([one.pole for one in cases], dtype=pl.String),
            "best_count": pl.Series(counts, dtype=pl.Int64),
            "clarity": pl.Series(clearness, dtype=pl.Float64).fill_nan(None),
        }
    )


def _layers(
    neurons: pl.DataFrame, config: InterpretConfig, permuted: NDArray[np.int64], drawn: NDArray[np.int64]
) -> pl.DataFrame:
    rows = []
    for (layer, pole), some in neurons.with_row_index("place").group_by("layer", "pole", maintain_order=True):
        places = some["place"].to_numpy()
        for least in config.least:
            share = float((some["best_count"].to_numpy() < least).mean())
            dealt = (permuted[:, places] < least).mean(axis=1)
            low, high = np.quantile(dealt, [0.025, 0.975])
            rows.append(
                {
                    "layer": layer,
                    "block": block_of(str(layer)),
                    "pole": pole,
                    "least": least,
                    "n_neurons": some.height,
                    "uninterpretable": share,
                    "random": float((drawn < least).mean()),
                    "permuted": float(dealt.mean()),
                    "permuted_low": float(low),
                    "permuted_high": float(high),
                    "p": float(permutation_p(np.asarray(-share), -dealt)),
                    "clarity": some["clarity"].mean(),
                }
            )
    return pl.DataFrame(rows)


def _notes(clusters: Clusters, chance: float) -> dict[str, Any]:
    return {
        "n_clusters": clusters.membership.shape[1],
        "n_sentences": clusters.n_sentences,
        "examples": list(clusters.examples),
        "clips_per_cluster": clusters.membership.sum(axis=0).tolist(),
        "silhouettes": {str(number): value for number, value in clusters.silhouettes.items()},
        "clarity_by_chance": chance,
    }
