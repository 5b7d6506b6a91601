"""Captions that the user wrote: a table or JSON file that gives texts for ids.

====================== ==========================================================================
``.csv``, ``.tsv``     a header with one column of :data:`KEYS` and one of :data:`TEXTS`
``.json``              ``{id: text}`` or ``{id: [text, ...]}``, or a list of such records
``.jsonl``             one record a line
====================== ==========================================================================

An entry belongs to the clip whose id, path or (where it is unique) file name it names. Several texts for one clip
are joined by a space. Clips without a text are ``failed``; entries that name no clip are counted and shown in the
notes and in the log.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from otoscope.caption.captioner import Rows, chosen, table
from otoscope.data.clips import Clips
from otoscope.data.delimited import read_delimited
from otoscope.errors import EmptyDataError, FormatError, InputError

logger = logging.getLogger(__name__)

KEYS = ("id", "path", "file", "filename", "file_name", "clip")
"""Names of the column that says which clip, the first that is there."""

TEXTS = ("text", "caption", "description", "captions")
"""Names of the column that holds the text, the first that is there."""

_SHOWN = 5


@dataclass(frozen=True)
class FileCaptioner:
    """Texts from a file.

    Attributes
    ----------
    path : Path
        The file.
    entries : tuple of (str, str)
        Key and text of each entry, in file order.
    digest : str
        sha256 of the file.
    hears : bool
        False: the file says it.
    """

    path: Path
    entries: tuple[tuple[str, str], ...]
    digest: str
    hears: bool = False

    @property
    def id(self) -> str:
        """``file-`` and the first 8 digits of the file's hash."""
        return f"file-{self.digest[:8]}"

    @property
    def circular(self) -> bool:
        """False: the notes of the stage say how often a text names the label."""
        return False

    def check(self, clips: Clips) -> None:
        """Warn of entries that name no clip.

        Raises
        ------
        InputError
            If the file names none of the clips.
        """
        unknown, example = self._used(clips)[1], clips.table["id"][0]
        if unknown:
            count = "1 entry names" if len(unknown) == 1 else f"{len(unknown)} entries name"
            shown = ", ".join(repr(one) for one in unknown[:_SHOWN])
            logger.warning(
                "%s: %s no clip, such as %s; the clips have ids like %r", self.path, count, shown, example
            )

    def captions(self, clips: Clips, *, rows: Rows | None = None, workers: int | None = 0) -> pl.DataFrame:
        """Return the table of captions; a clip that the file has no text for is ``failed``.

        Raises
        ------
        InputError
            If the file names none of the clips.
        """
        wanted = chosen(clips, rows)
        found, _ = self._used(clips)
        return table(clips, wanted, found, dict.fromkeys(wanted, f"no caption in {self.path.name}"))

    def notes(self, clips: Clips) -> Mapping[str, Any]:
        """Return how many entries name no clip, and the first of them."""
        unknown = self._matched(clips)[1]
        return {"file": self.path.name, "unknown_ids": len(unknown), "unknown_examples": unknown[:_SHOWN]}

    def _used(self, clips: Clips) -> tuple[dict[int, str], list[str]]:
        """Return what :meth:`_matched` does; where no clip is named the error shows both spellings."""
        found, unknown = self._matched(clips)
        if not found:
            count = "1 caption" if len(self.entries) == 1 else f"{len(self.entries)} captions"
            raise InputError(
                f"{self.path} has {count}, none for a clip of {clips.spec}: it names "
                f"{self.entries[0][0]!r}, the clips have ids like {clips.table['id'][0]!r}"
            )
        return found, unknown

    def _matched(self, clips: Clips) -> tuple[dict[int, str], list[str]]:
        """Return (row -> text, keys that name no clip)."""
        places = _places(clips)
        found: dict[int, list[str]] = {}
        unknown = []
        for key, text in self.entries:
            row = places.get(PurePosixPath(key.replace("\\", "/")).as_posix())
            if row is None:
                unknown.append(key)
            else:
                found.setdefault(row, []).append(text)
        return {row: " ".join(texts) for row, texts in found.items()}, unknown


def _places(clips: Clips) -> dict[str, int]:
    """Return what may name a clip -> its row: file names and paths where they are unique, and ids."""
    found: dict[str, int] = {}
    paths, ids = clips.table["path"].to_list(), clips.table["id"].to_list()
    for names in ([PurePosixPath(one).name for one in paths], paths, ids):
        count = Counter(names)
        found |= {name: row for row, name in enumerate(names) if count[name] == 1}
    return found


def load(rest: str = "") -> FileCaptioner:
    """Return the captioner ``file:PATH``; the file is read now.

    Raises
    ------
    InputError
        If no file is named, it cannot be read, or its kind is unknown.
    FormatError
        If it is not what its name says.
    DataLayoutError
        If a table has no header or no UTF-8.
    EmptyDataError
        If it holds no caption.
    """
    if not rest:
        raise InputError("file: needs a path: file:captions.csv")
    path = Path(rest).expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the captions {path}: {error.strerror or error}") from error
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"captions come as {', '.join(_READERS)}; {path.name} is none of these")
    entries = tuple((key, " ".join(text.split())) for key, text in reader(path) if text.strip())
    if not entries:
        raise EmptyDataError(f"{path} holds no caption")
    return FileCaptioner(path, entries, hashlib.sha256(content).hexdigest())


def _from_table(path: Path) -> Iterator[tuple[str, str]]:
    frame = read_delimited(path, text=(*KEYS, *TEXTS))
    key = _one_of(KEYS, frame.columns, path)
    text = _one_of(TEXTS, frame.columns, path)
    for name, said in frame.select(key, text).iter_rows():
        if name is not None and said is not None:
            yield str(name), str(said)


def _from_json(path: Path) -> Iterator[tuple[str, str]]:
    content = _parsed(path.read_text(encoding="utf-8-sig", errors="replace"), path, "")
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _texts_of(key, value, path)
    elif isinstance(content, list):
        for place, record in enumerate(content):
            yield from _from_record(record, path, f", record {place}")
    else:
        raise FormatError(f"{path} must hold a JSON object or list, not {type(content).__name__}")


def _from_lines(path: Path) -> Iterator[tuple[str, str]]:
    for place, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        if line.strip():
            yield from _from_record(_parsed(line, path, f", line {place}"), path, f", line {place}")


def _parsed(text: str, path: Path, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise FormatError(f"{path}{place} is not JSON: {error}") from error


def _from_record(record: Any, path: Path, place: str) -> Iterator[tuple[str, str]]:
    if not isinstance(record, dict):
        raise FormatError(
            f"{path}{place}: expected an object with an id and a text, got {type(record).__name__}"
        )
    key, text = _one_of(KEYS, record, path, place), _one_of(TEXTS, record, path, place)
    yield from _texts_of(str(record[key]), record[text], path)


def _texts_of(key: str, value: Any, path: Path) -> Iterator[tuple[str, str]]:
    texts = value if isinstance(value, list) else [value]
    for one in texts:
        if one is not None and not isinstance(one, str):
            raise FormatError(f"{path}: the caption of {key!r} is {type(one).__name__}, expected text")
        if one is not None:
            yield key, one


def _one_of(names: tuple[str, ...], present: Any, path: Path, place: str = "") -> str:
    found = next((one for one in names if one in present), None)
    if found is None:
        raise FormatError(
            f"{path}{place} has none of {', '.join(names)}: it has {', '.join(map(str, present))}"
        )
    return found


_READERS: Mapping[str, Callable[[Path], Iterator[tuple[str, str]]]] = {
    ".csv": _from_table,
    ".tsv": _from_table,
    ".tab": _from_table,
    ".json": _from_json,
    ".jsonl": _from_lines,
}
