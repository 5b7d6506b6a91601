"""Positive positions per labelled event and neuron, as a run keeps them: one reader for all later stages.

``events.parquet`` holds one row an event, in the order of the clips; ``event_counts/<layer>.zarr`` ``(event, neuron)``
how many of the event's positions were positive, and ``event_positions.zarr`` ``(event, layer)`` how many there are. An
event without positions in a layer (its clip failed, it lies where the network did not hear, its end is unknown, no
centre falls into it) has 0 in both. Class counts are sums of rows, for any labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.errors import StageError
from otoscope.store import arrays, tables
from otoscope.store.place import remove_tree
from otoscope.store.run import Run, file_name

FOLDER = "event_counts"
POSITIONS = "event_positions.zarr"
TABLE = "events.parquet"
ROWS_PER_CHUNK = 256

Counts = np.ndarray[Any, np.dtype[np.uint32]]


def policy(run: Run) -> str:
    """Return how the run counted by event: ``all``, ``alone``, or ``none``: it did not."""
    return str(run.manifest.get("events", {}).get("policy", "none"))


def layers(run: Run) -> tuple[str, ...]:
    """Return the layers that have counts by event, in forward order; none where the run did not count by event."""
    counted = run.manifest.get("events", {}).get("layers", ())
    return tuple(one.name for one in run.layers if one.name in counted)


def table(run: Run) -> pl.DataFrame:
    """Return one row an event: ``row`` (of its clip), ``onset_s``, ``offset_s``, ``label``, further columns.

    Raises
    ------
    StageError
        If the run counted nothing by event.
    """
    _counted(run)
    return tables.read(run.root / TABLE)


def counts(run: Run, layer: str, neurons: slice = slice(None)) -> Counts:
    """Return a layer's positive positions ``(event, neuron)`` uint32.

    Raises
    ------
    UnknownNameError
        If the layer was not recorded.
    StageError
        If it has no counts by event.
    """
    _counted(run, layer)
    return np.asarray(arrays.open_array(path_of(run, layer))[:, neurons], dtype=np.uint32)


def positions(run: Run, layer: str) -> Counts:
    """Return how many positions each event has in a layer ``(event,)`` uint32; errors as :func:`counts`."""
    _counted(run, layer)
    place = run.layers.index(run.layer(layer))
    return np.asarray(arrays.open_array(run.root / POSITIONS)[:, place], dtype=np.uint32)


def path_of(run: Run, layer: str) -> Path:
    """Return where a layer's counts by event lie."""
    return run.root / FOLDER / f"{file_name(layer)}.zarr"


def remove(run: Run) -> None:
    """Remove what a killed recording left of the counts by event."""
    for path in (run.root / FOLDER, run.root / POSITIONS):
        if path.is_dir():
            remove_tree(path)


def _counted(run: Run, layer: str | None = None) -> None:
    if policy(run) == "none":
        raise StageError(
            f"{run.root} counted nothing by event: record with --count-events all, or alone, on clips that carry events"
        )
    if layer is None:
        return
    run.layer(layer)
    if layer not in layers(run):
        reason = run.manifest["events"]["layers_left_out"].get(layer, "was left out")
        raise StageError(
            f"layer {layer!r} has no counts by event: it {reason}. Layers that have: {', '.join(layers(run))}"
        )
