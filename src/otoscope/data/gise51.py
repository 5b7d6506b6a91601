"""GISE-51: isolated sound events of 51 classes, and 5-second mixtures of them with known onsets.

*Mixtures* (the default where they are there): ``ROOT/{train...,val,eval}/<name>.flac`` beside ``<name>.txt``,
tab-separated lines of onset, offset and label (1 to 3 events); several labels a clip, and the lines are its events.
Several training sets of different sizes may lie side by side (``train_5k`` ... ``train_60k``): ``train=NAME`` picks
one. Which recordings a mixture holds is not in these files: groups are undeclared.

*Isolated events* (``part=isolated``): ``ROOT/isolated_events/[train|val|eval/]<class>/<file>``, one label a clip.
Files are called after the Freesound recording they were cut from: the digits that begin the name are the group.

Classes stand in the order of ``meta/lbl_map.json`` (label -> number) where it is there, else by name. A mixture whose
text file is missing is not used and counted in a warning.

Reference: S. Yadav, M. E. Foster, GISE-51: A scalable isolated sound events dataset, 2021, arXiv 2103.12306.
"""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.events.raw import RawEvent
from otoscope.data.events.track import read as read_track
from otoscope.data.listed import found_in, root_of
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, class_names, is_sound, sound_names
from otoscope.errors import DataLayoutError, EmptyDataError, InputError

PARTS = ("", "mixtures", "isolated")
SPLITS = {"val": "valid", "eval": "test"}
"""Folder -> part of the split; folders that begin with ``train`` are train."""

_DIGITS = re.compile(r"^\d+")
_ISOLATED = "isolated_events"
_EXPECTED = (
    "folders train (or train_5k ...), val, eval with NAME.flac and NAME.txt, or isolated_events/ with a folder "
    "a class"
)
_log = logging.getLogger(__name__)


def load(rest: str, *, part: str = "", train: str = "") -> Clips:
    """Return GISE-51's mixtures with their events, or its isolated events: gise51:PATH.

    Parameters
    ----------
    rest : str
        The folder that the archives were unpacked into.
    part : {"", "mixtures", "isolated"}
        Empty: mixtures where they are there, else isolated events.
    train : str
        Which training folder of mixtures, where there are several.

    Raises
    ------
    DataLayoutError
        If neither is there, several training folders are and none is picked, or a text file cannot be used.
    """
    if part not in PARTS:
        raise InputError(f"part is mixtures or isolated, got {part!r}")
    root = root_of(
        rest, "GISE-51", _EXPECTED, ["*"], lambda folder: bool(_mixed(folder)) or _has_isolated(folder)
    )
    isolated = part == "isolated" or (not part and not _mixed(root))
    return _isolated(root, rest) if isolated else _mixtures(root, rest, train)


def _mixed(folder: Path) -> dict[str, list[Path]]:
    """Return part of the split -> folders of mixtures."""
    found: dict[str, list[Path]] = {}
    for one in sorted(one for one in folder.iterdir() if one.is_dir()):
        split = "train" if one.name.startswith("train") else SPLITS.get(one.name, "")
        if split and next(one.glob("*.txt"), None) is not None:
            found.setdefault(split, []).append(one)
    return found


def _has_isolated(folder: Path) -> bool:
    return (folder / _ISOLATED).is_dir()


def _mixtures(root: Path, rest: str, train: str) -> Clips:
    folders = _mixed(root)
    names = [one.name for one in folders.get("train", [])]
    if train and train not in names:
        raise DataLayoutError(
            f"{root} has no training folder {train!r}. It has: {', '.join(names) or 'none'}"
        )
    if len(names) > 1 and not train:
        raise DataLayoutError(f"{root} has the training folders {', '.join(names)}: pick one by train=")
    chosen = {
        split: one
        for split, some in folders.items()
        for one in some
        if split != "train" or train in ("", one.name)
    }
    rows = [
        row for split in ("train", "valid", "test") if split in chosen for row in _clips(chosen[split], split)
    ]
    if not rows:
        raise EmptyDataError(f"gise51:{rest} holds no mixture. Expected: {_EXPECTED}")
    heard = [[event.label for event in events] for _, _, events in rows]
    frame = pl.DataFrame(
        {
            "path": [path for path, _, _ in rows],
            "split": [split for _, split, _ in rows],
            "label": [list(dict.fromkeys(labels)) for labels in heard],
        }
    )
    return assemble(
        frame,
        [LabelSet("label", _classes(root, [one for labels in heard for one in labels]), "multi")],
        FileSource(root),
        name="gise51",
        spec=f"gise51:{rest}",
        expected=_EXPECTED,
        group_declared=False,
        events=_events([events for _, _, events in rows]),
    )


def _clips(folder: Path, split: str) -> list[tuple[str, str, list[RawEvent]]]:
    """Return path, split and events of every mixture of a folder."""
    sounds = sorted(sound_names(folder))
    tracks = {name: folder / f"{name.rpartition('.')[0]}.txt" for name in sounds}
    lacking = [name for name, track in tracks.items() if not track.is_file()]
    if lacking:
        _log.warning(
            "%s: %d mixtures have no text file and are left out, such as %s", folder, len(lacking), lacking[0]
        )
    return [
        (f"{folder.name}/{name}", split, read_track(track, None))
        for name, track in tracks.items()
        if track.is_file()
    ]


def _events(heard: list[list[RawEvent]]) -> pl.DataFrame:
    rows = [(row, one.onset_s, one.offset_s, one.label) for row, events in enumerate(heard) for one in events]
    schema = {"row": pl.Int64, "onset_s": pl.Float64, "offset_s": pl.Float64, "label": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("row", "onset_s", maintain_order=True)


def _isolated(root: Path, rest: str) -> Clips:
    if not _has_isolated(root):
        raise DataLayoutError(f"{root} has no folder {_ISOLATED}. Found: {found_in(root)}")
    rows = []
    for path in sorted(one for one in (root / _ISOLATED).rglob("*") if is_sound(one.name)):
        *above, label, name = path.relative_to(root / _ISOLATED).parts
        split = "train" if above and above[0].startswith("train") else SPLITS.get(above[0] if above else "")
        source = _DIGITS.match(name)
        rows.append((path.relative_to(root).as_posix(), split, label, source[0] if source else path.stem))
    schema = dict.fromkeys(("path", "split", "label", "group"), pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return assemble(
        frame,
        [LabelSet("label", _classes(root, frame["label"].to_list()))],
        FileSource(root),
        name="gise51",
        spec=f"gise51:{rest}",
        expected=_EXPECTED,
        group_declared=True,
    )


def _classes(root: Path, found: list[str]) -> tuple[str, ...]:
    """Return the classes in the order of ``lbl_map.json``; those that it does not name follow."""
    file = next(
        (one for one in (root / "meta" / "lbl_map.json", root / "lbl_map.json") if one.is_file()), None
    )
    if file is None:
        return class_names(found)
    try:
        numbers = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataLayoutError(f"{file} is no JSON: {error}") from error
    return tuple(dict.fromkeys([*sorted(numbers, key=numbers.__getitem__), *class_names(found)]))
