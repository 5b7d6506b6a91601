"""GTZAN: 1000 excerpts of music of 30 s in ten genres; split = the fault-filtered one.

``ROOT/<genre>/<genre>.NNNNN.wav`` (or ``.au``, as the original archive has it), where ROOT is the folder itself or
``genres`` or ``genres_original`` in it. There is no metadata: the genre is the folder. Where an excerpt is there
in several formats, WAV counts.

The collection has repeated, distorted and mislabelled excerpts and several excerpts of one artist. The split
column holds the published division without the faulty excerpts and without an artist in two parts
(:mod:`otoscope.data.gtzan_faults`); the 70 faulty ones have no split. ``protocol=fault-filtered`` leaves them out
altogether. A copy of the collection that is widely passed on has a damaged ``jazz.00054.wav``: a counted
failure.

The collection does not say which excerpts share an artist. ``artists=FILE`` does: a table with the columns
``file`` (``blues.00000`` or the path) and ``artist``; an excerpt that it does not name is a group of its own. Without
it groups are undeclared.

Reference: G. Tzanetakis, P. Cook, Musical Genre Classification of Audio Signals, IEEE Transactions on Speech and
Audio Processing 10, 2002, doi 10.1109/TSA.2002.800560.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import polars as pl

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.delimited import read_delimited
from otoscope.data.gtzan_faults import fault_filtered
from otoscope.data.listed import found_in
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, require_columns, sound_names
from otoscope.errors import DataLayoutError, EmptyDataError, InputError
from otoscope.store.place import place

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
"""The classes, in order."""

FAULT_FILTERED = "fault-filtered"
"""The protocol that leaves the faulty excerpts out."""

_NAME = re.compile(r"^(?P<genre>[a-z]+)\.\d{5}\.\w+$")
_EXPECTED = (
    "folders blues, classical ... rock with files such as blues/blues.00000.wav (or genres/ with them)"
)


def load(rest: str, *, protocol: str = "", artists: str = "") -> Clips:
    """Return GTZAN laid out as published, split into train, valid and test without its faults: gtzan:PATH.

    Parameters
    ----------
    rest : str
        The folder with the genres' folders, or the one above it.
    protocol : {"", "fault-filtered"}
        ``fault-filtered`` keeps only the 930 excerpts of the split.
    artists : str
        Table with the columns ``file`` and ``artist``: the artist is the group. Empty: groups are undeclared.

    Raises
    ------
    DataLayoutError
        If no genre's folder is there, a sound has another name, or the table of artists cannot be used.
    """
    if protocol not in {"", FAULT_FILTERED}:
        raise InputError(f"protocol is {FAULT_FILTERED} or nothing, got {protocol!r}")
    root = _root(place(rest))
    frame = _table(root)
    if protocol:
        frame = frame.filter(pl.col("split").is_not_null())
        if not frame.height:
            raise EmptyDataError(f"{root} holds no excerpt of the {FAULT_FILTERED} split")
    if artists:
        frame = _with_artists(frame, Path(artists))
    genres = tuple(one for one in GENRES if one in set(frame["genre"]))
    return assemble(
        frame,
        [LabelSet("genre", genres)],
        FileSource(root),
        name="gtzan",
        spec=f"gtzan:{rest}",
        expected=_EXPECTED,
        group_declared=bool(artists),
    )


def _table(root: Path) -> pl.DataFrame:
    """Return path, genre and split of every excerpt, in the order of genres and numbers."""
    parts = fault_filtered()
    rows = [
        (f"{genre}/{name}", genre, parts.get(stem))
        for genre in GENRES
        if (root / genre).is_dir()
        for stem, name in sorted(_excerpts(root / genre, genre).items())
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("path", "genre", "split"), pl.String), orient="row")


def _excerpts(folder: Path, genre: str) -> dict[str, str]:
    """Return excerpt -> file name; of several formats WAV, else the first by name."""
    names = sorted(sound_names(folder), key=lambda name: (not name.lower().endswith(".wav"), name))
    strange = [one for one in names if not (match := _NAME.match(one)) or match["genre"] != genre]
    if strange:
        raise DataLayoutError(
            f"{len(strange)} of {len(names)} sounds in {folder} are not named {genre}.NNNNN.wav, such as {strange[0]!r}"
        )
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.rpartition(".")[0], name)
    return found


def _with_artists(frame: pl.DataFrame, file: Path) -> pl.DataFrame:
    """Add ``artist`` and make it the group; where there is none, the group is the excerpt."""
    given = read_delimited(file, text=("file", "artist"))
    require_columns(given, ("file", "artist"), file)
    pairs = {_stem(one) for one in given["file"].drop_nulls()}
    known = {
        _stem(one): artist for one, artist in given.select("file", "artist").iter_rows() if one and artist
    }
    if len(pairs) != given.height:
        raise DataLayoutError(f"{file}: every row names one excerpt, and none is named twice")
    artists = [known.get(_stem(one)) for one in frame["path"]]
    if not any(artists):
        raise DataLayoutError(
            f"{file} names no artist of an excerpt that is here. Expected in column 'file': names such as "
            f"{_stem(frame['path'][0])!r}; found {given['file'].head(3).to_list()}"
        )
    column = pl.Series("artist", artists, dtype=pl.String)
    return frame.with_columns(column, group=column.fill_null(frame["path"]))


def _stem(path: str) -> str:
    name = PurePosixPath(path).name
    return name.rpartition(".")[0] if name.count(".") > 1 else name


def _root(folder: Path) -> Path:
    inside = (folder, folder / "genres", folder / "genres_original", folder / "Data" / "genres_original")
    for one in inside:
        if any((one / genre).is_dir() for genre in GENRES):
            return one
    if not folder.is_dir():
        raise DataLayoutError(f"there is no folder {folder}. Expected: {_EXPECTED}")
    raise DataLayoutError(
        f"{folder} is not laid out as GTZAN. Expected: {_EXPECTED}. Found: {found_in(folder)}"
    )
