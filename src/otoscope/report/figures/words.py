"""Adjectives that describe neurons: how often each, and how many per neuron and layer.

Reference: figures 3, 9 and 5 of T.-Y. Wu et al., "AND", ICML 2024. Means of layers are shown without a line through
neurons: neurons of one layer are no independent evidence on depth.
"""

from __future__ import annotations

import polars as pl

from otoscope.report.charts import Chart, Series
from otoscope.report.reading import RunData

_MOST = 10


def charts(data: RunData) -> tuple[Chart, ...]:
    """Return both charts for each table of open concepts."""
    return tuple(
        chart
        for name, table in data.tables.items()
        if "open_concepts" in table.columns and not table.is_empty()
        for chart in (_histogram(name, table), _per_layer(name, table, [one.name for one in data.run.layers]))
    )


def _histogram(name: str, table: pl.DataFrame) -> Chart:
    words = table.select("neuron", "pole", word="open_concepts").explode("word").drop_nulls("word")
    counted = words.group_by("word").agg(
        n=pl.len(), high=(pl.col("pole") == "high").sum(), low=(pl.col("pole") == "low").sum()
    )
    most = counted.sort(["n", "word"], descending=[True, False]).head(_MOST)
    series = [Series("high pole", tuple(map(float, most["high"])))]
    if most["low"].sum():
        series.append(Series("low pole", tuple(map(float, most["low"]))))
    described = table.select("neuron", "pole").n_unique()
    return Chart(
        name=f"adjectives-{name}",
        kind="bars",
        title="Adjectives",
        note=f"Neurons that each adjective describes, of {described:,} described (poles of signed ones counted apart).",
        labels=tuple(most["word"]),
        series=tuple(series),
        x_label="neurons",
    )


def _per_layer(name: str, table: pl.DataFrame, layers: list[str]) -> Chart:
    counted = table.with_columns(n=pl.col("open_concepts").list.len().fill_null(0))
    means = dict(counted.group_by("layer").agg(pl.col("n").mean()).iter_rows())
    shown = [one for one in layers if one in means]
    return Chart(
        name=f"adjectives-per-layer-{name}",
        kind="curves",
        title="Adjectives per neuron",
        note="Mean number of adjectives of a layer's descriptions. A trend over depth rests on as many points as there "
        "are blocks, and longer summaries hold more adjectives.",
        labels=tuple(shown),
        series=(Series("mean", tuple(float(means[one]) for one in shown)),),
        x_label="layer",
        y_label="adjectives",
    )
