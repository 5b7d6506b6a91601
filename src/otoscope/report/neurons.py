"""Builds the view of each neuron: its descriptions, ranked clips, histogram and confounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from otoscope.report.confounds import layer_confounds
from otoscope.report.reading import RunData
from otoscope.report.views import (
    POLES,
    VERDICTS,
    Candidate,
    Confound,
    DescriptionView,
    Histogram,
    NeuronView,
    RankedClip,
    Trace,
)
from otoscope.store.run import LayerRecord

TRACE_SPANS = 64
_ENOUGH_CONTROLS = 20

Evidence = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class LayerData:
    """A layer with all that its neurons' views are built from.

    Attributes
    ----------
    record : LayerRecord
    neurons : list of dict
        Its rows of ``neurons.parquet``.
    descriptions : dict of int to list of dict
        Rows of the table of descriptions by index in the layer.
    evidence : dict of arrays
        As in ``evidence/<layer>.safetensors``; empty where there is none.
    confounds : dict of str to (array (neuron,), int)
        From :func:`otoscope.report.confounds.layer_confounds`.
    control_bar : float or None
        95th percentile of the control scores.
    classes : tuple of str
        Names of the neurons; empty but for ``logits``.
    """

    record: LayerRecord
    neurons: list[dict[str, Any]]
    descriptions: dict[int, list[dict[str, Any]]]
    evidence: Evidence
    confounds: dict[str, tuple[np.ndarray[Any, Any], int]]
    control_bar: float | None
    classes: tuple[str, ...]


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


def read_layer(data: RunData, name: str) -> LayerData:
    """Return what the views of a layer's neurons are built from."""
    record = data.run.layer(name)
    described: dict[int, list[dict[str, Any]]] = {}
    if not data.descriptions.is_empty():
        for row in data.descriptions.filter(pl.col("layer") == name).iter_rows(named=True):
            described.setdefault(row["index"], []).append(row)
    return LayerData(
        record=record,
        neurons=data.neurons.filter(pl.col("layer") == name).sort("index").to_dicts(),
        descriptions=described,
        evidence=data.run.evidence(name),
        confounds=layer_confounds(data.run, name, data.measures),
        control_bar=control_bar(data.descriptions, name),
        classes=tuple(data.run.manifest["model"].get("classes") or ()) if name == "logits" else (),
    )


def neuron_view(layer: LayerData, row: Mapping[str, Any], *, alpha: float, n_clips: int) -> NeuronView:
    """Return the view of the neuron of this ``row`` of ``neurons.parquet``.

    It has ``n_clips`` ranked clips per pole; half as many at the low end of an unsigned neuron, none where it is
    dead.
    """
    index = row["index"]
    found = [_description(one, layer.control_bar, alpha) for one in layer.descriptions.get(index, [])]
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
        descriptions=tuple(sorted(found, key=lambda one: POLES.index(one.pole))),
        top=() if row["dead"] else ranked_clips(layer, "top", index, n_clips),
        bottom=()
        if row["dead"]
        else ranked_clips(layer, "bottom", index, n_clips if row["signed"] else -(-n_clips // 2)),
        histogram=_histogram(layer.evidence, index),
        confounds=tuple(Confound(m, number(r[index]), n) for m, (r, n) in layer.confounds.items()),
        verdict=min(verdicts, key=VERDICTS.index),
    )


def _description(row: Mapping[str, Any], bar: float | None, alpha: float) -> DescriptionView:
    scores = row.get("top_scores") or []
    concepts = row.get("top_concepts") or []
    pairs = [(text, scores[i] if i < len(scores) else None) for i, text in enumerate(concepts)]
    numbers = {
        name: number(row.get(name)) for name in ("score", "margin", "p", "q", "heldout_low", "heldout_high")
    }
    return DescriptionView(
        pole=row["pole"],
        concept=str(row["concept"] or ""),
        **numbers,
        heldout=number(row.get("heldout_pearson")),
        control=number(row.get("control_pearson")),
        auprc_gain=number(row.get("heldout_auprc_gain")),
        auroc=number(row.get("heldout_auroc")),
        candidates=tuple(Candidate(str(text), number(score)) for text, score in pairs),
        n_describe=row.get("n_describe"),
        n_score=row.get("n_score"),
        flags=tuple(filter(None, (flag.strip() for flag in (row.get("flags") or "").split(";")))),
        verdict=verdict(row, bar, alpha),
    )


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
