"""Figures of a comparison: CKA of all layers, and per layer what probes and selections differ by."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from otoscope.report.chart_plots import chart_figure
from otoscope.report.charts import CONTROL, SECOND_CONTROL, Chart, Series
from otoscope.report.drawing import INK, empty_figure, save, short


def write_plots(folder: Path, tables: dict[str, pl.DataFrame]) -> tuple[Path, ...]:
    """Write every figure that the tables allow, as SVG, and return the files."""
    figures: dict[str, Figure] = {}
    for (first, second), table in tables["cka"].group_by(["first", "second"], maintain_order=True):
        figures[f"cka-{first}-{second}"] = cka_figure(table, str(first), str(second))
    for (first, second), table in tables["alignment"].group_by(["first", "second"], maintain_order=True):
        figures[f"neurons-{first}-{second}"] = chart_figure(neurons_chart(table))
    if "probe" in tables:
        for (first, second), table in tables["probe"].group_by(["first", "second"], maintain_order=True):
            figures[f"probe-{first}-{second}"] = chart_figure(probe_chart(table, str(first), str(second)))
    return tuple(
        save(one, folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)}.svg") for name, one in figures.items()
    )


def cka_figure(table: pl.DataFrame, first: str, second: str) -> Figure:
    """Return a heat map of the CKA of all layers of two runs, each cell with its number."""
    rows, columns = (
        table[one].unique(maintain_order=True).to_list() for one in ("layer_first", "layer_second")
    )
    values = np.array(table["cka"].fill_null(float("nan"))).reshape(len(rows), len(columns))
    figure, axes = empty_figure(2.2 + 0.55 * len(columns), 1.6 + 0.4 * len(rows))
    axis = axes[0, 0]
    axis.imshow(values, cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=INK)
    axis.set(
        yticks=range(len(rows)),
        yticklabels=[short(one, 18) for one in rows],
        xlabel=second,
        ylabel=first,
    )
    axis.set_xticks(range(len(columns)), [short(one, 18) for one in columns], rotation=30, ha="right")
    axis.set_title("linear CKA, debiased", fontsize=9)
    return figure


def _labels(table: pl.DataFrame) -> tuple[str, ...]:
    return tuple(
        one if one == two else f"{one} | {two}"
        for one, two in table.select("layer_first", "layer_second").iter_rows()
    )


def _series(
    table: pl.DataFrame, name: str, value: str, low: str = "", high: str = "", role: str = ""
) -> Series:
    def column(one: str) -> tuple[float | None, ...]:
        return tuple(table[one].to_list()) if one else ()

    return Series(name, column(value), column(low), column(high), role)


def neurons_chart(table: pl.DataFrame) -> Chart:
    """Return the mean correlation of neurons with the same number, and of matched ones, layer by layer."""
    series = [_series(table, "matched", "matched_r", "matched_low", "matched_high")]
    if table["same_index_r"].null_count() == 0:
        same = _series(table, "same number", "same_index_r", "same_index_low", "same_index_high")
        series.insert(0, same)
    series.append(_series(table, "permuted clips, matched", "matched_floor", role=CONTROL))
    if table["profile_ceiling"].null_count() == 0:
        series.append(_series(table, "class profiles, matched", "profile_matched"))
        series.append(_series(table, "class profiles, halves", "profile_ceiling", role=SECOND_CONTROL))
    return Chart(
        "neurons",
        "curves",
        "neurons of both runs",
        "",
        _labels(table),
        tuple(series),
        "layer",
        "mean correlation",
    )


def probe_chart(table: pl.DataFrame, first: str, second: str) -> Chart:
    """Return the accuracy of both runs' probes, layer by layer."""
    series = (
        _series(table, first, "accuracy_first"),
        _series(table, second, "accuracy_second"),
        _series(table, "shuffled labels", "shuffled_first", role=CONTROL),
        _series(table, "chance", "chance", role=SECOND_CONTROL),
    )
    return Chart("probe", "curves", "linear probes by layer", "", _labels(table), series, "layer", "accuracy")
