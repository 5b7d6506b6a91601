"""Several recordings of one network as one run, as if all of their clips had been recorded at once.

Clips, and events, stand one after another in the order of the runs; activations, counts, positions and counts by event
are copied. Where the runs heard the clips in the batches of one recording (they end with a whole block), every array
and table is that of one recording, byte for byte; else the network's own rounding, which depends on the batch, remains.
Two exceptions: without float32 activations the neurons' moments are merged from the runs' own, exact to rounding; and
among clips of equal value the runs' own ranks have decided already which are kept as evidence.

Captions, descriptions and what else was made of the runs are not merged: they are made anew.

The moments' tree of merges is that of :mod:`otoscope.work.blocks`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from otoscope.audio.windows import ClipLength
from otoscope.record import alike, events, finish, joined, moments, ranking
from otoscope.record.config import RecordConfig
from otoscope.record.evidence_sound import write_clips
from otoscope.record.joined import Joined
from otoscope.record.moments import Moments
from otoscope.record.stage import STAGE, VERSION, inputs_of, outputs_of
from otoscope.record.summary import N_BINS, LayerSummary, Ranked, Summary, merge_ranked
from otoscope.store import arrays, event_counts
from otoscope.store import run as runs_
from otoscope.store.place import place
from otoscope.store.run import POSITIONS, LayerRecord, Run, file_name
from otoscope.work import blocks

_PREFIXES = (("top", 1.0), ("bottom", -1.0))


def merge(runs: Sequence[Run | Path | str], out: Path | str) -> Run:
    """Return the run folder ``out`` with the recordings of ``runs``, merged.

    Parameters
    ----------
    runs : sequence of Run, Path or str
        Two or more finished recordings of one network with the same choices, of different clips: shards or folds of a
        collection, or several collections.
    out : Path or str
        New, empty, or holding the same merged run.

    Raises
    ------
    InputError
        If the runs differ in weights, number type, layers, their pooling or geometry, or another choice; if a clip
        comes twice.
    StageError
        If one is not recorded to its end, or ``out`` holds something else.
    """
    started = time.perf_counter()
    opened = [runs_.open_run(one) for one in runs]
    alike.refuse_unlike(opened)
    alike.refuse_same_clips(opened)
    found = joined.join(opened)
    where = place(out)
    identity = joined.identity(found, where)
    config = RecordConfig.model_validate(identity["record"])
    identity |= events.of_table(found.events, config.events, identity.get("events"))
    run = runs_.create(where, identity)
    inputs = inputs_of(identity)
    if not runs_.is_done(run, STAGE, VERSION, config.identity(), inputs):
        _copy_arrays(found, run, config)
        notes = _write(found, run, config)
        runs_.commit_stage(run, STAGE, VERSION, config.identity(), inputs, outputs_of(run), notes)
        run.log("merge", seconds=time.perf_counter() - started, **notes)
    return run


def _copy_arrays(found: Joined, run: Run, config: RecordConfig) -> None:
    """Write every array of the runs one after another, a block at a time."""
    n_clips = found.heard.height
    for layer in run.layers:
        name = f"{file_name(layer.name)}.zarr"
        if config.store == "pooled":
            shape = (n_clips, layer.n_neurons)
            _copy(found, run, f"activations/{name}", shape, config.dtype, config.block)
        if config.counts == "clip":
            _copy(found, run, f"counts/{name}", (n_clips, layer.n_neurons), "uint32", config.block)
    if config.counts == "clip":
        _copy(found, run, POSITIONS, (n_clips, len(run.layers)), "uint32", config.block)
    if config.events != "none" and found.events is not None:
        event_counts.remove(run)
        n_events, rows = found.events.height, event_counts.ROWS_PER_CHUNK
        for name in event_counts.layers(run):
            place = f"{event_counts.FOLDER}/{file_name(name)}.zarr"
            _copy(found, run, place, (n_events, run.layer(name).n_neurons), "uint32", rows)
        _copy(found, run, event_counts.POSITIONS, (n_events, len(run.layers)), "uint32", rows)


def _copy(found: Joined, run: Run, name: str, shape: tuple[int, int], dtype: str, rows: int) -> None:
    arrays.create_array(run.root / name, shape, dtype, rows)
    target = arrays.open_array(run.root / name)
    sources = [arrays.open_array(one.root / name) for one in found.runs]
    for block in blocks.plan(shape[0], rows):
        arrays.write_rows(run.root / name, block.start, _rows(sources, block.start, block.stop), target)


def _rows(sources: Sequence[Any], start: int, stop: int) -> np.ndarray[Any, Any]:
    """Return rows of several arrays as if they stood one after another."""
    parts, first = [], 0
    for one in sources:
        low, high = max(start - first, 0), min(stop - first, one.shape[0])
        if low < high:
            parts.append(np.asarray(one[low:high]))
        first += one.shape[0]
    return np.concatenate(parts)


def _write(found: Joined, run: Run, config: RecordConfig) -> dict[str, Any]:
    """Write the tables and the evidence of the merged run; return what its marker says."""
    whole = _summary(found, run, config)
    length = ClipLength(**run.manifest["model"]["clip_length"])
    recorded = finish.Recorded(run, found.table, found.events, config, length)
    finish.write_tables(recorded, whole)
    rows, left_out = finish.ranked_rows(whole, config.evidence_clips)
    missing, shortened = _sounds(found, run, rows, config)
    first = runs_.read_stage(found.runs[0], STAGE) or {}
    return {
        "clips": found.heard.height,
        "failed": len(whole.failures),
        "evidence_clips": len(rows),
        "evidence_clips_left_out": left_out,
        "evidence_clips_shortened": shortened,
        "evidence_clips_missing": missing,
        "layers_left_out": first.get("notes", {}).get("layers_left_out", {}),
        **finish.event_notes(recorded),
    }


def _sounds(found: Joined, run: Run, rows: Sequence[int], config: RecordConfig) -> tuple[int, int]:
    """Copy the ranked clips' sounds, read those that no run kept; return how many are missing, how many cut short."""
    folder = run.root / "evidence" / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        part = int(np.searchsorted(found.starts, row, side="right")) - 1
        kept = found.runs[part].root / "evidence" / "clips" / f"{row - found.starts[part]}.mp3"
        if kept.is_file() and not (folder / f"{row}.mp3").is_file():
            shutil.copyfile(kept, folder / f"{row}.mp3")
    if found.source is not None:
        write_clips(found.clips, rows, folder, config.evidence_max_s)
    missing = sum(not (folder / f"{row}.mp3").is_file() for row in rows)
    seconds = found.heard["duration_s"].to_numpy()[np.array(rows, dtype=np.int64)] if rows else np.zeros(0)
    return missing, int((seconds > config.evidence_max_s).sum())


def _summary(found: Joined, run: Run, config: RecordConfig) -> Summary:
    good = found.heard.filter(pl.col("status") == "ok")
    clips = {
        "rows": good["row"].to_numpy().astype(np.int64),
        "durations_s": good["duration_s"].to_numpy(),
        "source_rates": good["sample_rate"].to_numpy(),
    }
    bad = found.heard.filter(pl.col("status") == "failed").select("row", "id", "reason")
    failures = tuple([row, name, *reason.split(": ", 1)] for row, name, reason in bad.iter_rows())
    layers = (_layer(found, run, layer, config, clips["rows"]) for layer in run.layers)
    return Summary(tuple(layers), clips, failures)


def _layer(
    found: Joined, run: Run, layer: LayerRecord, config: RecordConfig, rows: np.ndarray[Any, Any]
) -> LayerSummary:
    n = layer.n_neurons
    exact = config.store == "pooled" and config.dtype == "float32"
    counted = config.counts == "clip"
    evidence = [one.evidence(layer.name) for one in found.runs]
    pooled = config.store == "pooled"
    return LayerSummary(
        _moments(run, layer.name, config.block, rows) if exact else _moments_of_tables(found, layer.name),
        run.counts(layer.name).sum(axis=0, dtype=np.int64) if counted else np.zeros(n, np.int64),
        run.positions(layer.name).sum(keepdims=True, dtype=np.int64) if counted else np.zeros(1, np.int64),
        np.zeros((n, N_BINS), np.int64) if pooled else np.sum([one["histogram"] for one in evidence], axis=0),
        reduce(
            lambda a, b: merge_ranked(a, b, config.top_k),
            (
                _ranked(one, start, layer, config.seed)
                for one, start in zip(evidence, found.starts, strict=True)
            ),
        ),
    )


def _moments(run: Run, layer: str, size: int, rows: np.ndarray[Any, Any]) -> Moments:
    """Return the moments of stored activations, merged block by block as a recording does."""
    array = arrays.open_array(run.root / "activations" / f"{file_name(layer)}.zarr")
    stack: list[tuple[int, Moments]] = []
    for block in blocks.plan(array.shape[0], size):
        own = rows[(rows >= block.start) & (rows < block.stop)] - block.start
        level, found = 0, moments.of_values(np.asarray(array[block.start : block.stop])[own])
        while stack and stack[-1][0] == level:
            found, level = moments.merge(stack.pop()[1], found), level + 1
        stack.append((level, found))
    return reduce(moments.merge, (one for _, one in stack))


def _moments_of_tables(found: Joined, layer: str) -> Moments:
    """Return the merge of the runs' own moments."""
    return reduce(moments.merge, (moments.of_table(run.neurons().filter(layer=layer)) for run in found.runs))


def _ranked(evidence: dict[str, np.ndarray[Any, Any]], start: int, layer: LayerRecord, seed: int) -> Ranked:
    """Return a run's ranks of a layer with the rows and keys that its clips have in the merged run."""
    both = {name: _poles(evidence, name) for name in ("values", "rows", "peak_s", "peak_hz", "traces")}
    empty = both["rows"] < 0
    rows = torch.where(empty, -1, both["rows"] + start)
    columns = ranking.pole_neurons(layer.first_neuron, layer.n_neurons)
    keys = ranking.keys(both["values"].nan_to_num(), rows, columns, seed)
    return Ranked(
        torch.where(empty, ranking.EMPTY_KEY, keys), rows, both["traces"], both["peak_s"], both["peak_hz"]
    )


def _poles(evidence: dict[str, np.ndarray[Any, Any]], name: str) -> torch.Tensor:
    """Return ``(rank, pole neuron[, bin])`` of what the evidence holds as ``(neuron, rank[, bin])`` of each pole."""
    parts: Iterator[np.ndarray[Any, Any]] = (
        evidence[f"{prefix}_{name}"] * np.asarray(sign, evidence[f"{prefix}_{name}"].dtype)
        if name in ("values", "traces")
        else evidence[f"{prefix}_{name}"]
        for prefix, sign in _PREFIXES
    )
    return torch.from_numpy(np.concatenate([np.moveaxis(one, 1, 0) for one in parts], axis=1))
