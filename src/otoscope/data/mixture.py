"""Real sounds mixed with known onsets and gains: ``mix:esc10:PATH?n=200&sources=1-3``.

What is a multi-label set good for if nobody knows what sounds when? Here every mixture carries its parts. Of each
part the stretch between its first and its last sample above -60 dB of its peak is used, at most ``max_part_s`` of it,
faded at both ends; it lies whole within the mixture at a drawn onset. The first part has the level ``level_db`` (RMS
over its stretch, dBFS), every other one ``gain_db`` more, drawn from ``gains_db``: the SNR of the first against it is
-gain_db.

The parts are the mixture's events (row, onset_s, offset_s, label, then gain_db, group, part, source), their classes its
labels. Parts of one mixture have distinct classes. ``group`` of an event is that of its source: a source is heard in
several mixtures, and its events are no more independent than the clips of a recording.

**Groups.** Every fold and split is mixed from its own clips alone. Within it the groups of the collection (its
recordings, its speakers) are dealt into cells of about ``cell_groups``, classes spread evenly, and a mixture takes
all its parts from one cell: the cell is its group. So no group of the collection is on both sides of a split by fold,
by split or by group, and statistics may exchange cells.

A mixture depends on the collection, the seed and its own number alone: the first 50 of 200 are the 50 of 50. Sources
that cannot be read, or hold nothing but silence, are left out while drawing (a warning counts them; a mixture may
then have fewer parts, within the range). Nothing is written: sounds are rendered when they are read;
:func:`otoscope.data.mixture_write.write_mixtures` writes them. Opening reads every source that is used once, to find
its stretch.
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.mixture_source import MixtureSource, stretch_of
from otoscope.data.seeded import seeded
from otoscope.data.table import assemble
from otoscope.errors import EmptyDataError, Failure, InputError, OtoscopeError
from otoscope.store.hashing import canonical_json

ONSETS = ("random", "start", "apart")
"""Where a part begins: anywhere that it fits, at 0 (all at once), or after the part before (digits become numbers)."""

_EXPECTED = "mix:DATA?n=200&sources=2&duration_s=5&gains_db=-6,6&max_part_s=3&cell_groups=6&seed=0"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How mixtures are made; see :func:`load` for each field."""

    n: int
    sources: tuple[int, int]
    duration_s: float
    gains_db: tuple[float, float]
    max_part_s: float
    cell_groups: int
    onset: str
    seed: int

    def __post_init__(self) -> None:
        """Refuse what no mixture can be made by."""
        low, high = self.sources
        for name, fine, value, allowed in (
            ("n", self.n >= 1, self.n, "at least 1"),
            ("sources", 1 <= low <= high, f"{low}-{high}", "at least 1, the larger number last"),
            ("duration_s", self.duration_s > 0, self.duration_s, "above 0"),
            ("gains_db", self.gains_db[0] <= self.gains_db[1], self.gains_db, "the larger number last"),
            (
                "max_part_s",
                0 < self.max_part_s <= self.duration_s,
                self.max_part_s,
                f"above 0 and at most duration_s, {self.duration_s:g}",
            ),
            ("cell_groups", self.cell_groups >= 1, self.cell_groups, "at least 1"),
            ("onset", self.onset in ONSETS, self.onset, f"one of {', '.join(ONSETS)}"),
        ):
            if not fine:
                raise InputError(f"mix: {name} cannot be {value}: it is {allowed}. Expected: {_EXPECTED}")


def load(
    rest: str,
    *,
    n: int = 200,
    sources: str = "2",
    duration_s: float = 5.0,
    gains_db: str = "-6,6",
    max_part_s: float = 3.0,
    cell_groups: int = 6,
    onset: str = "random",
    labels: str = "",
    level_db: float = -26.0,
    sample_rate: int = 16000,
    seed: int = 0,
) -> Clips:
    """Return mixtures of another collection's clips with known onsets and gains: mix:DATA.

    Parameters
    ----------
    rest : str
        The other collection, such as ``esc10:PATH``; its own options are written with ``%3F`` for the question mark and
        ``%26`` for ``&``.
    n : int
        How many mixtures.
    sources : str
        Parts of a mixture: a number, or a range such as ``1-3``.
    duration_s : float
        Length of a mixture.
    gains_db : str
        Two numbers: the level of every part after the first, relative to the first, is drawn between them.
    max_part_s : float
        Longest part.
    cell_groups : int
        About how many groups of the collection make a group of mixtures.
    onset : {"random", "start", "apart"}
        Where parts begin; ``apart``: one after the other with random pauses, as many as fit.
    labels : str
        The label set, with one label a clip; empty is the primary one.
    level_db : float
        RMS level of the first part in dBFS; a sum beyond full scale is turned down as a whole.
    sample_rate : int
        Hz.
    seed : int
        Equal seeds give equal mixtures.

    Raises
    ------
    InputError
        If an option cannot be used, the label set gives a clip several labels, or a cell has too few classes.
    EmptyDataError
        If no source can be used.
    """
    from otoscope.data import open_data

    recipe = Recipe(n, _range(sources), duration_s, _pair(gains_db), max_part_s, cell_groups, onset, seed)
    return mixtures(open_data(unquote(rest)), recipe, labels, level_db, sample_rate, spec=f"mix:{rest}")


def mixtures(
    clips: Clips,
    recipe: Recipe,
    labels: str = "",
    level_db: float = -26.0,
    sample_rate: int = 16000,
    *,
    spec: str = "mix",
) -> Clips:
    """Return mixtures of ``clips`` by ``recipe``; see :func:`load`."""
    chosen = clips.label_set(labels or None)
    if chosen.kind == "multi":
        raise InputError(
            f"mix: each part has one label, but {chosen.name!r} of {clips.spec} gives a clip several"
        )
    heard = _Heard(clips)
    cells = _cells(clips, chosen, recipe)
    made = [
        _mixture(clips, chosen, recipe, cells[i % len(cells)], f"mix-{i:05d}", heard) for i in range(recipe.n)
    ]
    if heard.failures:
        first = next(iter(heard.failures.values()))
        _log.warning(
            "%s: %d sources cannot be used and were left out, such as %s (%s)",
            clips.spec,
            len(heard.failures),
            first.id,
            first.reason,
        )
    frame = pl.DataFrame(
        [_row(one, chosen) for one in made], schema_overrides={chosen.name: pl.List(pl.String)}
    )
    return assemble(
        frame,
        [LabelSet(chosen.name, chosen.classes, "multi")],
        MixtureSource(clips.source, sample_rate, recipe.duration_s, level_db),
        name="mix",
        spec=spec,
        expected=_EXPECTED,
        group_declared=clips.group_declared,
        events=_events(made),
    )


@dataclass(frozen=True)
class Cell:
    """Clips that are mixed with one another: class -> rows; a class that few cells have is drawn there more often."""

    name: str
    fold: int | None
    split: str | None
    rows: dict[str, list[int]]
    weights: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Mixture:
    """A mixture: its id, its cell and its parts as :class:`MixtureSource` reads them."""

    id: str
    cell: Cell
    parts: tuple[dict[str, Any], ...]


@dataclass
class _Heard:
    """The stretches of the sources that were looked at, and those that cannot be used."""

    clips: Clips
    stretches: dict[int, tuple[float, float]] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)

    def stretch(self, row: int) -> tuple[float, float] | None:
        """Return start and length in seconds of what sounds in a clip; None where it cannot be used."""
        if row not in self.stretches and row not in self.failures:
            record = self.clips.record(row)
            try:
                found = stretch_of(*self.clips.source.read(record))
            except (OtoscopeError, OSError) as error:
                self.failures[row] = Failure(row, str(record["id"]), "mix", str(error))
                return None
            if found is None:
                self.failures[row] = Failure(row, str(record["id"]), "mix", "digital silence")
                return None
            self.stretches[row] = found
        return self.stretches.get(row)


def _cells(clips: Clips, labels: LabelSet, recipe: Recipe) -> list[Cell]:
    """Return the cells of every fold and split, in order."""
    table = clips.table.filter(pl.col(labels.name).is_not_null())
    if not table.height:
        raise EmptyDataError(f"{clips.spec} has no clip with a label of {labels.name!r}")
    cells = []
    for (fold, split), part in table.group_by("fold", "split", maintain_order=True):
        place = ", ".join(text for text in (None if fold is None else f"fold {fold}", split) if text) or "all"
        groups = _dealt(part, labels.name, recipe)
        for number in range(max(groups.values()) + 1):
            inside = part.filter(pl.col("group").replace_strict(groups, return_dtype=pl.Int64) == number)
            rows: dict[str, list[int]] = {}
            for name, row in inside.select(labels.name, "row").iter_rows():
                rows.setdefault(name, []).append(row)
            cells.append(Cell(f"{place}, cell {number}", fold, split, rows))
    poor = next((one for one in cells if len(one.rows) < recipe.sources[1]), None)
    if poor is not None:
        raise InputError(
            f"mix: the clips of {poor.name} have {len(poor.rows)} classes, too few for {recipe.sources[1]} parts "
            f"of distinct classes: raise cell_groups (now {recipe.cell_groups})"
        )
    n_cells = Counter(name for one in cells for name in one.rows)
    order = seeded(recipe.seed, "cells").permutation(len(cells))
    return [
        replace(cells[index], weights={one: 1 / n_cells[one] for one in cells[index].rows}) for index in order
    ]


def _dealt(part: pl.DataFrame, label: str, recipe: Recipe) -> dict[str, int]:
    """Return group -> cell; the groups of each class take turns, so that classes are spread evenly."""
    first = part.group_by("group", maintain_order=True).agg(pl.col(label).first())
    rng = seeded(recipe.seed, "groups", *first["group"].to_list())
    order = sorted(
        zip(first[label].to_list(), rng.random(first.height).tolist(), first["group"].to_list(), strict=True)
    )
    n_cells = max(1, first.height // recipe.cell_groups)
    return {group: place % n_cells for place, (_, _, group) in enumerate(order)}


def _mixture(clips: Clips, labels: LabelSet, recipe: Recipe, cell: Cell, name: str, heard: _Heard) -> Mixture:
    """Draw one mixture."""
    rng = seeded(recipe.seed, "mixture", name)
    wanted = int(rng.integers(recipe.sources[0], recipe.sources[1] + 1))
    parts: list[dict[str, Any]] = []
    left = recipe.duration_s
    for row, (start, length) in _usable(cell, rng, heard):
        record = clips.record(row)
        length = min(length, recipe.max_part_s)
        if recipe.onset == "apart" and length > left:
            continue
        left -= length
        latest = recipe.duration_s - length
        onset, gain = rng.random() * latest, rng.uniform(*recipe.gains_db)
        onset = 0.0 if recipe.onset == "start" else onset
        parts.append(
            {
                "source": record["id"],
                "group": record["group"],
                "label": record[labels.name],
                "onset_s": round(onset, 6),
                "offset_s": round(onset + length, 6),
                "gain_db": round(gain, 3) if parts else 0.0,
                "start_s": start,
                "record": {one: record[one] for one in clips.source.columns},
            }
        )
        if len(parts) == wanted:
            break
    if len(parts) >= recipe.sources[0]:
        return Mixture(name, cell, tuple(_apart(parts, left, rng) if recipe.onset == "apart" else parts))
    fit = f", or fit into {recipe.duration_s:g} s one after the other" if recipe.onset == "apart" else ""
    raise EmptyDataError(
        f"mix: {cell.name} has sounds of {len(parts)} classes that can be used{fit}; {recipe.sources[0]} are wanted"
    )


def _apart(parts: list[dict[str, Any]], silence_s: float, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return the parts one after the other, the silence that is left dealt to the pauses around them."""
    edges = np.sort(rng.random(len(parts))) * silence_s
    placed, passed = [], 0.0
    for part, before in zip(parts, edges.tolist(), strict=True):
        length = part["offset_s"] - part["onset_s"]
        onset = before + passed
        placed.append({**part, "onset_s": round(onset, 6), "offset_s": round(onset + length, 6)})
        passed += length
    return placed


def _usable(cell: Cell, rng: np.random.Generator, heard: _Heard) -> Iterator[tuple[int, tuple[float, float]]]:
    """Yield one usable clip a class, classes by their weights and clips in random order."""
    classes = list(cell.rows)
    shares = np.array([cell.weights[one] for one in classes])
    for place in rng.choice(len(classes), len(classes), replace=False, p=shares / shares.sum()).tolist():
        rows: NDArray[np.int64] = rng.permutation(cell.rows[classes[place]])
        for row in rows.tolist():
            stretch = heard.stretch(row)
            if stretch is not None:
                yield row, stretch
                break


def _row(made: Mixture, labels: LabelSet) -> dict[str, Any]:
    names = {one["label"] for one in made.parts}
    return {
        "path": made.id,
        "group": made.cell.name,
        "fold": made.cell.fold,
        "split": made.cell.split,
        labels.name: [one for one in labels.classes if one in names],
        "n_parts": len(made.parts),
        "parts": canonical_json(made.parts),
    }


def _events(made: Sequence[Mixture]) -> pl.DataFrame:
    """Return the parts as events, in order of rows and onsets."""
    rows = [
        (
            row,
            one["onset_s"],
            one["offset_s"],
            one["label"],
            one["gain_db"],
            one["group"],
            number,
            one["source"],
        )
        for row, mixture in enumerate(made)
        for number, one in enumerate(mixture.parts)
    ]
    schema = {"row": pl.Int64, "onset_s": pl.Float64, "offset_s": pl.Float64, "label": pl.String}
    more = {"gain_db": pl.Float64, "group": pl.String, "part": pl.Int64, "source": pl.String}
    return pl.DataFrame(rows, schema={**schema, **more}, orient="row").sort(
        "row", "onset_s", maintain_order=True
    )


def parts_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a mixture's row: source, group, label, onset_s, offset_s, gain_db, start_s, record."""
    parts: list[dict[str, Any]] = json.loads(record["parts"])
    return parts


def _range(text: str) -> tuple[int, int]:
    low, dash, high = str(text).partition("-")
    try:
        return int(low), int(high if dash else low)
    except ValueError:
        raise InputError(f"mix: sources is a number or a range such as 1-3, got {text!r}") from None


def _pair(text: str) -> tuple[float, float]:
    try:
        low, high = (float(one) for one in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(f"mix: gains_db is two numbers of decibels such as -6,6, got {text!r}")
    return low, high
