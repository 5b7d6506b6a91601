"""Which clips belong to which class? The label sets of a run as weights, single, combined or derived.

A *task* is named by its label set (``digit``), by several joined with ``+`` (``digit+speaker``: every combination
that occurs is a class), or by the name of a map from a label set to coarser classes (``octave`` of ``note``). Clips
that failed, or carry no label of the task, are left out.

Where clips carry several labels (``multi``): ``refuse`` raises, because events that sound together confound each
other; ``split`` gives each of a clip's n labels a weight of 1/n; ``every`` counts the clip whole for each of them.

What carries labels may also be the run's labelled *events* (``by="event"``: phones, words, notes, sound events): the
label set ``event`` is their label, further columns of theirs are label sets as well, and those of the clips hold for
every event in them (``event+speaker``). Sounds that overlap in a clip are then told apart. Groups are those of the
clips unless the events have a column ``group`` of their own, as those of mixtures do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data.select import chosen_rows
from otoscope.errors import EmptyDataError, InputError, UnknownNameError
from otoscope.store import event_counts
from otoscope.store.run import Run

By = Literal["clip", "event"]
EVENT = "event"
"""Name of the label set that the events' label makes."""
SOURCE = "source"
"""Column of the events that says which recording is heard, in mixtures that repeat their sources."""

Multi = Literal["refuse", "split", "every"]
JOINT, JOINED = "+", "|"
Maps = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Labelling:
    """A task: clips, classes, and who belongs where.

    Attributes
    ----------
    task : str
    classes : tuple of str
    rows : array of int64 (clip,)
        Rows of the run: of its clips, or of its events where those carry the labels.
    weights : array of float32 (clip, class)
        Membership: 0 or 1, fractions only where ``multi`` splits.
    groups : array (clip,)
        What is exchanged whole.
    strata : array (clip,) or None
        Groups change places only within these.
    sources : array (clip,) or None
        Of events: the recording that is heard, where several mixtures repeat one. Its events are dealt together.
    left_out : int
        Labelled events without a position in some layer.
    """

    task: str
    classes: tuple[str, ...]
    rows: NDArray[np.int64]
    weights: NDArray[np.float32]
    groups: NDArray[np.str_]
    strata: NDArray[np.str_] | None = None
    sources: NDArray[np.str_] | None = None
    left_out: int = 0

    def taken(self, clips: NDArray[np.int64]) -> Labelling:
        """Return the task on some of its clips; classes stay."""
        strata, sources = (None if one is None else one[clips] for one in (self.strata, self.sources))
        return replace(
            self,
            rows=self.rows[clips],
            weights=self.weights[clips],
            groups=self.groups[clips],
            strata=strata,
            sources=sources,
        )


def label(
    run: Run,
    task: str,
    *,
    multi: Multi = "refuse",
    maps: Maps | None = None,
    group: str = "group",
    strata: str | None = None,
    by: By = "clip",
    folds: str | None = None,
    split: str | None = None,
) -> Labelling:
    """Return the task's labelling of the run's usable clips, or of the events in them.

    Parameters
    ----------
    run : Run
    task : str
        See the module.
    multi : {"refuse", "split", "every"}
    maps : mapping
        ``{"octave=note": {"60": "4", ...}}``: a new label set from another, its classes in the order in which that
        one's classes lead to them; classes not named are left out.
    group : str
        Column of ``clips.parquet`` that is exchanged whole; ``row``: every clip alone.
    strata : str or None
        Column within which groups change places.
    by : {"clip", "event"}
        What carries the labels. Groups and strata of an event are those of its clip, or a column of its own.
    folds, split : str or None
        Only clips of these folds and splits (``1-4``; ``train,valid``), or the events in them; None: all.

    Raises
    ------
    StageError
        If events are asked for and the run counted nothing by event.
    UnknownNameError
        If a label set or column does not exist.
    InputError
        If clips carry several labels and ``multi`` refuses, the task has fewer than two classes, or clips of one only,
        or the clips have no such fold or split.
    EmptyDataError
        If no clip is labelled, or none is in these folds and splits.
    """
    table, sets = _clips(run) if by == "clip" else _events(run)
    table = _part(run, table, folds, split)
    parts = [_members(sets, table, one, multi, maps or {}) for one in task.split(JOINT)]
    classes, weights = parts[0] if len(parts) == 1 else _combined(task, parts)
    kept = np.flatnonzero(weights.sum(axis=1) > 0)
    if not len(kept):
        raise EmptyDataError(f"no {by} of {run.root} carries a label of {task!r}")
    if len(classes) < 2:
        raise InputError(f"{task!r} has one class, {classes[0]!r}: nothing can be selective for it")
    there = np.flatnonzero(weights.any(axis=0))
    if len(there) < 2:
        raise InputError(
            f"all {len(kept)} {by}s of {run.root} that carry a label of {task!r} are of its class "
            f"{classes[there[0]]!r}: nothing can be selective for it without {by}s of another"
        )
    return Labelling(
        task,
        classes,
        table["_row"].to_numpy()[kept].astype(np.int64),
        weights[kept],
        _column(table, group, "group")[kept],
        None if strata is None else _column(table, strata, "strata")[kept],
        _column(table, SOURCE, "source")[kept] if by == "event" and SOURCE in sets else None,
    )


def tasks(run: Run, by: By = "clip") -> tuple[str, ...]:
    """Return the names of the run's label sets, the primary one first; of events: their label."""
    if by == "event":
        return (EVENT,)
    return tuple(one["name"] for one in run.manifest["data"]["label_sets"])


Members = tuple[tuple[str, ...], NDArray[np.float32]]
Sets = Mapping[str, Sequence[str]]
"""Label set -> its classes."""


def _clips(run: Run) -> tuple[pl.DataFrame, Sets]:
    sets = {one["name"]: one["classes"] for one in run.manifest["data"]["label_sets"]}
    return run.clips().filter(pl.col("status") == "ok").with_columns(_row=pl.col("row")), sets


def _events(run: Run) -> tuple[pl.DataFrame, Sets]:
    """Return the events of usable clips, beside the columns of their clips, and all label sets."""
    clips, sets = _clips(run)
    events = event_counts.table(run).rename({"label": EVENT}).with_row_index("_row")
    own = [one for one in events.columns if events[one].dtype == pl.String]
    classes = {one: sorted(events[one].drop_nulls().unique()) for one in own}
    shared = [one for one in events.columns if one != "row"]
    joined = events.join(clips.drop(shared, strict=False), on="row", how="inner", maintain_order="left")
    return joined, {**sets, **classes}


def _part(run: Run, table: pl.DataFrame, folds: str | None, split: str | None) -> pl.DataFrame:
    """Return the rows of some folds and splits of the clips."""
    for name, asked in (("fold", folds), ("split", split)):
        if asked is not None and name not in table.columns:
            raise InputError(f"{run.root} has no {name}s, so {name} {asked} cannot be chosen")
    rows = chosen_rows(table, folds=folds, split=split, limit=None, seed=None, spec=str(run.root))
    return table if rows is None else table[rows]


def _members(sets: Sets, table: pl.DataFrame, name: str, multi: Multi, maps: Maps) -> Members:
    for key, mapping in maps.items():
        made, _, source = key.partition("=")
        if made == name:
            return _mapped(_members(sets, table, source, multi, {}), name, mapping)
    if name not in sets:
        raise UnknownNameError.of("label set", name, [*sets, *(key.partition("=")[0] for key in maps)])
    classes = tuple(sets[name])
    carried = [_several(one) for one in table[name].to_list()]
    if multi == "refuse" and any(len(one) > 1 for one in carried):
        raise InputError(
            f"clips carry several labels of {name!r}: what sounds together confounds each other's neurons. Set multi "
            "to 'split' (a weight of 1/n for each of n labels) or 'every' (counted whole for each)"
        )
    return classes, _weights(carried, classes, split=multi == "split")


def _several(value: object) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, (list, tuple, pl.Series)) else [str(value)]


def _weights(carried: Sequence[Sequence[str]], classes: Sequence[str], *, split: bool) -> NDArray[np.float32]:
    index = {one: place for place, one in enumerate(classes)}
    weights = np.zeros((len(carried), len(classes)), dtype=np.float32)
    for row, names in enumerate(carried):
        places = [index[one] for one in set(names)]
        weights[row, places] = 1 / len(places) if split and places else 1
    return weights


def _mapped(members: Members, name: str, mapping: Mapping[str, str]) -> Members:
    classes, weights = members
    unknown = [one for one in mapping if one not in classes]
    if unknown:
        raise UnknownNameError.of(f"class that {name!r} is made of", unknown[0], classes)
    made = tuple(dict.fromkeys(mapping[one] for one in classes if one in mapping))
    to = np.zeros((len(classes), len(made)), dtype=np.float32)
    for one, target in mapping.items():
        to[classes.index(one), made.index(target)] = 1
    return made, np.minimum(weights @ to, 1)


def _combined(task: str, parts: Sequence[Members]) -> Members:
    """Return the combinations that occur; each part must give every clip at most one class."""
    if any((weights > 0).sum(axis=1).max(initial=0) > 1 for _, weights in parts):
        raise InputError(f"{task!r} combines label sets, so each of them must give a clip one label only")
    labelled = np.all([weights.sum(axis=1) > 0 for _, weights in parts], axis=0)
    codes = np.stack([weights.argmax(axis=1) for _, weights in parts], axis=1)
    kinds, which = np.unique(codes[labelled], axis=0, return_inverse=True)
    names = tuple(JOINED.join(part[0][code] for part, code in zip(parts, kind)) for kind in kinds)
    weights = np.zeros((len(codes), len(names)), dtype=np.float32)
    weights[np.flatnonzero(labelled), which.reshape(-1)] = 1
    return names, weights


def _column(table: pl.DataFrame, name: str, role: str) -> NDArray[np.str_]:
    if name not in table.columns:
        raise UnknownNameError.of(f"{role} column", name, [one for one in table.columns if one != "_row"])
    return np.array([str(one) for one in table[name].to_list()])
