"""Class-selective neurons as figures for paper: depth, classes, heat maps of what is shared.

:func:`write_selection` and :func:`write_sharing` put them beside the tables that they show.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from otoscope.report.chart_plots import chart_figure
from otoscope.report.classes import heat_map, task_views
from otoscope.report.classes_views import ClassesView, HeatMap
from otoscope.report.drawing import HIGH, LINE, SOFT, empty_figure, save, short
from otoscope.store.run import Run

_PALE = "#fdf3ec"


def write_selection(run: Run, name: str, kind: str = "svg") -> tuple[Path, ...]:
    """Write the plots of a selection into its folder: neurons over depth, and by class, of every task.

    Parameters
    ----------
    run : Run
    name : str
        Of the selection: its folder in ``selectivity/``.
    kind : {"svg", "pdf", "png"}
    """
    folder = run.root / "selectivity" / name
    charts = [chart for task in task_views(folder) for chart in task.charts]
    return tuple(save(chart_figure(one), folder / f"{_file(one.name)}.{kind}") for one in charts)


def write_sharing(run: Run, name: str, kind: str = "svg", alpha: float = 0.05) -> Path:
    """Write the heat map of a table of ``sharing/`` beside it."""
    path = run.root / "sharing" / f"{name}.parquet"
    return save(heat_figure(heat_map(path, alpha)), path.with_suffix(f".{kind}"))


def figures(view: ClassesView) -> dict[str, Figure]:
    """Return every figure of the page by file name."""
    charts = {_file(one.name): chart_figure(one) for task in view.tasks for one in task.charts}
    return charts | {f"shared-{_file(one.name)}": heat_figure(one) for one in view.heat_maps}


def heat_figure(view: HeatMap) -> Figure:
    """Return a heat map of Jaccard indices, labelled, in its clustering order, with its scale."""
    n_rows, n_columns = len(view.rows), len(view.columns)
    size = 0.26 if max(n_rows, n_columns) <= 30 else 0.17
    figure, axes = empty_figure(2.6 + size * n_columns, 1.9 + size * n_rows)
    axis = axes[0, 0]
    values = np.array(view.values, dtype=float)
    image = axis.imshow(values, cmap=_map(), vmin=0, vmax=view.highest, aspect="equal")
    for row, marks in enumerate(view.marks):
        for column, mark in enumerate(marks):
            axis.text(column, row, mark, ha="center", va="center", color=SOFT, fontsize=8)
    axis.set(xticks=range(n_columns), yticks=range(n_rows), xlabel=view.column_task, ylabel=view.row_task)
    small = 8 if size > 0.2 else 6
    axis.set_xticklabels([short(one) for one in view.columns], rotation=90, fontsize=small)
    axis.set_yticklabels([short(one) for one in view.rows], fontsize=small)
    axis.set_title(view.title, fontsize=9)
    bar = figure.colorbar(image, ax=axis, shrink=0.7)
    bar.set_label("Jaccard index", fontsize=8)
    return figure


def _map() -> Colormap:
    return LinearSegmentedColormap.from_list("otoscope", [_PALE, HIGH]).with_extremes(bad=LINE)


def _file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)
