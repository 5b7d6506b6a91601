"""How often is each neuron positive while a labelled event sounds, and how many positions does the event have?

Position t of a layer's output has its centre at ``start_s + offset_s + t * stride_s`` of the clip (``start_s``: where
the window begins; the others: the layer's geometry). It belongs to an event if its centre lies in ``[onset, offset)``;
every frequency row of a frame counts. Long clips are heard through windows: a position counts in the window that
answers for its centre, so once. Padding, special tokens and, with ``skip_silence``, silent frames belong to no event.

Policies: ``all`` counts each event by itself, whatever else sounds; ``alone`` leaves out the positions that an event of
another label covers, too. An event without a known end is not counted, and covers nothing.

A layer whose output has a single frame (``logits``, a vector) has no place in time: it gets no counts, and the run says
so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.data.clips import Clips
from otoscope.errors import InputError
from otoscope.models.geometry import Geometry
from otoscope.store.hashing import sha256_json_table

POLICIES = ("none", "all", "alone")
_NO_TIME = "has one position, which stands for the whole input: it has no place in time"
_EDGE_S = 1e-9


@dataclass(frozen=True)
class EventPart:
    """What one window of a clip tells of some of the clip's events.

    Attributes
    ----------
    events : array of int64 (event,)
        Rows in the table of events.
    positives : Tensor
        Positive positions ``(event, neuron)`` float32, whole numbers.
    positions : array of int64 (event,)
        Positions.
    """

    events: NDArray[np.int64]
    positives: Tensor
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """When the events of a collection sound.

    Attributes
    ----------
    bounds : array of int64 (clip + 1,)
        The events of clip r are rows ``bounds[r]`` to ``bounds[r + 1]`` of the table.
    onset_s, offset_s : array of float64 (event,)
        Seconds from the start of the clip; NaN where unknown.
    label : array of int64 (event,)
        Number of the label.
    alone : bool
        Whether positions under an event of another label are left out.
    """

    bounds: NDArray[np.int64]
    onset_s: NDArray[np.float64]
    offset_s: NDArray[np.float64]
    label: NDArray[np.int64]
    alone: bool

    def members(self, row: int, times_s: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return a clip's events that have a position here, and which of the positions are theirs.

        Parameters
        ----------
        row : int
            The clip.
        times_s : array of float64 (frame,)
            Centres, in seconds from the start of the clip.

        Returns
        -------
        events : array of int64 (event,)
        member : array of bool (event, frame)
        """
        events = np.arange(self.bounds[row], self.bounds[row + 1])
        onset, offset, label = (one[events] for one in (self.onset_s, self.offset_s, self.label))
        member = (times_s >= onset[:, None] - _EDGE_S) & (times_s < offset[:, None] - _EDGE_S)
        if self.alone and len(events):
            codes = np.unique(label)
            sounding = np.stack([member[label == code].any(axis=0) for code in codes])  # (label, frame)
            member &= sounding.sum(axis=0) < 2
        heard = member.any(axis=1)
        return events[heard], member[heard]


def ordered(events: pl.DataFrame) -> pl.DataFrame:
    """Return the events in the order of their clips: the order of every array of events."""
    return events.sort("row", maintain_order=True)


def schedule(clips: Clips, policy: str) -> Schedule | None:
    """Return when the events of ``clips`` sound; None where nothing is counted by event (``policy`` "none").

    Raises
    ------
    InputError
        If the clips carry no events.
    """
    if policy == "none":
        return None
    if clips.events is None or not clips.events.height:
        raise InputError(
            f"{clips.spec} carries no events, so nothing can be counted by event: name its onsets and offsets "
            "(--events FILE), or record with --count-events none"
        )
    table = ordered(clips.events)
    onset_s, offset_s = (
        table[one].cast(pl.Float64).fill_null(np.nan).to_numpy() for one in ("onset_s", "offset_s")
    )
    label = table["label"].cast(pl.String).fill_null("").rank("dense").to_numpy().astype(np.int64)
    bounds = np.searchsorted(table["row"].to_numpy(), np.arange(len(clips) + 1))
    return Schedule(bounds.astype(np.int64), onset_s, offset_s, label, policy == "alone")


def has_time(geometry: Geometry) -> bool:
    """Return whether a layer's positions have a place in time."""
    return geometry.n_time > 1 and geometry.stride_s > 0


def describe(clips: Clips, policy: str, layers: Sequence[tuple[str, Geometry]]) -> dict[str, Any]:
    """Return what a run says of its counts by event; nothing where none are made.

    Raises
    ------
    InputError
        If the clips carry no events, or no layer has a place in time.
    """
    if schedule(clips, policy) is None:
        return {}
    timed = [name for name, geometry in layers if has_time(geometry)]
    if not timed:
        raise InputError(
            f"none of the layers {', '.join(name for name, _ in layers)} has positions in time, so nothing can be "
            "counted by event: record a layer before the pooling over time, or --count-events none"
        )
    where = {
        "layers": timed,
        "layers_left_out": {name: _NO_TIME for name, geometry in layers if not has_time(geometry)},
        "layers_approximate": [name for name, one in layers if has_time(one) and one.approximate],
    }
    return of_table(clips.events, policy, where)


def of_table(events: pl.DataFrame | None, policy: str, where: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a run says of a table of events that is counted in the layers that ``where`` names."""
    if policy == "none" or events is None:
        return {}
    table = ordered(events)
    columns = ["row", "onset_s", "offset_s", "label"]
    digest = sha256_json_table(columns, (list(one) for one in table.select(columns).iter_rows()))
    return {"events": {**(where or {}), "policy": policy, "n_events": table.height, "hash": digest}}


def count(
    grid: Tensor, times_s: NDArray[np.float64], keep_s: NDArray[np.float64], row: int, when: Schedule
) -> EventPart | None:
    """Return what one window tells of its clip's events; None where no event has a position in it.

    Parameters
    ----------
    grid : Tensor
        ``(neuron, frequency, frame)``: the frames that the window answers for.
    times_s : array of float64 (frame,)
        Their centres, in seconds from the start of the clip.
    keep_s : array of float64 (2,)
        The part of the clip that the window answers for; a frame whose centre lies outside is another window's.
    row : int
        The clip.
    when : Schedule
        All events.

    Notes
    -----
    Cost O(events x frames x neurons), as one product of matrices of whole numbers below 2**24.
    """
    events, member = when.members(row, times_s)
    member = member & (times_s >= keep_s[0] - _EDGE_S) & (times_s < keep_s[1] - _EDGE_S)
    heard = member.any(axis=1)
    if not heard.any():
        return None
    events, member = events[heard], member[heard]
    fired = torch.gt(grid, 0, out=torch.empty_like(grid, dtype=torch.float32)).sum(dim=1)  # (neuron, frame)
    chosen = torch.from_numpy(member).to(fired)
    return EventPart(events, chosen @ fired.T, member.sum(axis=1) * grid.shape[1])
