"""Any folder of sounds: the class is the subfolder.

``ROOT/dog/a.wav`` has the class ``dog``, and so has ``ROOT/dog/x/y/b.wav``: by default the first folder level
is the label and deeper ones mean nothing. ``levels`` says otherwise, one word a level: ``split/label``,
``label/group``, ``-/label``. A ``fold`` is the number at the end of the folder's name. Sounds that all lie
directly in ``ROOT`` are a set without labels. Hidden files and folders are skipped; links are followed, each
folder once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.source import FileSource
from otoscope.data.table import SOUND_SUFFIXES, assemble, class_names, is_sound
from otoscope.errors import DataLayoutError, InputError
from otoscope.store.place import is_remote, place

LEVELS = ("label", "split", "fold", "group", "-")
"""What a folder level can stand for; ``-`` means nothing."""

_FOLD = re.compile(r"^.*?(?=\d+$)")
_EXPECTED = f"sound files ({', '.join(sorted(SOUND_SUFFIXES))}) in one subfolder per class"


def load(rest: str, *, levels: str = "label") -> Clips:
    """Return the sounds under a folder, subfolders as classes: folder:PATH.

    Parameters
    ----------
    rest : str
        The folder.
    levels : str
        What each folder level stands for, from the top: words of :data:`LEVELS` joined by ``/``.

    Raises
    ------
    DataLayoutError
        If there is no such folder, or only some sounds lie deep enough for ``levels``.
    EmptyDataError
        If it holds no sound.
    """
    names = _level_names(levels)
    root = place(rest)
    if not root.is_dir():
        raise DataLayoutError(f"there is no folder {root}. Expected: {_EXPECTED}")
    paths = sorted(_sounds(root))
    columns = {"path": paths, **_level_columns(paths, names, root)}
    labels = [LabelSet("label", class_names(columns["label"]))] if "label" in columns else []
    return assemble(
        pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)),
        labels,
        FileSource(root),
        name="folder",
        spec=f"folder:{rest}",
        expected=_EXPECTED,
        group_declared="group" in columns,
    )


def _level_names(levels: str) -> list[str]:
    names = levels.split("/")
    named = [one for one in names if one != "-"]
    if any(one not in LEVELS for one in names) or len(set(named)) != len(named):
        raise InputError(
            f"levels are words of {', '.join(LEVELS)} joined by '/', each at most once; got {levels!r}"
        )
    return names


def _sounds(root: Path) -> Iterator[str]:
    """Yield the POSIX path of every sound under ``root``."""
    if is_remote(root):
        remote: Any = root
        names = (one[len(remote.path.rstrip("/")) + 1 :] for one in remote.fs.find(remote.path))
        hidden = re.compile(r"(^|/)\.")
        yield from (one for one in names if not hidden.search(one) and is_sound(PurePosixPath(one).name))
        return
    seen: set[str] = set()
    for folder, subfolders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(one for one in subfolders if not one.startswith("."))
        base = Path(folder).relative_to(root)
        yield from ((base / one).as_posix() for one in files if is_sound(one))


def _level_columns(paths: list[str], names: list[str], root: Path) -> dict[str, list[str]]:
    """Return one column a named level; none where every sound lies directly in ``root``."""
    parents = [PurePosixPath(one).parts[:-1] for one in paths]
    shallow = [path for path, above in zip(paths, parents, strict=True) if len(above) < len(names)]
    if len(shallow) == len(paths) and not any(parents):
        return {}
    if shallow:
        raise DataLayoutError(
            f"{len(shallow)} of {len(paths)} sounds in {root} lie less than {len(names)} folder(s) deep, such as "
            f"{shallow[0]!r}, so they have no {'/'.join(names)}. "
            f"Put every sound into its class's folder, or all directly into {root}."
        )
    columns = {name: [above[level] for above in parents] for level, name in enumerate(names) if name != "-"}
    if "fold" in columns:
        columns["fold"] = [_FOLD.sub("", one) or one for one in columns["fold"]]
    return columns
