"""Which clips train, which choose the epoch, which test?

The test part is asked for by fold or split. The rest is split by group, so that no recording, speaker or artist
is heard in training and in validation. Clips without a label take no part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otoscope.data.clips import Clips
from otoscope.data.splits import split_by_group
from otoscope.errors import EmptyDataError, InputError
from otoscope.models.objective import objective_of


@dataclass(frozen=True)
class Parts:
    """Rows of the clips for each purpose, ascending.

    Attributes
    ----------
    train, valid, test : int64 (clip,)
        ``test`` is empty where no test part was asked for.
    unlabelled : int
        How many clips have no label.
    """

    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]
    unlabelled: int


def split_parts(
    clips: Clips,
    *,
    label_set: str | None,
    test_folds: str | None,
    test_split: str | None,
    valid: float | str,
    seed: int,
) -> Parts:
    """Return the rows for training, validation and test.

    Parameters
    ----------
    clips : Clips
        Labelled.
    label_set : str or None
        The labels by which the validation part is balanced; None is the primary set.
    test_folds, test_split : str or None
        The test part; both None: none.
    valid : float or str
        Share of the other clips, in (0, 1); or the folds of which the validation part is.
    seed : int
        Of the split by group.

    Raises
    ------
    InputError
        If a fold or split does not exist, the clips that are left are of one group, or folds of validation are tested.
    EmptyDataError
        If nothing is left to train on.
    """
    objective = objective_of(clips.label_set(label_set).kind)
    labelled = objective.labelled(objective.targets(clips, label_set))
    test = part_of(clips, test_folds, test_split)
    rest = np.flatnonzero(labelled & ~test).astype(np.int64)
    if rest.size == 0:
        raise EmptyDataError("every labelled clip is in the test part: nothing is left to train on")
    if isinstance(valid, str):
        train, chosen = by_folds(clips, labelled, test, valid)
        return Parts(train, chosen, np.flatnonzero(labelled & test), int((~labelled).sum()))
    shares = {"train": 1.0 - valid, "valid": valid}
    names = clips.label_set(label_set).name
    split = split_by_group(clips.take(rest), shares, seed=seed, stratify=names)
    train_rows, valid_rows = rest[np.sort(split["train"])], rest[np.sort(split["valid"])]
    return Parts(train_rows, valid_rows, np.flatnonzero(labelled & test), int((~labelled).sum()))


def by_folds(
    clips: Clips, usable: NDArray[np.bool_], test: NDArray[np.bool_], folds: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows for training and for validation where folds choose the epoch, each ascending.

    Parameters
    ----------
    clips : Clips
    usable, test : bool (clip,)
        Which clips can be learnt from, and which are the test part.
    folds : str
        Of validation.

    Raises
    ------
    InputError
        If a fold does not exist, or is tested.
    EmptyDataError
        If one of the parts is empty.
    """
    chosen = part_of(clips, folds, None)
    if (chosen & test).any():
        raise InputError(f"validation folds {folds} and the test part share clips: name other folds")
    train, valid = (np.flatnonzero(usable & part).astype(np.int64) for part in (~test & ~chosen, chosen))
    if not train.size or not valid.size:
        raise EmptyDataError(f"validation folds {folds} leave nothing to train on, or hold no labelled clip")
    return train, valid


def part_of(clips: Clips, folds: str | None, split: str | None) -> NDArray[np.bool_]:
    """Return which clips are of the folds or the split, bool ``(clip,)``; none where neither is named."""
    if folds is None and split is None:
        return np.zeros(len(clips), np.bool_)
    chosen = clips.select(folds=folds, split=split).table["id"].to_list()
    part: NDArray[np.bool_] = clips.table["id"].is_in(chosen).to_numpy()
    return part
