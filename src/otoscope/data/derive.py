"""Label sets made of others: combinations, coarser classes, a column.

``digit+speaker``
    The product of single label sets: a clip of digit 3 by jackson has the class ``3|jackson``. Classes are the
    combinations that occur, in the order of the parts' classes; a clip that lacks one of the labels has none.
``octave=note:FILE``
    Coarser classes: FILE maps each class of ``note`` to its class in the new set ``octave``. JSON
    (``{"60": "4"}``, or ``{"4": ["60", "61"]}``) or CSV with a header and two columns (class, group). Classes that FILE
    does not name have no label in the new set; it may name classes that are not there. The new set is multi-label
    where the old one is.
``accent``
    A column of the table that is no label set yet.

Several are joined by commas. The new sets come after those that are there: the primary one stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from otoscope.data.clips import STANDARD, Clips, LabelSet
from otoscope.data.delimited import header_of, read_delimited
from otoscope.data.table import class_names
from otoscope.errors import DataLayoutError, InputError, UnknownNameError

JOINT, JOINED = "+", "|"
"""What joins the names of label sets, and the names of classes."""


def derive(clips: Clips, text: str) -> Clips:
    """Return ``clips`` with the label sets that ``text`` names, see the module.

    Raises
    ------
    UnknownNameError
        If a label set or column does not exist.
    InputError
        If a combination has a multi-label part, or nothing of a map's classes is there.
    DataLayoutError
        If a map cannot be read.

    Examples
    --------
    >>> from otoscope.data import open_data
    >>> derive(open_data("sounds:12"), "kind+label").label_sets[-1].classes[0]
    'pure_tone|pure tone'
    """
    for part in (one.strip() for one in text.split(",")):
        name, equals, rest = part.partition("=")
        if equals:
            of, _, file = rest.partition(":")
            clips = regroup(clips, name.strip(), of.strip(), read_map(Path(file)))
        elif JOINT in part:
            clips = combine(clips, [one.strip() for one in part.split(JOINT)])
        elif part:
            clips = by_column(clips, part)
    return clips


def combine(clips: Clips, names: Sequence[str]) -> Clips:
    """Return ``clips`` with the product of single label sets, called like them joined by ``+``.

    Raises
    ------
    UnknownNameError
        If a label set does not exist.
    InputError
        If one of them gives a clip several labels, or is named twice.
    """
    sets = [clips.label_set(one) for one in names]
    several = [one.name for one in sets if one.kind == "multi"]
    if several or len(set(names)) != len(names) or len(names) < 2:
        trouble = f"{several[0]!r} gives a clip several" if several else f"got {', '.join(names)}"
        raise InputError(f"a combination is of two or more label sets, each with one label a clip; {trouble}")
    codes = [clips.targets(one).tolist() for one in names]
    placed = [None if min(row) < 0 else row for row in zip(*codes, strict=True)]
    named = {
        row: JOINED.join(one.classes[code] for one, code in zip(sets, row, strict=True))
        for row in sorted({one for one in placed if one is not None})
    }
    column = [None if one is None else named[one] for one in placed]
    return _added(clips, JOINT.join(names), column, tuple(named.values()), "single")


def regroup(clips: Clips, name: str, of: str, mapping: Mapping[str, str]) -> Clips:
    """Return ``clips`` with a label set ``name`` whose classes are groups of the classes of ``of``.

    Parameters
    ----------
    name, of : str
        The new label set, and the one it is made of.
    mapping : mapping of str to str
        Class of ``of`` -> class of ``name``.

    Raises
    ------
    UnknownNameError
        If there is no label set ``of``.
    InputError
        If none of its classes is mapped.
    """
    old = clips.label_set(of)
    if not any(one in mapping for one in old.classes):
        raise InputError(
            f"{name}={of}: none of the classes of {of!r} is mapped. It has {', '.join(old.classes[:5])}; mapped are "
            f"{', '.join(list(mapping)[:5]) or 'none'}"
        )
    classes = class_names([mapping[one] for one in old.classes if one in mapping])
    values = clips.table[of].to_list()
    column: list[str | None] | list[list[str]]
    if old.kind == "multi":
        column = [
            list(dict.fromkeys(mapping[one] for one in cell or () if one in mapping)) for cell in values
        ]
    else:
        column = [mapping.get(one) for one in values]
    return _added(clips, name, column, classes, old.kind)


def by_column(clips: Clips, name: str) -> Clips:
    """Return ``clips`` with a column of their table as a label set; nothing changes where it is one already.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    InputError
        If it holds neither texts, whole numbers nor lists of texts.
    """
    if any(one.name == name for one in clips.label_sets):
        return clips
    free = [one for one in clips.table.columns if one not in STANDARD]
    if name not in free:
        raise UnknownNameError.of("column of labels", name, free)
    column = clips.table[name]
    if column.dtype == pl.List(pl.String):
        cells = [list(one or ()) for one in column.to_list()]
        return _added(clips, name, cells, class_names([one for cell in cells for one in cell]), "multi")
    if column.dtype != pl.String and not column.dtype.is_integer() and column.dtype != pl.Boolean:
        raise InputError(f"labels are texts or whole numbers; column {name!r} holds {column.dtype}")
    texts = column.cast(pl.String)
    return _added(clips, name, texts.to_list(), class_names(texts.drop_nulls().to_list()), "single")


def read_map(file: Path) -> dict[str, str]:
    """Return class -> group of a map's file, JSON or CSV.

    Raises
    ------
    DataLayoutError
        If there is no such file, or it is no map.
    """
    if file.suffix.lower() != ".json":
        header = header_of(file)
        if len(header) != 2:
            raise DataLayoutError(
                f"{file}: a map has two columns, class and group; found {', '.join(header)}"
            )
        rows = read_delimited(file, text=header).rows()
        return _unique([(one, group) for one, group in rows if one and group], file)
    if not file.is_file():
        raise DataLayoutError(f"there is no map {file}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataLayoutError(f"{file} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataLayoutError(f'{file}: a map is an object such as {{"60": "4"}} or {{"4": ["60", "61"]}}')
    pairs = [
        pair
        for key, value in content.items()
        for pair in ([(str(one), key) for one in value] if isinstance(value, list) else [(key, str(value))])
    ]
    return _unique(pairs, file)


def _unique(pairs: Sequence[tuple[str, str]], file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for one, group in pairs:
        if found.setdefault(one, group) != group:
            raise DataLayoutError(f"{file} puts class {one!r} into both {found[one]!r} and {group!r}")
    return found


def _added(
    clips: Clips,
    name: str,
    column: Sequence[str | None] | Sequence[list[str]],
    classes: tuple[str, ...],
    kind: str,
) -> Clips:
    """Return ``clips`` with one label set more, or with it replaced."""
    if name in STANDARD:
        raise InputError(f"a label set cannot be called {name!r}: that is a column of every table")
    single = kind == "single"
    dtype = pl.String() if single else pl.List(pl.String)
    made = LabelSet(name, classes, "single" if single else "multi")
    sets = [one for one in clips.label_sets if one.name != name]
    place = len(STANDARD) + len(sets)
    table = clips.table.drop(name, strict=False).insert_column(
        place, pl.Series(name, list(column), dtype=dtype)
    )
    return replace(clips, table=table, label_sets=(*sets, made))
