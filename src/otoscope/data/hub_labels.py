"""What do the label columns of a dataset of the ``datasets`` library say, as label sets?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from otoscope.data.clips import STANDARD, LabelSet
from otoscope.data.table import class_names
from otoscope.errors import InputError, UnknownNameError


def labelled(
    frame: pl.DataFrame, features: Mapping[str, Any], asked: Sequence[str], spec: str
) -> tuple[pl.DataFrame, list[LabelSet]]:
    """Return the table with its labels as class names, and the label sets.

    Parameters
    ----------
    frame : polars.DataFrame
        The dataset's flat columns as they are stored: a ClassLabel is a number, -1 where there is none.
    features : mapping of str to feature
        The dataset's declared types.
    asked : sequence of str
        The label columns, the primary one first; empty: those that are declared as such, else ``label``.
    spec : str
        The DATA argument, for messages.

    Raises
    ------
    UnknownNameError
        If a column asked for does not exist.
    InputError
        If a column asked for has a meaning of its own (``split``).
    """
    names = list(dict.fromkeys(asked)) or _declared(frame, features)
    sets = []
    for name in names:
        if name in STANDARD:
            raise InputError(f"labels are columns other than {', '.join(STANDARD)}; got {name!r}")
        if name not in frame.columns:
            raise UnknownNameError.of(f"label column of {spec}", name, _possible(frame))
        column, labels = _label_set(frame[name], features.get(name))
        frame = frame.with_columns(column)
        sets.append(labels)
    return frame, sets


def item_of(feature: Any) -> Any:
    """Return the feature of a list's items, None where ``feature`` is no list."""
    if isinstance(feature, list):
        return feature[0]
    return getattr(feature, "feature", None)


def classes_of(feature: Any) -> tuple[str, ...] | None:
    """Return the names of a ClassLabel, None where ``feature`` is something else."""
    return tuple(feature.names) if type(feature).__name__ == "ClassLabel" else None


def _declared(frame: pl.DataFrame, features: Mapping[str, Any]) -> list[str]:
    single = [name for name in frame.columns if classes_of(features.get(name)) is not None]
    multi = [name for name in frame.columns if classes_of(item_of(features.get(name))) is not None]
    return [*single, *multi] or (["label"] if "label" in frame.columns else [])


def _possible(frame: pl.DataFrame) -> list[str]:
    return [one for one in frame.columns if one not in STANDARD and not one.startswith("hub_")]


def _label_set(column: pl.Series, feature: Any) -> tuple[pl.Series, LabelSet]:
    """Return the column as class names (a list of them where several apply), and its label set."""
    multi = isinstance(column.dtype, pl.List)
    declared = classes_of(item_of(feature) if multi else feature)
    cells = [cell if multi else [cell] for cell in column.to_list()]
    named = [[_name(one, declared) for one in cell or () if one is not None] for cell in cells]
    kept = [list(dict.fromkeys(one for one in cell if one is not None)) for cell in named]
    classes = declared or class_names([one for cell in kept for one in cell])
    if multi:
        return pl.Series(column.name, kept, dtype=pl.List(pl.String)), LabelSet(column.name, classes, "multi")
    single = [cell[0] if cell else None for cell in kept]
    return pl.Series(column.name, single, dtype=pl.String), LabelSet(column.name, classes)


def _name(value: Any, classes: tuple[str, ...] | None) -> str | None:
    if classes is None:
        return str(value)
    return classes[value] if 0 <= value < len(classes) else None
