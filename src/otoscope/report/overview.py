"""Builds the overview: what was dissected, what each layer gave, how scores compare with their control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from otoscope.report.descriptions import control_bar, verdict
from otoscope.report.facts import cautions, facts, short_name
from otoscope.report.figures import charts_of
from otoscope.report.methods.method import spoken
from otoscope.report.overview_views import (
    ConceptCount,
    ConfoundChart,
    LayerView,
    OverviewView,
    Quartiles,
    ScoreChart,
)
from otoscope.report.reading import RunData, failures
from otoscope.report.views import VERDICTS

STRONG = 0.5
_BIN = 0.05
_N_CONCEPTS = 18
_SIGNIFICANT = pl.col("verdict").is_in(VERDICTS[:2])

Confounds = Mapping[str, Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]]


def overview_view(data: RunData, confounds: Confounds, *, alpha: float, title: str | None) -> OverviewView:
    """Return the overview of a run.

    Parameters
    ----------
    data : RunData
        The run.
    confounds : dict of layer to dict of measure to array (neuron,)
        Rank correlations of each layer's neurons, NaN for dead ones.
    alpha : float
        False discovery rate at which a description counts as significant.
    title : str or None
        Heading of the page; the model's name where None.
    """
    described = judged(data, alpha)
    layers = tuple(_layer(data, described, one.name) for one in data.run.layers)
    lost = failures(data)
    manifest = data.run.manifest
    return OverviewView(
        title=title or short_name(str(manifest["model"]["spec"])),
        model=str(manifest["model"]["spec"]),
        data=str(manifest["data"]["spec"]),
        n_clips=data.clips.height,
        n_usable=data.clips.filter(pl.col("status") == "ok").height,
        n_neurons=sum(one.n_neurons for one in layers),
        n_dead=sum(one.n_dead for one in layers),
        n_described=sum(one.n_described for one in layers),
        n_significant=sum(one.n_significant for one in layers),
        n_confirmed=sum(one.n_confirmed for one in layers),
        alpha=alpha,
        heldout=_quartiles(described, "heldout_pearson"),
        control=_quartiles(described, "control_pearson"),
        facts=facts(data),
        cautions=cautions(data, described),
        layers=layers,
        scores=_scores(described),
        concepts=_concepts(described),
        confounds=_confound_chart(confounds),
        failures=lost,
        charts=charts_of(data),
    )


def judged(data: RunData, alpha: float) -> pl.DataFrame:
    """Return the descriptions with two more columns: ``verdict`` and ``above_control`` (bool)."""
    if data.descriptions.is_empty():
        return data.descriptions
    bars = {one.name: control_bar(data.descriptions, one.name) for one in data.run.layers}
    needed = data.descriptions.select("layer", "testable", "q", "heldout_pearson")
    verdicts = [verdict(row, bars[row["layer"]], alpha) for row in needed.iter_rows(named=True)]
    bar = pl.col("layer").replace_strict(bars, default=None, return_dtype=pl.Float64)
    clean = data.descriptions.with_columns(pl.col("heldout_pearson", "control_pearson").fill_nan(None))
    return clean.with_columns(verdict=pl.Series(verdicts), above_control=pl.col("heldout_pearson") > bar)


def best_first(data: RunData, alpha: float) -> list[int]:
    """Return the global numbers of all neurons: best verdict first, then the highest held-out score."""
    described = judged(data, alpha)
    best: dict[int, tuple[int, float]] = {}
    for neuron, dead in data.neurons.select("neuron", "dead").iter_rows():
        best[neuron] = (VERDICTS.index("dead" if dead else "undescribed"), 0.0)
    if not described.is_empty():
        for neuron, said, heldout in described.select("neuron", "verdict", "heldout_pearson").iter_rows():
            place = (VERDICTS.index(said), -(heldout if heldout is not None else -1.0))
            best[neuron] = min(best[neuron], place)
    return sorted(best, key=lambda neuron: (best[neuron], neuron))


def _layer(data: RunData, described: pl.DataFrame, name: str) -> LayerView:
    record = data.run.layer(name)
    own = data.neurons.filter(pl.col("layer") == name)
    counts: dict[str, Any] = {
        "n_described": 0,
        "n_significant": 0,
        "n_confirmed": 0,
        "share_above_control": None,
    }
    words = described if described.is_empty() else described.filter(pl.col("layer") == name)
    if not words.is_empty():
        good = words.filter(_SIGNIFICANT)
        counts = {
            "n_described": words["index"].n_unique(),
            "n_significant": good["index"].n_unique(),
            "n_confirmed": good.filter(verdict="confirmed")["index"].n_unique(),
            "share_above_control": words["above_control"].mean(),
        }
    return LayerView(
        name=name,
        pooling=record.pooling,
        n_neurons=record.n_neurons,
        n_dead=int(own["dead"].sum()),
        n_silent=int(own["silent"].sum()),
        **counts,
        heldout=_quartiles(words, "heldout_pearson"),
        control=_quartiles(words, "control_pearson"),
    )


def _quartiles(described: pl.DataFrame, column: str) -> Quartiles | None:
    values = _values(described, column)
    return Quartiles(*np.quantile(values, (0.25, 0.5, 0.75)).tolist()) if len(values) else None


def _values(described: pl.DataFrame, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    if described.is_empty():
        return np.empty(0)
    return described[column].drop_nulls().to_numpy().astype(np.float64)


def _scores(described: pl.DataFrame) -> ScoreChart | None:
    heldout, control = _values(described, "heldout_pearson"), _values(described, "control_pearson")
    if not len(heldout):
        return None
    both = np.concatenate([heldout, control])
    first, last = np.floor(both.min() / _BIN), np.ceil(both.max() / _BIN)
    edges = np.arange(first, max(last, first + 1) + 1) * _BIN
    counted = (np.histogram(np.clip(one, edges[0], edges[-1]), edges)[0] for one in (heldout, control))
    return ScoreChart(tuple(edges.round(4).tolist()), *(tuple(one.tolist()) for one in counted))


def _concepts(described: pl.DataFrame) -> tuple[ConceptCount, ...]:
    if "concept" not in described.columns:
        return ()
    good = described.filter(_SIGNIFICANT).group_by("concept")
    high = (pl.col("pole") == "high").sum()
    table = (
        good.agg(n_high=high, n=pl.len()).sort(["n", "concept"], descending=[True, False]).head(_N_CONCEPTS)
    )
    return tuple(ConceptCount(spoken(str(c)), int(h), int(n - h)) for c, h, n in table.iter_rows())


def _confound_chart(confounds: Confounds) -> ConfoundChart | None:
    measures = tuple(dict.fromkeys(measure for found in confounds.values() for measure in found))
    if not measures:
        return None
    shares = tuple(tuple(_strong_share(found[one]) for one in measures) for found in confounds.values())
    return ConfoundChart(tuple(confounds), measures, shares, STRONG)


def _strong_share(r: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    known = np.abs(r[np.isfinite(r)])
    return float((known >= STRONG).mean()) if len(known) else None
