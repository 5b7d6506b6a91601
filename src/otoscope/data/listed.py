"""Find the sounds that a dataset's table lists among the files that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from otoscope.data.table import sound_names
from otoscope.errors import DataLayoutError
from otoscope.store.place import place


def listed_paths(paths: Sequence[str], root: Path, table: str) -> pl.Series:
    """Return every listed path as it lies under ``root``; a sound stored in another format is found by its stem.

    A path of which nothing is there is returned as listed: reading it is then a counted failure.

    Parameters
    ----------
    paths : sequence of str
        POSIX paths relative to ``root``.
    root : Path
        The dataset's folder.
    table : str
        What lists them, for the message.

    Raises
    ------
    DataLayoutError
        If not one of the listed sounds is there.

    Notes
    -----
    Each folder is looked at once, however many sounds it holds.
    """
    present = _present({str(PurePosixPath(one).parent) for one in paths}, root)
    by_stem = {one.rpartition(".")[0]: one for one in sorted(present)}
    found = [one if one in present else by_stem.get(one.rpartition(".")[0], one) for one in paths]
    if not any(one in present for one in found):
        raise DataLayoutError(
            f"none of the {len(found)} sounds of {table} lies in {root}. Expected files such as {found[0]!r}; "
            f"found {len(present)} sound files" + (f", such as {min(present)!r}" if present else "")
        )
    return pl.Series("path", found, dtype=pl.String)


def _present(folders: Iterable[str], root: Path) -> set[str]:
    inside = [one for one in sorted(folders) if (root / one).is_dir()]
    return {(PurePosixPath(one) / name).as_posix() for one in inside for name in sound_names(root / one)}


def found_in(folder: Path, limit: int = 10) -> str:
    """Return the first names in a folder, for a message that says what was found."""
    return ", ".join(sorted(one.name for one in folder.iterdir())[:limit]) or "nothing"


def root_of(
    rest: str, name: str, expected: str, inside: Sequence[str], is_it: Callable[[Path], bool]
) -> Path:
    """Return the folder that is laid out as a dataset: the one that is named, or one of ``inside`` in it.

    Parameters
    ----------
    rest : str
        The folder that is named.
    name, expected : str
        The dataset, and one phrase on its layout, for the message.
    inside : sequence of str
        Folders to look into as well, such as the one that the archive holds; may have wildcards.
    is_it : callable
        Whether a folder is laid out so.

    Raises
    ------
    DataLayoutError
        If there is no such folder, or none is laid out so: with what was expected and what was found.
    """
    folder = place(rest)
    if not folder.is_dir():
        raise DataLayoutError(f"there is no folder {folder}. Expected: {expected}")
    for one in [folder, *(found for part in inside for found in sorted(folder.glob(part)))]:
        if one.is_dir() and is_it(one):
            return one
    raise DataLayoutError(
        f"{folder} is not laid out as {name}. Expected: {expected}. Found: {found_in(folder)}"
    )
