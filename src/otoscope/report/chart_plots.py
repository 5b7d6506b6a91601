"""Charts of tables as figures for paper, in the manner of :mod:`otoscope.report.plots`."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from otoscope.report.charts import CONTROL, SECOND_CONTROL, Chart, Series
from otoscope.report.drawing import GREY, INKS, LINE, SOFT, empty_figure, short

_COLOURS = {CONTROL: GREY, SECOND_CONTROL: SOFT}


def chart_figure(chart: Chart) -> Figure:
    """Return a chart as a figure."""
    tall = 1.0 + 0.24 * len(chart.labels) * max(1, len(chart.series) - 1)
    figure, axes = empty_figure(4.8, tall if chart.kind == "bars" else 2.8)
    axis = axes[0, 0]
    draw = _bars if chart.kind == "bars" else _curves
    for place, one in enumerate(chart.series):
        draw(axis, chart, one, place, _COLOURS.get(one.role) or INKS[place % len(INKS)])
    axis.set(xlabel=chart.x_label)
    axis.set_title(chart.title, fontsize=9)
    if len(chart.series) > 1:
        axis.legend(frameon=False, fontsize=8)
    return figure


def _bars(axis: Any, chart: Chart, one: Series, place: int, colour: str) -> None:
    height = 0.8 / len(chart.series)
    at = np.arange(len(chart.labels)) + (place + 0.5) * height - 0.4
    axis.barh(
        at,
        _numbers(one.values),
        height=0.9 * height,
        color=colour,
        label=one.name,
        xerr=_errors(one),
        ecolor=GREY,
    )
    if place == 0:
        axis.set(yticks=np.arange(len(chart.labels)), yticklabels=[short(label) for label in chart.labels])
        axis.invert_yaxis()
        axis.axvline(0, color=LINE)


def _curves(axis: Any, chart: Chart, one: Series, place: int, colour: str) -> None:
    x = np.array(chart.shares)
    if one.lows and one.highs:
        axis.fill_between(x, _numbers(one.lows), _numbers(one.highs), color=colour, alpha=0.2, linewidth=0)
    axis.plot(x, _numbers(one.values), color=colour, label=one.name, marker="o", markersize=3, linewidth=1.3)
    if place == 0:
        turned = {"rotation": 30, "ha": "right"} if max(map(len, chart.labels), default=0) > 6 else {}
        axis.set_xticks(x, [short(label, 18) for label in chart.labels], **turned)
        axis.set(ylabel=chart.y_label, ylim=(chart.ticks[0], chart.ticks[-1]))


def _numbers(values: tuple[float | None, ...]) -> Any:
    return np.array([np.nan if one is None else one for one in values])


def _errors(one: Series) -> Any:
    if not one.lows or not one.highs:
        return None
    middle = _numbers(one.values)
    return np.abs(np.stack([middle - _numbers(one.lows), _numbers(one.highs) - middle]))
