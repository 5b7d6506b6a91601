"""The overview's charts and single neurons as figures for paper: SVG with real text, or PDF. Never pyplot.

Each function takes a view model and returns a matplotlib ``Figure`` of its own (Agg canvas, no global state);
:func:`write_all` saves them. Files are equal for equal runs: no date, a fixed salt for element ids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from otoscope.report import classes_plots
from otoscope.report.chart_plots import chart_figure
from otoscope.report.classes_views import ClassesView
from otoscope.report.drawing import GREY, HIGH, HIGH_PALE, LINE, LOW, SOFT, empty_figure, save, short
from otoscope.report.overview_views import (
    ConceptCount,
    ConfoundChart,
    LayerView,
    OverviewView,
    ScoreChart,
)
from otoscope.report.views import DescriptionView, NeuronView, RankedClip


def write_all(
    folder: Path, overview: OverviewView, classes: ClassesView, neurons: Sequence[NeuronView], kind: str
) -> tuple[Path, ...]:
    """Write every plot of the overview, of the classes and of these neurons to ``folder``, and return the files.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    overview : OverviewView
    classes : ClassesView
    neurons : sequence of NeuronView
        Each gets a file of its own.
    kind : {"svg", "pdf"}
    """
    figures = {"layers": layers_figure(overview.layers)}
    if overview.scores:
        figures["scores"] = scores_figure(overview.scores)
    if overview.concepts:
        figures["concepts"] = concepts_figure(overview.concepts)
    if overview.confounds:
        figures["confounds"] = confounds_figure(overview.confounds)
    figures |= {re.sub(r"[^A-Za-z0-9._-]+", "_", one.name): chart_figure(one) for one in overview.charts}
    figures |= classes_plots.figures(classes)
    for one in neurons:
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", one.layer)
        figures[f"neuron-{name}-{one.index}"] = neuron_figure(one)
    return tuple(save(figure, folder / f"{name}.{kind}") for name, figure in figures.items())


def layers_figure(layers: Sequence[LayerView]) -> Figure:
    """Return, per layer, the outcome of its neurons, and held-out scores beside the control."""
    figure, axes = empty_figure(7.2, 1.0 + 0.32 * len(layers), 1, 2)
    left, right = axes[0]
    place = np.arange(len(layers))
    start = np.zeros(len(layers))
    shares = {
        "confirmed": ([one.n_confirmed for one in layers], HIGH),
        "significant only": ([one.n_significant - one.n_confirmed for one in layers], HIGH_PALE),
        "dead": ([one.n_dead for one in layers], GREY),
    }
    total = np.array([max(1, one.n_neurons) for one in layers])
    for label, (counts, colour) in shares.items():
        width = 100 * np.array(counts) / total
        left.barh(place, width, left=start, color=colour, height=0.6, label=label)
        start += width
    left.set(
        yticks=place, yticklabels=[short(one.name) for one in layers], xlim=(0, 100), xlabel="% of neurons"
    )
    left.invert_yaxis()
    left.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), fontsize=8)
    for i, one in enumerate(layers):
        for shift, found, colour in ((-0.14, one.heldout, HIGH), (0.14, one.control, GREY)):
            if found:
                right.plot([found.low, found.high], [i + shift] * 2, color=colour, linewidth=3, alpha=0.5)
                right.plot(found.middle, i + shift, "|", color=colour, markersize=9, markeredgewidth=2)
    right.axvline(0, color=LINE, zorder=0)
    right.set(yticks=[], ylim=left.get_ylim(), xlabel="held-out r: median, middle half (grey: control)")
    return figure


def scores_figure(chart: ScoreChart) -> Figure:
    """Return the distribution of held-out scores over that of the control."""
    figure, axes = empty_figure(4.6, 2.6)
    axis = axes[0, 0]
    axis.stairs(chart.control, chart.edges, fill=True, color=GREY, alpha=0.55, label="control")
    axis.stairs(chart.heldout, chart.edges, color=HIGH, linewidth=1.5, label="held out")
    axis.set(xlabel="correlation of description and neuron", ylabel="descriptions")
    axis.legend(frameon=False)
    return figure


def concepts_figure(concepts: Sequence[ConceptCount]) -> Figure:
    """Return how many significant descriptions each concept has, by pole."""
    figure, axes = empty_figure(4.6, 0.8 + 0.24 * len(concepts))
    axis = axes[0, 0]
    place = np.arange(len(concepts))
    high = np.array([one.n_high for one in concepts])
    axis.barh(place, high, color=HIGH, height=0.65, label="high")
    axis.barh(place, [one.n_low for one in concepts], left=high, color=LOW, height=0.65, label="low")
    axis.set(
        yticks=place, yticklabels=[short(one.concept) for one in concepts], xlabel="significant descriptions"
    )
    axis.invert_yaxis()
    if any(one.n_low for one in concepts):
        axis.legend(frameon=False, title="pole")
    return figure


def confounds_figure(chart: ConfoundChart) -> Figure:
    """Return the share of each layer's neurons that follow a plain measure of the sound."""
    figure, axes = empty_figure(1.8 + 0.8 * len(chart.measures), 1.0 + 0.3 * len(chart.layers))
    axis = axes[0, 0]
    shares = np.array(chart.shares, dtype=float)
    axis.imshow(shares, cmap="Greys", vmin=0, vmax=1.4, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        axis.text(
            column, row, f"{100 * share:.0f} %" if np.isfinite(share) else "–", ha="center", va="center"
        )
    axis.set(xticks=range(len(chart.measures)), yticks=range(len(chart.layers)))
    axis.set(xticklabels=chart.measures, yticklabels=[short(one) for one in chart.layers])
    axis.set_title(f"share with |rank correlation| ≥ {chart.threshold:g}", fontsize=9)
    return figure


def neuron_figure(view: NeuronView) -> Figure:
    """Return one neuron: its words, histogram, confounds, and the traces of its most and least active clips."""
    figure, axes = empty_figure(7.2, 4.6, 2, 2)
    said = "; ".join(_line(one) for one in view.descriptions) or "not described"
    figure.suptitle(f"{short(view.layer)}, neuron {view.index}\n{said}", fontsize=10)
    _histogram(axes[0, 0], view)
    _confounds(axes[0, 1], view)
    _traces(axes[1, 0], view.top, HIGH, "most active clips")
    _traces(axes[1, 1], view.bottom, LOW, "least active clips")
    return figure


def _line(one: DescriptionView) -> str:
    heldout = "" if one.heldout is None else f" (held out r {one.heldout:.2f})"
    return f"{one.pole}: {short(one.words)}{heldout}"


def _histogram(axis: Any, view: NeuronView) -> None:
    if view.histogram:
        axis.stairs(view.histogram.counts, view.histogram.edges, fill=True, color=GREY)
        axis.set_yscale("symlog")
        axis.yaxis.set_major_formatter("{x:g}")
    axis.set(xlabel="pooled activation", ylabel="clips")


def _confounds(axis: Any, view: NeuronView) -> None:
    place = np.arange(len(view.confounds))
    axis.barh(place, [one.r or 0.0 for one in view.confounds], color=GREY, height=0.6)
    axis.axvline(0, color=SOFT, linewidth=0.8)
    axis.set(
        yticks=place,
        yticklabels=[one.measure for one in view.confounds],
        xlim=(-1, 1),
        xlabel="rank correlation",
    )
    axis.invert_yaxis()


def _traces(axis: Any, ranked: Sequence[RankedClip], colour: str, title: str) -> None:
    for clip in reversed(ranked):
        if clip.trace:
            times = np.linspace(clip.trace.start_s, clip.trace.end_s, len(clip.trace.levels))
            axis.plot(times, clip.trace.levels, color=colour, linewidth=1, alpha=1 / clip.rank**0.7)
    axis.set(xlabel="seconds", ylabel="activation")
    axis.set_title(title, fontsize=9)
