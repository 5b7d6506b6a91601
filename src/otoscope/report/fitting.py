"""Fits a run into one page: what is shown, and what is left out where the page would be too large.

The neurons' data may take half of the room that the page's frame leaves. Where it is more, the lowest ranks of
ranked clips go first, then the neurons with the weakest descriptions. The rest of the room is for sounds and
pictures (:mod:`otoscope.report.assets`). Everything left out is counted and said in the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from otoscope.errors import InputError
from otoscope.progress import track
from otoscope.report import assets, page, payload
from otoscope.report.neurons import neuron_view, read_layer
from otoscope.report.overview import STRONG, Confounds, best_first
from otoscope.report.reading import RunData, clip_views
from otoscope.report.views import NeuronView, OverviewView

_DATA_SHARE = 0.5
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
    n_sounds, n_pictures : int
        Shown clips without their sound or picture.
    """

    n_neurons: int = 0
    n_ranks: int = 0
    n_sounds: int = 0
    n_pictures: int = 0


@dataclass(frozen=True)
class Gathered:
    """A run's neurons, ready for the page.

    Attributes
    ----------
    records : dict of int to dict
        Compact records by global number, the best described first.
    strings : Strings
        The table they refer to.
    best : tuple of NeuronView
        The best described neurons.
    confounds : Confounds
        Rank correlations by layer and measure, NaN for dead neurons.
    bars : tuple of float or None
        Each layer's 95th percentile of control scores.
    """

    records: dict[int, dict[str, Any]]
    strings: payload.Strings
    best: tuple[NeuronView, ...]
    confounds: Confounds
    bars: tuple[float | None, ...]


@dataclass(frozen=True)
class Fitted:
    """A page of the allowed size, and what it holds."""

    text: str
    n_neurons: int
    n_clips_with_sound: int
    dropped: Dropped
    notes: tuple[str, ...]


def gather(data: RunData, *, alpha: float, n_clips: int, n_best: int) -> Gathered:
    """Return every neuron's record; one layer's evidence is in memory at a time."""
    order = best_first(data, alpha)
    wanted, best = set(order[:n_best]), {}
    records: dict[int, dict[str, Any]] = {}
    strings, confounds, bars = payload.Strings(), {}, []
    for place, record in enumerate(track(data.run.layers, len(data.run.layers), "reading neurons")):
        layer = read_layer(data, record.name)
        dead = np.array([row["dead"] for row in layer.neurons], dtype=bool)
        confounds[record.name] = {name: np.where(dead, np.nan, r) for name, (r, _) in layer.confounds.items()}
        bars.append(layer.control_bar)
        for row in layer.neurons:
            view = neuron_view(layer, row, alpha=alpha, n_clips=n_clips)
            records[view.neuron] = payload.neuron_record(view, place, strings)
            if view.neuron in wanted:
                best[view.neuron] = view
    return Gathered(
        records={neuron: records[neuron] for neuron in order},
        strings=strings,
        best=tuple(best[neuron] for neuron in order[:n_best]),
        confounds=confounds,
        bars=tuple(bars),
    )


def fit(
    data: RunData, gathered: Gathered, overview: OverviewView, *, limit_bytes: int, audio: bool, n_best: int
) -> Fitted:
    """Return the page within ``limit_bytes``.

    Raises
    ------
    InputError
        If not even the overview fits.
    """
    write = partial(page_text, data, gathered, overview, audio=audio, n_best=n_best)
    bare = assets.Assets({}, 0, 0, 0, ())
    room = limit_bytes - _SPARE_BYTES - len(write([], bare, ()).encode())
    if room <= 0:
        raise InputError(
            f"the overview alone takes {(limit_bytes - room) / 1e6:.3f} MB, the limit is {limit_bytes / 1e6:.3f} MB: "
            "raise max_mb"
        )
    records, n_ranks_cut = fit_records(list(gathered.records.values()), int(room * _DATA_SHARE))
    chosen = assets.choose(
        data.run.root,
        assets.best_ranks(_ranked_rows(records)),
        dict(data.clips.select("row", "id").iter_rows()),
        sample_rate=_sample_rate(data),
        room_bytes=max(0, limit_bytes - _SPARE_BYTES - len(write(records, bare, ()).encode())),
        audio=audio,
    )
    lost = len(gathered.records) - len(records)
    dropped = Dropped(lost, n_ranks_cut, chosen.n_without_sound, chosen.n_without_picture)
    notes = size_notes(dropped, chosen.full_ranks, limit_bytes)
    return Fitted(write(records, chosen, notes), len(records), chosen.n_with_sound, dropped, notes)


def fit_records(records: list[dict[str, Any]], room_bytes: int) -> tuple[list[dict[str, Any]], int]:
    """Return the records that fit, and how many ranks per pole were cut from them.

    Parameters
    ----------
    records : list of dict
        The most important first.
    room_bytes : int
        Bytes of JSON that they may take.
    """
    deepest = max((max(len(one["t"]), len(one["b"])) for one in records), default=0)
    for n_ranks in range(deepest, -1, -1):
        cut = [one | {"t": one["t"][:n_ranks], "b": one["b"][:n_ranks]} for one in records]
        sizes = np.cumsum([len(payload.script_json(one).encode()) + 1 for one in cut])
        if not records or sizes[-1] <= room_bytes:
            return cut, deepest - n_ranks
    return cut[: int(np.searchsorted(sizes, room_bytes, side="right"))], deepest


def size_notes(dropped: Dropped, full_ranks: int, limit_bytes: int) -> tuple[str, ...]:
    """Return in words what the size limit left out; empty where everything is there."""
    limit = f"to keep the page below {limit_bytes / 1e6:g} MB"
    notes = []
    if dropped.n_neurons:
        notes.append(f"{dropped.n_neurons:,} neurons with the weakest descriptions are not listed, {limit}.")
    if dropped.n_ranks:
        notes.append(f"The lowest {dropped.n_ranks} ranks of clips of each neuron are not shown, {limit}.")
    if dropped.n_sounds:
        kept = (
            f"every clip up to rank {full_ranks} can be played"
            if full_ranks
            else "rank 1 is not complete either"
        )
        notes.append(f"{dropped.n_sounds:,} clips of the lowest ranks are without sound, {limit}; {kept}.")
    if dropped.n_pictures:
        notes.append(f"{dropped.n_pictures:,} clips of the lowest ranks are without picture, {limit}.")
    return tuple(notes)


def page_text(
    data: RunData,
    gathered: Gathered,
    overview: OverviewView,
    records: list[dict[str, Any]],
    chosen: assets.Assets,
    notes: tuple[str, ...],
    *,
    audio: bool,
    n_best: int,
) -> str:
    """Return the page with these records, assets and notes."""
    clips = clip_views(data)
    rows = {row for ranked in _ranked_rows(records or list(gathered.records.values())) for row in ranked}
    shown = [clip for clip in clips if clip.row in rows]
    low = _lowest_score(data)
    content = {
        "format": 1,
        "layers": [one.name for one in data.run.layers],
        "measures": list(data.measures),
        "bars": [payload.rounded(bar) for bar in gathered.bars],
        "strong": STRONG,
        "range": [low, 1],
        "described": data.method is not None,
        "audio": audio,
        "sample_rate": _sample_rate(data),
        "seconds": {str(row): one.duration_s for row, one in chosen.by_row.items()},
        "clips": payload.clip_records(shown if records else (), rows, gathered.strings),
        "neurons": sorted(records, key=lambda one: one["n"]),
        "strings": gathered.strings.all,
    }
    return page.render(
        {
            "overview": overview,
            "best": [one for one in gathered.best if one.verdict == "confirmed"][:n_best],
            "notes": notes,
            "range": (low, 1.0),
            "clips": shown,
            "credited": any(clip.credit for clip in shown),
            "assets": list(chosen.by_row.values()),
            "asset_failures": chosen.failures,
            "n_with_sound": chosen.n_with_sound,
        },
        payload.script_json(content),
    )


def _ranked_rows(records: Sequence[dict[str, Any]]) -> list[list[int]]:
    return [[clip[0] for clip in one[pole]] for one in records for pole in ("t", "b")]


def _sample_rate(data: RunData) -> int:
    return int(data.run.manifest["model"]["sample_rate"])


def _lowest_score(data: RunData) -> float:
    """Return the lower end of the axis of held-out scores: a quarter step below all that is drawn."""
    if data.descriptions.is_empty():
        return -0.25
    columns = data.descriptions.select("heldout_pearson", "heldout_low", "control_pearson").fill_nan(None)
    lowest = min((value for value in columns.min().row(0) if value is not None), default=0.0)
    return max(-1.0, min(-0.25, float(np.floor(lowest * 4) / 4)))
