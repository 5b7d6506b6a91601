"""Reduce one layer's output on a batch of windows to what is kept: pooled value, trace, peak, firing count.

Windows whose valid frames are the same are reduced together, so a batch of full-length clips costs one pass over
the activations for the pooled value and one for the counts; traces are made where a value may still be ranked.
Windows of one clip are merged as :mod:`otoscope.record.pooling` says.

Padding (the positions that hear only what a shorter clip was filled with) and special tokens are left out, or taken in
where that is asked for: padding into pooled values and counts, special tokens into counts. Peaks and traces are of the
clip's own sound in either case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from otoscope.data.decode import Batch
from otoscope.errors import HookError
from otoscope.models.geometry import Geometry
from otoscope.record import pooling
from otoscope.record.events import EventPart, Schedule
from otoscope.record.events import count as count_events
from otoscope.record.evidence import Evidence, Span, evidence
from otoscope.record.ranking import Floor


@dataclass(frozen=True)
class Wanted:
    """What a reduction computes.

    Attributes
    ----------
    pooling : str
        One of :data:`~otoscope.record.pooling.POOLINGS`.
    counts : bool
        Whether positive positions are counted.
    n_bins : int
        Length of a stored trace.
    skip_silence : bool
        Whether frames of digital silence are left out.
    padding : bool
        Whether positions of padding take part in pooling and counts.
    special_tokens : bool
        Whether special tokens are counted.
    events : Schedule or None
        When events sound, where positions are counted by event.
    top_k : int or None
        Clips that are ranked for a pole neuron: where there is no floor yet, evidence is wanted for the batch's own
        best so many. None: for all.
    """

    pooling: str
    counts: bool
    n_bins: int
    skip_silence: bool
    padding: bool = False
    special_tokens: bool = False
    events: Schedule | None = None
    top_k: int | None = None


@dataclass(frozen=True)
class Reduction:
    """A layer's output on some clips, reduced.

    Attributes
    ----------
    pooled : Tensor
        ``(clip, neuron)`` float32.
    positions : Tensor
        Positions that were pooled ``(clip,)`` int64.
    positives : Tensor or None
        Positions > 0, ``(clip, neuron)`` float32, whole numbers.
    evidence : Evidence
        Of both poles, where it was wanted.
    special : Tensor or None
        Special tokens that were counted besides ``(clip,)`` int64.
    events : tuple
        Per clip, what its windows tell of its events; empty where nothing is counted by event.
    """

    pooled: Tensor
    positions: Tensor
    positives: Tensor | None
    evidence: Evidence
    special: Tensor | None = None
    events: tuple[tuple[EventPart, ...], ...] = ()

    @property
    def counted(self) -> Tensor:
        """Positions among which ``positives`` are ``(clip,)`` int64."""
        return self.positions if self.special is None else self.positions + self.special


def both_poles(pooled: Tensor) -> Tensor:
    """Return the values of a layer's pole neurons ``(clip, pole neuron)``."""
    return torch.cat([pooled, -pooled], dim=1)


def valid_frames(batch: Batch, geometry: Geometry, sample_rate: int) -> list[Span]:
    """Return, for each window, the frames ``[start, stop)`` that it answers for; at least one each.

    A frame is valid if its centre lies in the seconds that the window answers for, padding excluded.
    """
    first_s = batch.keep_s[:, 0] - batch.starts_s
    last_s = np.minimum(batch.keep_s[:, 1] - batch.starts_s, batch.lengths / sample_rate)
    seconds = np.stack([first_s, last_s])
    alike = bool((seconds == seconds[:, :1]).all())
    begin, end = np.searchsorted(geometry.times_s(), (seconds[:, :1] if alike else seconds) - 1e-9)
    begin = np.minimum(begin, geometry.n_time - 1)
    spans = list(zip(begin.tolist(), np.maximum(end, begin + 1).tolist(), strict=True))
    return spans * len(batch.rows) if alike else spans


def filled_frames(batch: Batch, geometry: Geometry, sample_rate: int, spans: list[Span]) -> list[Span]:
    """Return the spans of :func:`valid_frames` with padding: where a window answers to its end, to its last frame."""
    to_the_end = batch.keep_s[:, 1] - batch.starts_s >= batch.lengths / sample_rate - 1e-6
    return [
        (a, geometry.n_time if all_of_it else b) for (a, b), all_of_it in zip(spans, to_the_end, strict=True)
    ]


def silent_frames(
    batch: Batch, geometry: Geometry, sample_rate: int
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return which frames ``(window, frame)`` hold nothing but digital silence within one stride of their centre."""
    half = max(geometry.stride_s, 1.0 / sample_rate) / 2
    sounding = np.any(batch.waveforms != 0, axis=1)  # (window, time)
    total = np.concatenate([np.zeros((len(sounding), 1), np.int64), np.cumsum(sounding, axis=1)], axis=1)
    times = geometry.times_s()
    last = total.shape[1] - 1
    begin = np.clip(np.floor((times - half) * sample_rate + 1e-6), 0, last).astype(np.int64)
    end = np.clip(np.ceil((times + half) * sample_rate - 1e-6), 0, last).astype(np.int64)
    return np.asarray(total[:, end] == total[:, begin])


def reduce_batch(
    output: Tensor,
    geometry: Geometry,
    batch: Batch,
    sample_rate: int,
    wanted: Wanted,
    floor: Floor | None = None,
    unfinished: Tensor | None = None,
) -> Reduction:
    """Return the layer's output on the batch's windows, reduced; one row a window.

    Parameters
    ----------
    output : Tensor
        The layer's output for the batch.
    geometry : Geometry
        Its axes and grid.
    batch : Batch
        The windows that went in.
    sample_rate : int
        Hz of the windows.
    wanted : Wanted
        What to compute.
    floor : Floor, optional
        Evidence is wanted only where a pole neuron's value exceeds it. None: there is none yet.
    unfinished : Tensor, optional
        Which windows are parts of a clip, bool ``(window,)``, where the output lies: what their clip is worth is not
        known yet, so they want all evidence and ask for nothing of others. None: none of them.
    """
    grid = geometry.grid(output)
    if grid.shape[0] != len(batch.rows):
        raise HookError(
            f"a layer gave {grid.shape[0]} clips for {len(batch.rows)}: its clip axis is another one"
        )
    tokens = _special_tokens(output, geometry) if wanted.pooling == "cls" else None
    spans = valid_frames(batch, geometry, sample_rate)
    filled = filled_frames(batch, geometry, sample_rate, spans) if wanted.padding else spans
    groups = list(_groups(batch, geometry, sample_rate, spans, filled, wanted.skip_silence))
    parts = [
        _passed(_Group(grid[windows], frames, filled[windows.start], geometry, batch, windows), wanted)
        for windows, frames in groups
    ]
    found = parts[0] if len(parts) == 1 else _joined(parts)
    pooled = found.pooled if tokens is None else tokens
    frames_of = [frames for windows, frames in groups for _ in range(windows.start, windows.stop)]
    starts = torch.from_numpy(batch.starts_s).to(grid.device, torch.float32)
    rows = torch.from_numpy(batch.rows).to(grid.device)
    ranked = _ranked(both_poles(pooled), rows, floor, wanted.top_k, unfinished)
    own = evidence(grid, frames_of, starts, geometry, wanted.n_bins, ranked)
    reduction = Reduction(pooled, found.positions, found.positives, own, events=found.events)
    return _with_special(reduction, geometry.prefix(output)) if wanted.special_tokens else reduction


def _ranked(
    values: Tensor, rows: Tensor, floor: Floor | None, top_k: int | None, unfinished: Tensor | None
) -> Tensor:
    """Return which values ``(window, pole neuron)`` may be among the most extreme."""
    if floor is None:
        found = _own_best(values, top_k, unfinished)
    else:
        found = floor.reached(values, rows)
    return found if unfinished is None else found | unfinished[:, None]


def _own_best(values: Tensor, top_k: int | None, unfinished: Tensor | None) -> Tensor:
    """Return which values reach the ``top_k`` best of the whole clips."""
    whole = values if unfinished is None else values[~unfinished]
    if top_k is None or top_k >= len(whole):
        return torch.ones_like(values, dtype=torch.bool)
    return values >= whole.topk(top_k, dim=0, sorted=False).values.amin(dim=0)


def _with_special(found: Reduction, prefix: Tensor) -> Reduction:
    """Return a reduction in which the special tokens ``(clip, neuron, token)`` are counted, too."""
    special = torch.full_like(found.positions, prefix.shape[2])
    if found.positives is None:
        return replace(found, special=special)
    return replace(found, positives=found.positives + (prefix > 0).sum(dim=2), special=special)


def _special_tokens(output: Tensor, geometry: Geometry) -> Tensor:
    """Return the first special token ``(clip, neuron)``; a vector, such as logits, is its own."""
    if "N" not in geometry.axes and geometry.n_positions == 1:
        return geometry.grid(output)[:, :, 0, 0].float()
    prefix = geometry.prefix(output)
    if prefix.shape[2] == 0:
        raise HookError(
            "pooling 'cls' needs a special token, and this layer has none: choose mean, max or tail"
        )
    return prefix[:, :, 0].float()


def _groups(
    batch: Batch,
    geometry: Geometry,
    sample_rate: int,
    spans: list[Span],
    filled: list[Span],
    skip_silence: bool,
) -> Iterator[tuple[slice, Span | Tensor]]:
    """Yield neighbouring windows with the same valid frames, as a span or, with gaps, as indices.

    Neighbours only: a slice of the layer's output is no copy of it.
    """
    silent = silent_frames(batch, geometry, sample_rate) if skip_silence else None
    gaps = (
        [_sounding(span, row) for span, row in zip(spans, silent, strict=True)]
        if silent is not None
        else None
    )
    begin = 0
    for window in range(1, len(spans) + 1):
        alone = gaps is not None and (
            gaps[begin] is not None or (window < len(spans) and gaps[window] is not None)
        )
        if window == len(spans) or alone or (spans[window], filled[window]) != (spans[begin], filled[begin]):
            chosen = None if gaps is None else gaps[begin]
            yield slice(begin, window), spans[begin] if chosen is None else chosen
            begin = window


def _sounding(span: Span, silent: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Tensor | None:
    """Return the span's frames without the silent ones; None where that is all of them or none."""
    kept = np.flatnonzero(~silent[span[0] : span[1]])
    return None if len(kept) in (0, span[1] - span[0]) else torch.from_numpy(span[0] + kept)


@dataclass(frozen=True)
class _Group:
    """Neighbouring windows whose valid frames are the same.

    ``grid`` holds all of their frames, ``frames`` are the valid ones, ``filled`` those and padding.
    """

    grid: Tensor
    frames: Span | Tensor
    filled: Span
    geometry: Geometry
    batch: Batch
    windows: slice


@dataclass(frozen=True)
class _Passed:
    """What the passes over all positions of a group gave."""

    pooled: Tensor
    positions: Tensor
    positives: Tensor | None
    events: tuple[tuple[EventPart, ...], ...]


def _passed(group: _Group, wanted: Wanted) -> _Passed:
    grid, at = _framed(group.grid, group.frames)
    whole = group.grid[..., slice(*group.filled)] if wanted.padding else grid
    found = pooling.passes(whole, wanted.pooling, wanted.counts)
    positions = torch.full((len(whole),), whole.shape[2] * whole.shape[3], dtype=torch.int64)
    events = () if wanted.events is None else _events(group, grid, at, wanted.events)
    return _Passed(found.pooled, positions, found.positives, events)


def _joined(parts: list[_Passed]) -> _Passed:
    counts = [part.positives for part in parts if part.positives is not None]
    return _Passed(
        torch.cat([part.pooled for part in parts]),
        torch.cat([part.positions for part in parts]),
        torch.cat(counts) if counts else None,
        tuple(clip for part in parts for clip in part.events),
    )


def _framed(grid: Tensor, frames: Span | Tensor) -> tuple[Tensor, Tensor]:
    """Return some frames of a grid, and their numbers."""
    if isinstance(frames, Tensor):
        at = frames.to(grid.device)
        return grid.index_select(3, at), at
    return grid[..., slice(*frames)], torch.arange(*frames, device=grid.device)


def _events(group: _Group, grid: Tensor, at: Tensor, when: Schedule) -> tuple[tuple[EventPart, ...], ...]:
    """Return, for each window of a group, what it tells of its clip's events."""
    batch, seconds = group.batch, group.geometry.times_s()[at.cpu().numpy()]
    parts = (
        count_events(
            grid[i], batch.starts_s[window] + seconds, batch.keep_s[window], int(batch.rows[window]), when
        )
        for i, window in enumerate(range(group.windows.start, group.windows.stop))
    )
    return tuple(() if part is None else (part,) for part in parts)


def take(reduction: Reduction, rows: Tensor) -> Reduction:
    """Return some rows of a reduction, each once and rising."""
    at = rows.to(reduction.pooled.device)
    place = torch.full((len(reduction.pooled),), -1, device=at.device)
    place[at] = torch.arange(len(at), device=at.device)
    clip = place[reduction.evidence.clip]
    kept = (clip >= 0).nonzero()[:, 0]
    return Reduction(
        reduction.pooled[at],
        reduction.positions[rows],
        None if reduction.positives is None else reduction.positives[at],
        replace(reduction.evidence.part(kept), clip=clip[kept]),
        None if reduction.special is None else reduction.special[rows],
        tuple(reduction.events[row] for row in rows.tolist()) if reduction.events else (),
    )
