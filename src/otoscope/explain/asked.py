"""Which clips are to be explained: ids or rows of a collection, or any sound files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.audio.windows import ClipLength
from otoscope.data.clips import Clips
from otoscope.data.cut import Decoding
from otoscope.data.decode import batches
from otoscope.data.source import FileSource
from otoscope.data.table import assemble
from otoscope.errors import Failure, InputError, UnknownNameError
from otoscope.store.explanations import slug
from otoscope.store.hashing import hash8, sha256_file


@dataclass(frozen=True)
class Asked:
    """One clip that is to be explained.

    Attributes
    ----------
    clips : Clips
        Where it is.
    row : int
        Its row there.
    outside : bool
        Whether it is a file that belongs to no collection of the run.
    """

    clips: Clips
    row: int
    outside: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """Its row of the table."""
        return self.clips.record(self.row)

    @property
    def folder(self) -> str:
        """Name of its folder in the run."""
        name = slug(str(self.record["id"]))
        return f"sound-{hash8(self.content)}-{name}" if self.outside else f"{self.row}-{name}"

    @property
    def content(self) -> list[Any]:
        """What the sound is made of: id, size and segment, or the hash of the file; JSON-able."""
        record = self.record
        if self.outside:
            return [sha256_file(Path(record["path"]))]
        return [record["id"], self.clips.source.size(record), record["start_s"], record["end_s"]]

    @property
    def labels(self) -> list[str]:
        """Its labels in the primary set, empty where it has none."""
        if not self.clips.label_sets:
            return []
        value = self.record[self.clips.label_sets[0].name]
        return [] if value is None else [value] if isinstance(value, str) else list(value)

    def waveform(self, sample_rate: int, channels: str = "mix") -> NDArray[np.float32] | Failure:
        """Return the whole sound ``(channel, time)`` at a rate, or why it cannot be decoded."""
        decoding = Decoding(sample_rate, channels=channels, length=ClipLength())
        for batch in batches(self.clips, decoding, rows=[self.row], batch_size=1):
            if batch.failures:
                return batch.failures[0]
            return np.asarray(batch.waveforms[0], np.float32)
        raise InputError(f"{self.record['id']} holds no sound")


def asked(wanted: Sequence[str | int], clips: Clips | None) -> list[Asked]:
    """Return the clips that are named: by id, by the end of an id without its suffix, by row, or by file.

    Parameters
    ----------
    wanted : sequence of str or int
        Ids, rows, or paths of sound files; empty: every clip of the collection.
    clips : Clips or None
        The collection.

    Raises
    ------
    UnknownNameError
        If one is neither in the collection nor a file.
    InputError
        If nothing is named at all, or a name fits several clips.
    """
    if not wanted:
        if clips is None:
            raise InputError("name sound files, or ids with --data")
        return [Asked(clips, row) for row in range(len(clips))]
    place = {} if clips is None else {name: row for row, name in enumerate(clips.table["id"])}
    found = (_one(str(one), clips, place) for one in wanted)
    return list({one.folder: one for one in found}.values())


def _one(name: str, clips: Clips | None, place: dict[str, int]) -> Asked:
    if clips is not None and name in place:
        return Asked(clips, place[name])
    fits = [row for one, row in place.items() if one.endswith(f"/{name}") or slug(one) == name]
    if len(fits) > 1:
        several = [one for one, row in place.items() if row in fits]
        raise InputError(f"{name!r} fits {len(fits)} clips: {', '.join(several[:5])}; give the whole id")
    if clips is not None and fits:
        return Asked(clips, fits[0])
    if Path(name).expanduser().is_file():
        return Asked(_file(Path(name).expanduser()), 0, outside=True)
    if clips is not None and name.isascii() and name.isdigit() and int(name) < len(clips):
        return Asked(clips, int(name))
    raise UnknownNameError.of(
        "clip", name, place, "" if place else "It is no file either: give --data for ids."
    )


def _file(path: Path) -> Clips:
    frame = pl.DataFrame({"id": [path.name], "path": [str(path.resolve())]})
    return assemble(
        frame,
        (),
        FileSource(path.resolve().parent),
        name="files",
        spec=f"file {path.name}",
        expected="a sound file",
        group_declared=False,
    )
