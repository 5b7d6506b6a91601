"""Fits a run into one page: what is shown, and what is left out where the page would be too large.

The neurons' data may take half of the room that the page's frame leaves. Where it is more, the lowest ranks of
ranked clips go first, down to the first rank; then what further methods say; then, in four fifths of the room, the
neurons with the weakest descriptions. The rest of the room is for sounds and pictures (:mod:`otoscope.report.assets`).
Everything left out is counted and said in the page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from otoscope.errors import InputError
from otoscope.report import assets, payload
from otoscope.report.classes_views import ClassesView
from otoscope.report.compose import page_text, ranked_rows, sample_rate
from otoscope.report.explained.page import ExplainedView
from otoscope.report.gathering import Gathered
from otoscope.report.overview_views import OverviewView
from otoscope.report.reading import RunData

_DATA_SHARE, _MOST_DATA_SHARE = 0.5, 0.8
_SPARE_BYTES = 4096


@dataclass(frozen=True)
class Dropped:
    """What the size limit left out.

    Attributes
    ----------
    n_neurons : int
        Neurons that are not on the page (the least described).
    n_ranks : int
        Ranks per pole that are not shown, of those asked for.
    n_others : int
        Descriptions of the run's other tables that are not shown.
    n_sounds, n_pictures : int
        Shown clips without their sound or picture.
    bitrate_kbps : int or None
        What the sounds were encoded again at; None where they are as in the run.
    """

    n_neurons: int = 0
    n_ranks: int = 0
    n_others: int = 0
    n_sounds: int = 0
    n_pictures: int = 0
    bitrate_kbps: int | None = None


@dataclass(frozen=True)
class Fitted:
    """A page of the allowed size, and what it holds."""

    text: str
    n_neurons: int
    n_clips_with_sound: int
    dropped: Dropped
    notes: tuple[str, ...]


def fit(
    data: RunData,
    gathered: Gathered,
    overview: OverviewView,
    classes: ClassesView,
    *,
    limit_bytes: int,
    audio: bool,
    n_best: int,
    explained: ExplainedView | None = None,
) -> Fitted:
    """Return the page within ``limit_bytes``, explained clips included as they are.

    Raises
    ------
    InputError
        If not even the overview fits.
    """
    write = partial(
        page_text, data, gathered, overview, classes, audio=audio, n_best=n_best, explained=explained
    )
    bare = assets.Assets({}, 0, 0, 0, ())
    room = limit_bytes - _SPARE_BYTES - len(write([], bare, ()).encode())
    if room <= 0:
        raise InputError(
            f"the overview alone takes {(limit_bytes - room) / 1e6:.3f} MB, the limit is {limit_bytes / 1e6:.3f} MB: "
            "raise max_mb"
        )
    records, dropped = fit_records(list(gathered.records.values()), room)
    chosen = assets.choose(
        data.run.root,
        assets.best_ranks(ranked_rows(records)),
        dict(data.clips.select("row", "id").iter_rows()),
        sample_rate=sample_rate(data),
        room_bytes=max(0, limit_bytes - _SPARE_BYTES - len(write(records, bare, ()).encode())),
        audio=audio,
    )
    dropped = replace(
        dropped,
        n_sounds=chosen.n_without_sound,
        n_pictures=chosen.n_without_picture,
        bitrate_kbps=chosen.bitrate_kbps,
    )
    notes = size_notes(dropped, chosen.full_ranks, limit_bytes)
    return Fitted(write(records, chosen, notes), len(records), chosen.n_with_sound, dropped, notes)


def fit_records(records: list[dict[str, Any]], room_bytes: int) -> tuple[list[dict[str, Any]], Dropped]:
    """Return the records that fit, and what was cut from them.

    Parameters
    ----------
    records : list of dict
        The most important first.
    room_bytes : int
        Bytes of the page that they share with sounds and pictures.
    """
    deepest = max((max(len(one["t"]), len(one["b"])) for one in records), default=0)
    n_others, first = sum(len(one["o"]) for one in records), min(1, deepest)
    ways = [(n, True, _DATA_SHARE) for n in range(deepest, 0, -1)] or [(0, True, _DATA_SHARE)]
    for n_ranks, others, share in [*ways, (first, False, _DATA_SHARE), (first, False, _MOST_DATA_SHARE)]:
        cut = [_cut(one, n_ranks, others) for one in records]
        ends = np.cumsum([len(payload.script_json(one).encode()) + 1 for one in cut])
        if not records or ends[-1] <= share * room_bytes:
            return cut, Dropped(n_ranks=deepest - n_ranks, n_others=0 if others else n_others)
    fitting = cut[: int(np.searchsorted(ends, share * room_bytes, side="right"))]
    return fitting, Dropped(len(records) - len(fitting), deepest - first, n_others)


def _cut(record: dict[str, Any], n_ranks: int, others: bool) -> dict[str, Any]:
    ranked = {"t": record["t"][:n_ranks], "b": record["b"][:n_ranks]}
    return record | ranked if others else record | ranked | {"o": []}


def size_notes(dropped: Dropped, full_ranks: int, limit_bytes: int) -> tuple[str, ...]:
    """Return in words what the size limit left out; empty where everything is there."""
    limit = f"to keep the page below {limit_bytes / 1e6:g} MB"
    notes = []
    if dropped.n_neurons:
        which = _are(dropped.n_neurons, "neuron", " with the weakest descriptions")
        notes.append(f"{which} not listed, {limit}.")
    if dropped.n_ranks:
        ranks = (
            "rank of clips of each neuron is"
            if dropped.n_ranks == 1
            else (f"{dropped.n_ranks} ranks of clips of each neuron are")
        )
        notes.append(f"The lowest {ranks} not shown, {limit}.")
    if dropped.n_others:
        which = _are(dropped.n_others, "description", " by further methods")
        notes.append(f"{which} not shown, {limit}.")
    if dropped.bitrate_kbps:
        notes.append(
            f"Sounds are MP3 of {dropped.bitrate_kbps} kbit/s, {limit}; the run folder keeps them in better quality."
        )
    if dropped.n_sounds:
        kept = (
            f"every clip up to rank {full_ranks} can be played"
            if full_ranks
            else "rank 1 is not complete either"
        )
        which = _are(dropped.n_sounds, "clip", " of the lowest ranks")
        notes.append(f"{which} without sound, {limit}; {kept}.")
    if dropped.n_pictures:
        which = _are(dropped.n_pictures, "clip", " of the lowest ranks")
        notes.append(f"{which} without picture, {limit}.")
    return tuple(notes)


def _are(n: int, noun: str, which: str) -> str:
    return f"1 {noun}{which} is" if n == 1 else f"{n:,} {noun}s{which} are"
