"""Accuracy against the share of neurons ablated in the order of an attribute, beside random orders.

Reference: figure 4 of T.-Y. Wu et al., "AND", ICML 2024.
"""

from __future__ import annotations

import polars as pl

from otoscope.report.charts import CONTROL, Chart, Series
from otoscope.report.reading import RunData
from otoscope.store import tables

_RANDOM = "random"


def charts(data: RunData) -> tuple[Chart, ...]:
    """Return one chart per ablation in order."""
    found = sorted((data.run.root / "ablations").glob("*/accuracy.parquet"))
    return tuple(_chart(path.parent.name, tables.read(path)) for path in found)


def _chart(name: str, table: pl.DataFrame) -> Chart:
    shares = sorted(set(table["share"]))
    names = sorted(table["attribute"].unique(), key=lambda one: (one == _RANDOM, one))
    return Chart(
        name=f"accuracy-{name}",
        kind="curves",
        title="Accuracy without neurons",
        note="The neurons that have most of an attribute are ablated first; random orders beside them. Mean over "
        "seeds, 95 % intervals over groups of recordings.",
        labels=tuple(f"{100 * one:g}" for one in shares),
        series=tuple(_series(one, table.filter(attribute=one), shares) for one in names),
        x_label="% of neurons ablated",
        y_label="accuracy, %",
        places=tuple(shares),
    )


def _series(name: str, part: pl.DataFrame, shares: list[float]) -> Series:
    columns = ((dict(part.select("share", one).iter_rows())) for one in ("accuracy", "low", "high"))
    values, lows, highs = (
        tuple(None if own.get(one) is None else 100 * own[one] for one in shares) for own in columns
    )
    return Series(name, values, lows, highs, role=CONTROL if name == _RANDOM else "")
