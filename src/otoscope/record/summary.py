"""The small mergeable summary of some blocks: moments, ranked clips, histograms, firing counts, failures.

Two summaries merge into one of the same size; the merge is exact for ranks, counts and histograms, and for moments
it is the same in each run because the tree of merges is fixed (:mod:`otoscope.work.blocks`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.record import moments, ranking
from otoscope.record.moments import Moments
from otoscope.store import tensors

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Ranked:
    """The most extreme clips of each pole neuron; axes ``(rank, pole neuron[, bin])``.

    Attributes
    ----------
    keys : Tensor
        int64, descending; see :mod:`otoscope.record.ranking`.
    rows : Tensor
        Row of each clip, -1 for an empty place.
    traces : Tensor
        float16 ``(rank, pole neuron, bin)``; of the negative for low poles.
    peak_s, peak_hz : Tensor
        float32.
    """

    keys: Tensor
    rows: Tensor
    traces: Tensor
    peak_s: Tensor
    peak_hz: Tensor


def no_ranks(k: int, n_neurons: int, n_bins: int) -> Ranked:
    """Return ``k`` empty places for both poles of each neuron."""
    places = (k, 2 * n_neurons)
    return Ranked(
        torch.full(places, ranking.EMPTY_KEY, dtype=torch.int64),
        torch.full(places, -1, dtype=torch.int64),
        torch.zeros((*places, n_bins), dtype=torch.float16),
        torch.full(places, torch.nan),
        torch.full(places, torch.nan),
    )


def merge_ranked(a: Ranked, b: Ranked, k: int) -> Ranked:
    """Return the ``k`` most extreme clips of both, in order."""
    keys, places = ranking.merge(a.keys, b.keys, k)
    rest = {}
    for field in fields(Ranked)[1:]:
        both = torch.cat([getattr(a, field.name), getattr(b, field.name)])
        at = places[..., None].expand(*places.shape, both.shape[2]) if both.ndim == 3 else places
        rest[field.name] = both.gather(0, at)
    return Ranked(keys, **rest)


@dataclass(frozen=True)
class LayerSummary:
    """What is kept of one layer on some clips.

    Attributes
    ----------
    moments : Moments
        Of the pooled values.
    positives, positions : ndarray of int64
        Positive positions ``(neuron,)`` and positions ``(1,)``, over all clips.
    histogram : ndarray of int64
        Pooled values in the bins of :data:`EDGES`, ``(neuron, bin)``.
    ranked : Ranked
        The most extreme clips.
    """

    moments: Moments
    positives: Ints
    positions: Ints
    histogram: Ints
    ranked: Ranked


def _edges() -> np.ndarray[Any, np.dtype[np.float32]]:
    powers = 2.0 ** np.arange(-10, 10.5, 0.5)
    return np.concatenate([-powers[::-1], powers]).astype(np.float32)


#: Inner edges of the histograms: plus and minus half octaves from 2**-10 to 2**10.
EDGES = _edges()
N_BINS = len(EDGES) + 1


def histogram(values: np.ndarray[Any, Any]) -> Ints:
    """Return how often each neuron's values ``(clip, neuron)`` fall between :data:`EDGES`, ``(neuron, bin)``."""
    n_neurons = values.shape[1]
    bins = np.searchsorted(EDGES, values, side="right")
    flat = np.bincount((np.arange(n_neurons) * N_BINS + bins).ravel(), minlength=n_neurons * N_BINS)
    return flat.reshape(n_neurons, N_BINS).astype(np.int64)


def merge_layers(a: LayerSummary, b: LayerSummary) -> LayerSummary:
    """Return the summary of both sets of clips."""
    return LayerSummary(
        moments.merge(a.moments, b.moments),
        a.positives + b.positives,
        a.positions + b.positions,
        a.histogram + b.histogram,
        merge_ranked(a.ranked, b.ranked, a.ranked.keys.shape[0]),
    )


@dataclass(frozen=True)
class Summary:
    """The summaries of all layers on some blocks, and what happened to their clips.

    Attributes
    ----------
    layers : tuple of LayerSummary
        In the run's order.
    clips : dict
        ``rows``, ``durations_s``, ``source_rates``: of the clips that were heard, in row order.
    failures : tuple of list
        ``[row, id, stage, reason]`` of those that were not.
    """

    layers: tuple[LayerSummary, ...]
    clips: dict[str, np.ndarray[Any, Any]]
    failures: tuple[list[Any], ...]


def merge(a: Summary, b: Summary) -> Summary:
    """Return the summary of both, ``a``'s clips first."""
    return Summary(
        tuple(merge_layers(one, other) for one, other in zip(a.layers, b.layers, strict=True)),
        {name: np.concatenate([a.clips[name], b.clips[name]]) for name in a.clips},
        (*a.failures, *b.failures),
    )


def write(path: Path, summary: Summary) -> None:
    """Write a summary to one file, atomically: the commit marker of its blocks."""
    arrays = {f"clips/{name}": array for name, array in summary.clips.items()}
    for i, layer in enumerate(summary.layers):
        arrays |= {f"{i}/moments/{name}": array for name, array in layer.moments.to_arrays().items()}
        arrays |= {f"{i}/{name}": getattr(layer, name) for name in ("positives", "positions", "histogram")}
        arrays |= {f"{i}/ranked/{f.name}": getattr(layer.ranked, f.name).numpy() for f in fields(Ranked)}
    note = {"n_layers": len(summary.layers), "failures": list(summary.failures)}
    tensors.write(path, arrays, note)


def read(path: Path) -> Summary:
    """Return the summary at ``path``."""
    arrays, note = tensors.read_with_note(path)
    layers = []
    for i in range(note["n_layers"]):
        own = {name.split("/", 1)[1]: array for name, array in arrays.items() if name.startswith(f"{i}/")}
        ranked = Ranked(*(torch.from_numpy(own[f"ranked/{field.name}"]) for field in fields(Ranked)))
        running = Moments(*(own[f"moments/{field.name}"] for field in fields(Moments)))
        layers.append(LayerSummary(running, own["positives"], own["positions"], own["histogram"], ranked))
    clips = {name.split("/", 1)[1]: array for name, array in arrays.items() if name.startswith("clips/")}
    return Summary(tuple(layers), clips, tuple(note["failures"]))


def merge_files(left: Path, right: Path, out: Path) -> None:
    """Merge two summary files into a third."""
    write(out, merge(read(left), read(right)))
