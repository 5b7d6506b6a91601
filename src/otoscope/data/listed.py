"""Find the sounds that a dataset's table lists among the files that are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from otoscope.data.table import sound_names
from otoscope.errors import DataLayoutError


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
