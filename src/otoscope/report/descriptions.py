"""Builds the view of a description: its words by its method's view, its scores, its verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from otoscope.report.flags import in_words
from otoscope.report.methods import method_of
from otoscope.report.methods.method import Method
from otoscope.report.views import POLES, DescriptionView

_ENOUGH_CONTROLS = 20


@dataclass(frozen=True)
class LayerTable:
    """A table of descriptions, as far as it is about one layer.

    Attributes
    ----------
    name : str
        The table.
    method : Method
        How its rows are shown.
    rows : dict of int to list of dict
        Its rows by the neuron's index in the layer.
    control_bar : float or None
        95th percentile of the layer's control scores.
    """

    name: str
    method: Method
    rows: Mapping[int, list[dict[str, Any]]]
    control_bar: float | None

    def views(self, index: int, alpha: float) -> tuple[DescriptionView, ...]:
        """Return the descriptions of a neuron, ``high`` first."""
        found = [self._view(row, alpha) for row in self.rows.get(index, ())]
        return tuple(
            sorted((one for one in found if one.words or one.flags), key=lambda one: POLES.index(one.pole))
        )

    def _view(self, row: Mapping[str, Any], alpha: float) -> DescriptionView:
        same = ("score", "margin", "p", "q", "heldout_low", "heldout_high")
        return DescriptionView(
            table=self.name,
            pole=row["pole"],
            said=self.method.said(row),
            **{name: number(row[name]) for name in same},
            heldout=number(row["heldout_pearson"]),
            control=number(row["control_pearson"]),
            auprc_gain=number(row["heldout_auprc_gain"]),
            auroc=number(row["heldout_auroc"]),
            n_describe=row["n_describe"],
            n_score=row["n_score"],
            flags=in_words(row["flags"]),
            verdict=verdict(row, self.control_bar, alpha),
        )


def layer_table(name: str, table: pl.DataFrame, layer: str) -> LayerTable:
    """Return the part of a table of descriptions that is about ``layer``."""
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in table.filter(pl.col("layer") == layer).iter_rows(named=True):
        rows.setdefault(row["index"], []).append(row)
    return LayerTable(name, method_of(name), rows, control_bar(table, layer))


def number(value: Any) -> float | None:
    """Return ``value`` as a float, None where it is missing, NaN or infinite."""
    return float(value) if value is not None and math.isfinite(value) else None


def control_bar(descriptions: pl.DataFrame, layer: str) -> float | None:
    """Return the 95th percentile of a layer's control scores; of the run's where the layer has fewer than 20."""
    if descriptions.is_empty():
        return None
    scored = descriptions.with_columns(pl.col("control_pearson").fill_nan(None)).drop_nulls("control_pearson")
    own = scored.filter(pl.col("layer") == layer)["control_pearson"]
    scores = own if len(own) >= _ENOUGH_CONTROLS else scored["control_pearson"]
    return number(scores.quantile(0.95, "linear"))


def verdict(row: Mapping[str, Any], bar: float | None, alpha: float) -> str:
    """Return the verdict on one description (see :mod:`otoscope.report.views`).

    Examples
    --------
    >>> verdict({"testable": True, "q": 0.01, "heldout_pearson": 0.4}, bar=0.2, alpha=0.05)
    'confirmed'
    """
    if row.get("testable") is False:
        return "untestable"
    q, heldout = number(row.get("q")), number(row.get("heldout_pearson"))
    if q is None or q > alpha:
        return "chance"
    return "confirmed" if heldout is not None and bar is not None and heldout > bar else "significant"
