"""From the merged summaries to the run's tables: neurons, evidence, clips with their status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope import heap
from otoscope.audio.windows import ClipLength
from otoscope.data.reopen import EVENTS
from otoscope.errors import EmptyDataError
from otoscope.record import moments, summary
from otoscope.record.config import RecordConfig
from otoscope.record.events import ordered
from otoscope.record.ranking import POLES, values_of
from otoscope.record.summary import EDGES, LayerSummary, Summary
from otoscope.store import arrays, event_counts, tables, tensors
from otoscope.store.run import Run, file_name

HISTOGRAM_BINS = 32
_ROWS = 4096
_PREFIX = {"high": "top", "low": "bottom"}


@dataclass(frozen=True)
class Recorded:
    """What the tables of a run are made from, besides its summary.

    Attributes
    ----------
    run : Run
        The run, its arrays written.
    table : polars.DataFrame
        The clips.
    events : polars.DataFrame or None
        Their events.
    config : RecordConfig
        What was recorded.
    clip_length : ClipLength
        What length of sound the network takes.
    """

    run: Run
    table: pl.DataFrame
    events: pl.DataFrame | None
    config: RecordConfig
    clip_length: ClipLength


def fold(paths: list[Path]) -> Summary:
    """Return the merge of the summaries at ``paths``, from the first on.

    Raises
    ------
    EmptyDataError
        If every clip failed: the reasons are counted.
    """
    whole = reduce(summary.merge, (summary.read(path) for path in paths))
    if not len(whole.clips["rows"]):
        reasons = pl.Series([str(one[3]) for one in whole.failures]).value_counts(sort=True)
        shown = "; ".join(f"{n} x {reason}" for reason, n in reasons.head(3).iter_rows())
        raise EmptyDataError(f"no clip could be recorded: all {len(whole.failures)} failed ({shown})")
    return whole


def neuron_table(recorded: Recorded, whole: Summary) -> pl.DataFrame:
    """Return one row a neuron: layer, index, moments of pooled activations, and whether it lives."""
    parts, first = [], 0
    for layer, found in zip(recorded.run.layers, whole.layers, strict=True):
        columns: dict[str, Any] = {
            "neuron": np.arange(first, first + layer.n_neurons, dtype=np.int64),
            "layer": pl.Series([layer.name] * layer.n_neurons),
            "index": np.arange(layer.n_neurons, dtype=np.int64),
            "n_clips": found.moments.count.astype(np.int64),
            **moments.summarise(found.moments),
            "min": found.moments.minimum,
            "max": found.moments.maximum,
            **_life(found, recorded.config.counts == "clip"),
        }
        parts.append(pl.DataFrame(columns))
        first += layer.n_neurons
    return pl.concat(parts)


def _life(found: LayerSummary, counted: bool) -> dict[str, Any]:
    positions = max(int(found.positions[0]), 1)
    share = found.positives / positions if counted else np.full(found.positives.shape, np.nan)
    return {
        "share_positive": share,
        "dead": found.moments.m2 == 0,
        "silent": found.positives == 0 if counted else found.moments.maximum <= 0,
        "signed": found.moments.minimum < 0,
    }


def write_evidence(recorded: Recorded, whole: Summary) -> None:
    """Write the ranked clips, traces and histograms of each layer."""
    heard_s = _heard_s(recorded, whole)
    for layer, found in zip(recorded.run.layers, whole.layers, strict=True):
        content: dict[str, np.ndarray[Any, Any]] = {}
        for i, (pole, sign) in enumerate(zip(POLES, (1, -1), strict=True)):
            part, prefix = slice(i * layer.n_neurons, (i + 1) * layer.n_neurons), _PREFIX[pole]
            rows = found.ranked.rows[:, part].numpy().T
            content[f"{prefix}_rows"] = rows
            content[f"{prefix}_values"] = sign * values_of(found.ranked.keys[:, part]).numpy().T + 0.0
            content[f"{prefix}_peak_s"] = found.ranked.peak_s[:, part].numpy().T
            content[f"{prefix}_peak_hz"] = found.ranked.peak_hz[:, part].numpy().T
            content[f"{prefix}_span_s"] = heard_s[rows]
            content[f"{prefix}_traces"] = sign * found.ranked.traces[:, part].numpy().transpose(1, 0, 2)
        counts, edges = histograms(recorded, layer.name, found)
        content |= {"histogram": counts, "histogram_edges": edges}
        tensors.write(recorded.run.root / "evidence" / f"{file_name(layer.name)}.safetensors", content)
        heap.give_back()


def _heard_s(recorded: Recorded, whole: Summary) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the seconds that were heard of each clip; the last entry, for an empty rank, is NaN."""
    heard = np.full(len(recorded.table) + 1, np.nan, np.float32)
    policy = recorded.clip_length
    seconds = whole.clips["durations_s"]
    if policy.length_s is not None:
        longest = policy.length_s if policy.long == "crop" else np.inf
        seconds = np.minimum(seconds, longest)
    heard[whole.clips["rows"]] = seconds
    return heard


def histograms(
    recorded: Recorded, layer: str, found: LayerSummary
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return counts ``(neuron, bin)`` and edges ``(neuron, bin + 1)`` of each neuron's pooled values.

    With pooled activations on disk: 32 even bins from the smallest to the largest value. Without: half octaves on
    both sides of zero, from 2**-10 to 2**10.
    """
    n_neurons = found.histogram.shape[0]
    if recorded.config.store != "pooled":
        outer = np.concatenate([[-np.inf], EDGES, [np.inf]]).astype(np.float32)
        return found.histogram, np.tile(outer, (n_neurons, 1))
    low, high = found.moments.minimum, found.moments.maximum
    width = np.where(high > low, high - low, 1.0)
    counts = np.zeros((n_neurons, HISTOGRAM_BINS), np.int64)
    for columns, values in _stored(recorded.run, layer):
        values -= low[columns]
        values /= width[columns]
        values *= HISTOGRAM_BINS
        np.clip(np.floor(values, out=values), 0, HISTOGRAM_BINS - 1, out=values)
        n_columns = values.shape[1]
        values += np.arange(n_columns) * HISTOGRAM_BINS
        flat = np.bincount(values.astype(np.int64).ravel(), minlength=n_columns * HISTOGRAM_BINS)
        counts[columns] += flat.reshape(n_columns, HISTOGRAM_BINS)
    edges = low[:, None] + width[:, None] * np.linspace(0, 1, HISTOGRAM_BINS + 1)
    return counts, edges.astype(np.float32)


def _stored(run: Run, layer: str) -> Iterator[tuple[slice, np.ndarray[Any, Any]]]:
    """Yield a layer's stored values in blocks ``(clip, neuron)``, new arrays, with their columns; no failed clips."""
    array = arrays.open_array(run.root / "activations" / f"{file_name(layer)}.zarr")
    n_rows, n_columns = array.shape
    for start in range(0, n_columns, arrays.COLUMNS_PER_CHUNK):
        columns = slice(start, min(start + arrays.COLUMNS_PER_CHUNK, n_columns))
        for row in range(0, n_rows, _ROWS):
            values = np.asarray(array[row : row + _ROWS, columns], dtype=np.float64)
            failed = np.isnan(values[:, 0])
            yield columns, values[~failed] if failed.any() else values


def clip_table(recorded: Recorded, whole: Summary) -> pl.DataFrame:
    """Return the clips' table with duration, source rate, status and reason."""
    n_clips, rows = len(recorded.table), whole.clips["rows"]
    status = ["ok"] * n_clips
    reason: list[str | None] = [None] * n_clips
    for row, _, stage, why in reversed(whole.failures):  # of several reasons the first stands
        status[row], reason[row] = "failed", f"{stage}: {why}"
    heard = np.zeros(n_clips, bool)
    heard[rows] = True
    duration_s, sample_rate = np.zeros(n_clips), np.zeros(n_clips, np.int64)
    duration_s[rows], sample_rate[rows] = whole.clips["durations_s"], whole.clips["source_rates"]
    return recorded.table.with_columns(
        pl.Series("duration_s", duration_s).set(pl.Series(~heard), None),
        pl.Series("sample_rate", sample_rate).set(pl.Series(~heard), None),
        pl.Series("status", status, pl.String),
        pl.Series("reason", reason, pl.String),
    )


def ranked_rows(whole: Summary, limit: int) -> tuple[list[int], int]:
    """Return the clips that serve as evidence, best ranks first, at most ``limit``, and how many were left out."""
    order: dict[int, None] = {}
    for rank in range(whole.layers[0].ranked.rows.shape[0]):
        for pole in range(len(POLES)):
            for layer in whole.layers:
                rows = layer.ranked.rows[rank].chunk(len(POLES))[pole]
                for row in np.unique(rows.numpy()).tolist():
                    if row >= 0:
                        order.setdefault(row)
    chosen = list(order)[:limit]
    return chosen, len(order) - len(chosen)


def event_notes(recorded: Recorded) -> dict[str, Any]:
    """Return what the run's marker says of its counts by event; nothing where none were made."""
    if recorded.events is None or recorded.config.events == "none":
        return {}
    run, events = recorded.run, recorded.events
    heard = {name: int((event_counts.positions(run, name) > 0).sum()) for name in event_counts.layers(run)}
    endless = int(events["offset_s"].is_null().sum())
    return {"events": events.height, "events_without_end": endless, "events_counted": heard}


def write_tables(recorded: Recorded, whole: Summary) -> None:
    """Write ``neurons.parquet``, the evidence, ``events.parquet`` where there are events, and ``clips.parquet``."""
    tables.write(recorded.run.root / "neurons.parquet", neuron_table(recorded, whole))
    write_evidence(recorded, whole)
    if recorded.events is not None:
        tables.write(recorded.run.root / EVENTS, ordered(recorded.events))
    tables.write(recorded.run.root / "clips.parquet", clip_table(recorded, whole))
