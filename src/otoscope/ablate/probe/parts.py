"""Which clips train a probe, which choose, which test?

The test part is named by fold or split, or drawn by group. The validation part is the collection's own split where it
has one, else drawn from the rest: whole groups, or, as EVAR does, clips at random with every class among them. Classes
are those of the training clips; clips of other classes cannot be judged and are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.ablate.probe.config import ProbeConfig
from otoscope.data.clips import Clips
from otoscope.data.select import chosen_rows
from otoscope.data.splits import split_by_group
from otoscope.errors import EmptyDataError, InputError, UnknownNameError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """Rows of each part, ascending, and what the probe is to tell apart.

    Attributes
    ----------
    train, valid, test : array of int64 (clip,)
    label_set : str
    classes : tuple of str
        Those of the training clips, in the label set's order.
    labels : array
        Of all clips: int64 (clip,), -1 without one, or bool (clip, class).
    groups : array of str (clip,)
        Of all clips.
    left_out : int
        Test and validation clips of classes that no training clip has.
    shared_groups : int
        Groups with clips on both sides of training (with validation) and test.
    """

    train: Rows
    valid: Rows
    test: Rows
    label_set: str
    classes: tuple[str, ...]
    labels: NDArray[Any]
    groups: NDArray[np.str_]
    left_out: int
    shared_groups: int


def parts_of(clips: Clips, usable: Rows, config: ProbeConfig) -> Parts:
    """Return the parts of the clips.

    Parameters
    ----------
    clips : Clips
    usable : array of int64
        Rows that can be heard.
    config : ProbeConfig

    Raises
    ------
    InputError
        If there are no labels, a fold or split does not exist, or a part has no clip of two classes.
    EmptyDataError
        If a part is empty.
    """
    clips = _grouped(clips, config.group)
    name = clips.label_set(config.label_set).name
    labels = clips.targets(name)
    labelled = usable[_carried(labels)[usable]]
    test = _test(clips, labelled, config)
    rest = np.setdiff1d(labelled, test)
    if not len(test) or not len(rest):
        raise EmptyDataError(f"a part is empty: {len(rest)} clips to train on, {len(test)} to test on")
    train, valid = _divided(clips, rest, name, config)
    return _of_classes(clips, name, labels, train, valid, test)


def _grouped(clips: Clips, column: str) -> Clips:
    if column == "group":
        return clips
    if column not in clips.table.columns:
        raise UnknownNameError.of("group column", column, clips.table.columns)
    return replace(clips, table=clips.table.with_columns(pl.col(column).cast(pl.String).alias("group")))


def _carried(labels: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(labels.any(axis=1) if labels.ndim == 2 else labels >= 0)


def _test(clips: Clips, labelled: Rows, config: ProbeConfig) -> Rows:
    asked = chosen_rows(
        clips.table,
        folds=config.test_folds,
        split=config.test_split,
        limit=None,
        seed=None,
        spec=clips.spec,
    )
    if asked is not None:
        return np.intersect1d(labelled, asked)
    shares = {"rest": 1 - config.test_share, "test": config.test_share}
    return labelled[split_by_group(clips.take(labelled), shares, config.seed, config.label_set)["test"]]


def _divided(clips: Clips, rest: Rows, name: str, config: ProbeConfig) -> tuple[Rows, Rows]:
    """Return the rows of training and validation."""
    split = clips.table["split"][rest]
    own = (split == config.valid_split).fill_null(False).to_numpy()
    if own.any() and not own.all():
        return rest[~own], rest[own]
    if config.hold_out == "random":
        held = random_with_every_class(clips.targets(name)[rest], config.valid, config.seed)
        return rest[~held], rest[held]
    shares = {"train": 1 - config.valid, "valid": config.valid}
    drawn = split_by_group(clips.take(rest), shares, config.seed, name)
    return rest[drawn["train"]], rest[drawn["valid"]]


def random_with_every_class(labels: NDArray[Any], share: float, seed: int) -> NDArray[np.bool_]:
    """Return which clips are held out: a random share, with one clip of each class that has two.

    Parameters
    ----------
    labels : array
        int64 (clip,) or bool (clip, class).
    share : float
        In (0, 1).
    seed : int

    Examples
    --------
    >>> held = random_with_every_class(np.array([0] * 18 + [1] * 2), 0.1, seed=0)
    >>> int(held.sum()), bool(held[18:].any())
    (2, True)
    """
    member = labels if labels.ndim == 2 else labels[:, None] == np.unique(labels)
    order = np.random.default_rng(seed).permutation(len(labels))
    held = np.zeros(len(labels), dtype=np.bool_)
    for column in member.T[:, order]:
        clips = order[column]
        if len(clips) > 1 and not held[clips].any():
            held[clips[0]] = True
    wanted = max(1, round(share * len(labels))) - int(held.sum())
    held[order[~held[order]][: max(0, wanted)]] = True
    return held


def _of_classes(clips: Clips, name: str, labels: NDArray[Any], train: Rows, valid: Rows, test: Rows) -> Parts:
    """Return the parts, without classes that no training clip has."""
    known = np.arange(_n(clips, name))
    there: NDArray[np.bool_] = (
        np.asarray(labels[train].any(axis=0)) if labels.ndim == 2 else np.isin(known, labels[train])
    )
    kept = np.flatnonzero(there)
    if len(kept) < 2:
        raise InputError(
            f"the {len(train)} training clips of {clips.spec} have fewer than two classes of {name!r}: where each "
            "group has one class only, whole groups cannot be held out (group='row' holds out clips)"
        )
    classes = tuple(clips.label_set(name).classes[one] for one in kept)
    if labels.ndim == 2:
        found: NDArray[Any] = labels[:, kept]
    else:
        number = np.full(len(there) + 1, -1, dtype=np.int64)
        number[kept] = np.arange(len(kept))
        found = number[labels]  # -1 stays -1, the last place
    judged = _carried(found)
    left_out = int((~judged[valid]).sum() + (~judged[test]).sum())
    valid, test = valid[judged[valid]], test[judged[test]]
    if not len(valid) or not len(test):
        raise EmptyDataError(
            f"no clip of a class that is trained on is left: {len(valid)} for validation, {len(test)} for the test. "
            "Name another test part, or hold out clips (group='row')"
        )
    groups = np.array([str(one) for one in clips.table["group"].to_list()])
    shared = np.intersect1d(groups[np.concatenate([train, valid])], groups[test])
    return Parts(train, valid, test, name, classes, found, groups, left_out, len(shared))


def _n(clips: Clips, name: str) -> int:
    return len(clips.label_set(name).classes)
