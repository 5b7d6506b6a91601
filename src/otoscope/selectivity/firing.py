"""How often does each neuron fire in each clip? The recorder's counts, layer by layer, as one of three units.

``token``: positive positions among the clip's positions; special tokens and padding are no positions, unless the run
was recorded with them.
``clip-any``: 1 where any position is positive, of 1; near 1 everywhere for clips of many positions.
``clip-mean``: 1 where the mean over the clip's positions is positive, of 1; needs pooled means.

:func:`counted` says in words what a run's counts leave out. Of labelled events the same is read by event: ``token`` and
``clip-any`` over the event's positions.

A :class:`Block` holds some neurons of a layer over the clips that a label set labels; nothing larger is kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError, StageError
from otoscope.store import event_counts
from otoscope.store.run import LayerRecord, Run

Unit = Literal["token", "clip-any", "clip-mean"]
UNITS: tuple[str, ...] = ("token", "clip-any", "clip-mean")
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Some neurons of a layer, in clips.

    Attributes
    ----------
    counts : array of float32 (clip, neuron)
        Positive observations.
    observations : array of float32 (clip,)
        Of how many.
    activations : array of float32 (clip, neuron) or None
        Pooled activations, where they were asked for.
    """

    counts: Floats
    observations: Floats
    activations: Floats | None = None

    @property
    def values(self) -> Floats:
        """One number a clip and neuron: the activation where there is one, else the share of positive positions."""
        if self.activations is not None:
            return self.activations
        return np.asarray(self.counts / np.maximum(self.observations, 1)[:, None], dtype=np.float32)


@dataclass(frozen=True)
class Layer:
    """A layer that is read as it is needed.

    Attributes
    ----------
    name : str
    n_neurons : int
    read : callable
        ``(columns) -> Block`` of those neurons, over all clips.
    """

    name: str
    n_neurons: int
    read: Callable[[slice], Block]

    def taken(self, clips: NDArray[np.int64]) -> Layer:
        """Return the layer over some of the clips."""

        def read(columns: slice) -> Block:
            block = self.read(columns)
            heard = None if block.activations is None else block.activations[clips]
            return Block(block.counts[clips], block.observations[clips], heard)

        return replace(self, read=read)

    def columns(self, width: int) -> list[slice]:
        """Return slices of at most ``width`` neurons that cover the layer."""
        return [slice(one, min(one + width, self.n_neurons)) for one in range(0, self.n_neurons, width)]


def from_arrays(
    counts: dict[str, NDArray[Any]],
    positions: dict[str, NDArray[Any]] | NDArray[Any],
    activations: dict[str, NDArray[Any]] | None = None,
) -> list[Layer]:
    """Return layers of arrays: counts ``(clip, neuron)`` and positions ``(clip,)``, one for all or one a layer."""
    return [_of_arrays(name, table, positions, activations) for name, table in counts.items()]


def from_run(
    run: Run, rows: NDArray[np.int64], *, layers: Sequence[str], unit: Unit, activations: bool
) -> list[Layer]:
    """Return the run's layers over the clips of ``rows``.

    Raises
    ------
    UnknownNameError
        If a layer was not recorded.
    StageError
        If counts, or the activations that are needed, were not kept.
    InputError
        If ``clip-mean`` is asked of a layer that was pooled otherwise.
    """
    chosen = [run.layer(name) for name in layers] if layers else list(run.layers)
    for layer in chosen:
        _readable(run, layer, unit, activations)
    return [_of_run(run, layer, rows, unit, activations) for layer in chosen]


def from_events(
    run: Run, rows: NDArray[np.int64], *, layers: Sequence[str], unit: Unit, activations: bool
) -> list[Layer]:
    """Return the run's layers over the events of ``rows``; those without a place in time are left out.

    Raises
    ------
    StageError
        If the run counted nothing by event, or a layer that is named has no such counts.
    InputError
        If a mean or pooled activations are asked for: the recorder keeps neither by event.
    """
    if unit == "clip-mean" or activations:
        raise InputError(
            "events have counts of positive positions, and no means or activations: use the unit token or clip-any, "
            "and value='share'"
        )
    chosen = list(layers) or list(event_counts.layers(run))
    return [_of_events(run, run.layer(name), rows, unit) for name in chosen]


def heard_events(run: Run, rows: NDArray[np.int64], layers: Sequence[str]) -> NDArray[np.int64]:
    """Return which of the events have a position in every layer, as places in ``rows``."""
    chosen = list(layers) or list(event_counts.layers(run))
    heard = [event_counts.positions(run, one)[rows] > 0 for one in chosen]
    return np.flatnonzero(np.all(heard, axis=0)) if heard else np.arange(0)


def counted(run: Run) -> str:
    """Return in words what the run's counts leave out: special tokens, padding, silence."""
    record = run.manifest.get("record", {})
    special = record.get("special_tokens", "exclude") == "include"
    padding = record.get("padding", "exclude") == "include"
    said = [f"special tokens {'counted' if special else 'left out'}"]
    said += [f"padding {'counted' if padding else 'left out'}"]
    return "; ".join([*said, *(["digital silence left out"] if record.get("skip_silence") else [])])


def _of_events(run: Run, layer: LayerRecord, rows: NDArray[np.int64], unit: Unit) -> Layer:
    positions = event_counts.positions(run, layer.name)[rows].astype(np.float32)

    def read(columns: slice) -> Block:
        counts = event_counts.counts(run, layer.name, columns)[rows]
        if unit == "clip-any":
            return Block((counts > 0).astype(np.float32), np.ones_like(positions))
        return Block(counts.astype(np.float32), positions)

    return Layer(layer.name, layer.n_neurons, read)


def _of_arrays(
    name: str,
    counts: NDArray[Any],
    positions: dict[str, NDArray[Any]] | NDArray[Any],
    activations: dict[str, NDArray[Any]] | None,
) -> Layer:
    n = np.asarray(positions[name] if isinstance(positions, dict) else positions, dtype=np.float32)
    if counts.ndim != 2 or n.shape != counts.shape[:1]:
        raise InputError(
            f"layer {name!r}: expected counts (clip, neuron) and positions (clip,), got {counts.shape} and {n.shape}"
        )

    def read(columns: slice) -> Block:
        heard = None if activations is None else activations[name][:, columns].astype(np.float32)
        return Block(counts[:, columns].astype(np.float32), n, heard)

    return Layer(name, counts.shape[1], read)


def _of_run(run: Run, layer: LayerRecord, rows: NDArray[np.int64], unit: Unit, activations: bool) -> Layer:
    ones = np.ones(len(rows), dtype=np.float32)

    def read(columns: slice) -> Block:
        heard = run.activations(layer.name, columns, rows) if activations or unit == "clip-mean" else None
        kept = heard if activations else None
        if unit == "clip-mean" and heard is not None:
            return Block((heard > 0).astype(np.float32), ones, kept)
        counts = run.counts(layer.name, columns)[rows]
        if unit == "clip-any":
            return Block((counts > 0).astype(np.float32), ones, kept)
        return Block(counts.astype(np.float32), run.positions(layer.name)[rows].astype(np.float32), kept)

    return Layer(layer.name, layer.n_neurons, read)


def _readable(run: Run, layer: LayerRecord, unit: Unit, activations: bool) -> None:
    if unit == "clip-mean" and layer.pooling != "mean":
        raise InputError(
            f"unit clip-mean needs means, layer {layer.name} was pooled by {layer.pooling!r}: "
            "record with --pooling mean"
        )
    if (activations or unit == "clip-mean") and not run.has_activations(layer.name):
        raise StageError(f"{run.root} keeps no activations of {layer.name}: record with --store pooled")
    if unit != "clip-mean":
        run.counts(layer.name, slice(0, 1))
