"""Builds the view of each neuron: its descriptions, ranked clips, histogram and confounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from otoscope.report.confounds import layer_confounds
from otoscope.report.descriptions import LayerTable, layer_table, number
from otoscope.report.reading import RunData
from otoscope.report.views import (
    VERDICTS,
    Confound,
    Histogram,
    NeuronView,
    RankedClip,
    Trace,
)
from otoscope.store.run import LayerRecord

TRACE_SPANS = 64

Evidence = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class LayerData:
    """A layer with all that its neurons' views are built from.

    Attributes
    ----------
    record : LayerRecord
    neurons : list of dict
        Its rows of ``neurons.parquet``.
    tables : tuple of LayerTable
        The run's tables of descriptions, the one that the page is about first.
    evidence : dict of arrays
        As in ``evidence/<layer>.safetensors``; empty where there is none.
    confounds : dict of str to (array (neuron,), int)
        From :func:`otoscope.report.confounds.layer_confounds`.
    classes : tuple of str
        Names of the neurons; empty but for ``logits``.
    """

    record: LayerRecord
    neurons: list[dict[str, Any]]
    tables: tuple[LayerTable, ...]
    evidence: Evidence
    confounds: dict[str, tuple[np.ndarray[Any, Any], int]]
    classes: tuple[str, ...]


def read_layer(data: RunData, name: str) -> LayerData:
    """Return what the views of a layer's neurons are built from."""
    record = data.run.layer(name)
    return LayerData(
        record=record,
        neurons=data.neurons.filter(pl.col("layer") == name).sort("index").to_dicts(),
        tables=tuple(layer_table(table, data.tables[table], name) for table in data.tables),
        evidence=data.run.evidence(name),
        confounds=layer_confounds(data.run, name, data.measures),
        classes=tuple(data.run.manifest["model"].get("classes") or ()) if name == "logits" else (),
    )


def neuron_view(layer: LayerData, row: Mapping[str, Any], *, alpha: float, n_clips: int) -> NeuronView:
    """Return the view of the neuron of this ``row`` of ``neurons.parquet``.

    It has ``n_clips`` ranked clips per pole; half as many at the low end of an unsigned neuron, none where it is
    dead.
    """
    index = row["index"]
    found, *others = [table.views(index, alpha) for table in layer.tables] or [()]
    verdicts = [one.verdict for one in found] or ["dead" if row["dead"] else "undescribed"]
    return NeuronView(
        neuron=row["neuron"],
        layer=row["layer"],
        index=index,
        class_name=layer.classes[index] if index < len(layer.classes) else None,
        dead=row["dead"],
        silent=row["silent"],
        signed=row["signed"],
        mean=number(row["mean"]),
        std=number(row["std"]),
        share_positive=number(row["share_positive"]),
        descriptions=found,
        others=tuple(one for said in others for one in said),
        top=() if row["dead"] else ranked_clips(layer, "top", index, n_clips),
        bottom=()
        if row["dead"]
        else ranked_clips(layer, "bottom", index, n_clips if row["signed"] else -(-n_clips // 2)),
        histogram=_histogram(layer.evidence, index),
        confounds=tuple(Confound(m, number(r[index]), n) for m, (r, n) in layer.confounds.items()),
        verdict=min(verdicts, key=VERDICTS.index),
    )


def ranked_clips(layer: LayerData, pole: str, index: int, n_clips: int) -> tuple[RankedClip, ...]:
    """Return the first ``n_clips`` clips at one end (``top`` or ``bottom``) of a neuron."""
    evidence = layer.evidence
    rows = evidence[f"{pole}_rows"][index][:n_clips] if f"{pole}_rows" in evidence else ()
    found: list[RankedClip] = []
    for place, row in enumerate(rows):
        if row < 0:
            continue
        peak_s, peak_hz = (_at(evidence, f"{pole}_peak_{unit}", index, place) for unit in ("s", "hz"))
        value = _at(evidence, f"{pole}_values", index, place)
        trace = _trace(layer, pole, index, place)
        timed = peak_s if trace is not None or peak_hz is not None else None
        found.append(RankedClip(len(found) + 1, int(row), value or 0.0, timed, peak_hz, trace))
    return tuple(found)


def _at(evidence: Evidence, name: str, index: int, place: int) -> float | None:
    return number(evidence[name][index, place]) if name in evidence else None


def _trace(layer: LayerData, pole: str, index: int, place: int) -> Trace | None:
    if f"{pole}_traces" not in layer.evidence:
        return None
    frames = np.asarray(layer.evidence[f"{pole}_traces"][index, place], dtype=np.float32)
    n_frames = int(np.flatnonzero(np.isfinite(frames)).max(initial=-1)) + 1
    span_s = _at(layer.evidence, f"{pole}_span_s", index, place)
    if n_frames < 2 or not span_s:
        return None
    extreme = np.fmax if pole == "top" else np.fmin
    starts = np.arange(min(n_frames, TRACE_SPANS)) * n_frames // min(n_frames, TRACE_SPANS)
    levels = np.nan_to_num(extreme.reduceat(frames[:n_frames], starts))
    return Trace(tuple(levels.tolist()), 0.0, span_s)


def _histogram(evidence: Evidence, index: int) -> Histogram | None:
    if "histogram" not in evidence:
        return None
    edges = evidence["histogram_edges"]
    own = edges[index] if edges.ndim == 2 else edges
    return Histogram(tuple(evidence["histogram"][index].tolist()), tuple(own.astype(float).tolist()))
