"""Gathers every neuron of a run as a compact record, one layer's evidence in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from otoscope.progress import track
from otoscope.report import payload
from otoscope.report.neurons import neuron_view, read_layer
from otoscope.report.overview import Confounds, best_first
from otoscope.report.reading import RunData
from otoscope.report.views import NeuronView


@dataclass(frozen=True)
class Gathered:
    """A run's neurons, ready for the page.

    Attributes
    ----------
    records : dict of int to dict
        Compact records by global number, the best described first.
    strings : Strings
        The table they refer to.
    best : tuple of NeuronView
        The best described neurons.
    confounds : Confounds
        Rank correlations by layer and measure, NaN for dead neurons.
    bars : tuple of tuple of float or None
        For each table of descriptions, each layer's 95th percentile of control scores.
    """

    records: dict[int, dict[str, Any]]
    strings: payload.Strings
    best: tuple[NeuronView, ...]
    confounds: Confounds
    bars: tuple[tuple[float | None, ...], ...]


def gather(data: RunData, *, alpha: float, n_clips: int, n_best: int) -> Gathered:
    """Return every neuron's record; one layer's evidence is in memory at a time."""
    order = best_first(data, alpha)
    wanted, best = set(order[:n_best]), {}
    records: dict[int, dict[str, Any]] = {}
    strings, confounds, bars, tables = payload.Strings(), {}, [], list(data.tables)
    for place, record in enumerate(track(data.run.layers, len(data.run.layers), "reading neurons")):
        layer = read_layer(data, record.name)
        dead = np.array([row["dead"] for row in layer.neurons], dtype=bool)
        confounds[record.name] = {name: np.where(dead, np.nan, r) for name, (r, _) in layer.confounds.items()}
        bars.append([one.control_bar for one in layer.tables])
        for row in layer.neurons:
            view = neuron_view(layer, row, alpha=alpha, n_clips=n_clips)
            records[view.neuron] = payload.neuron_record(view, place, tables, strings)
            if view.neuron in wanted:
                best[view.neuron] = view
    return Gathered(
        records={neuron: records[neuron] for neuron in order},
        strings=strings,
        best=tuple(best[neuron] for neuron in order[:n_best]),
        confounds=confounds,
        bars=tuple(zip(*bars, strict=True)),
    )
