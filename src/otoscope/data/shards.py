"""Which files does a list of shards name? ``a/{000..009}.tar``, ``a/*.tar``, a folder, or one file; here or by URL."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

from otoscope.errors import DataLayoutError
from otoscope.store.place import place

_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
MOST = 100_000
"""Files that one pair of braces may name."""


def expand(text: str) -> list[str]:
    """Return the names that braces stand for; others stay as they are.

    Examples
    --------
    >>> expand("part-{08..10}.tar")
    ['part-08.tar', 'part-09.tar', 'part-10.tar']
    """
    match = _BRACES.search(text)
    if match is None:
        return [text]
    first, last, width = int(match[1]), int(match[2]), len(match[1])
    if not first <= last < first + MOST:
        raise DataLayoutError(f"{match[0]} in {text!r} counts up, over at most {MOST} files")
    return [
        name
        for number in range(first, last + 1)
        for name in expand(text[: match.start()] + str(number).zfill(width) + text[match.end() :])
    ]


def found(rest: str, suffixes: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """Return the folder of the shards and their names in it, in order.

    Parameters
    ----------
    rest : str
        Braces, ``*`` in the last part, a folder, or a file.
    suffixes : tuple of str
        What files of a folder count as shards: ``(".tar",)``.

    Raises
    ------
    DataLayoutError
        If one that is named is not there, they lie in several folders, or there is none.
    """
    whole = place(rest)
    if whole.is_dir():
        folder, names = whole, sorted(one.name for one in whole.iterdir() if one.suffix in suffixes)
    elif "*" in whole.name:
        folder = whole.parent
        inside = folder.iterdir() if folder.is_dir() else ()
        names = sorted(one.name for one in inside if fnmatch(one.name, whole.name))
    else:
        folder, names = _named(rest)
    if not names:
        raise DataLayoutError(f"there is no shard {rest}. Expected: files that end in {', '.join(suffixes)}")
    return folder, tuple(names)


def _named(rest: str) -> tuple[Path, list[str]]:
    files = [place(one) for one in expand(rest)]
    folders = {str(one.parent): one.parent for one in files}
    if len(folders) > 1:
        raise DataLayoutError(
            f"shards lie in one folder; {rest} names {len(folders)}: {', '.join(list(folders)[:3])}"
        )
    missing = [str(one) for one in files if not one.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataLayoutError(f"there is no shard {missing[0]}{more}, of {len(files)} that {rest} names")
    return next(iter(folders.values())), [one.name for one in files]
