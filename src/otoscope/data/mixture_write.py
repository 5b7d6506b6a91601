"""Mixtures on disk: FLAC, a table of clips, a table of events, the credits; ``csv:`` reads them back.

======================  ===========================================================================================
``audio/<id>.flac``     24 bits
``clips.csv``           path, label (joined by ``;``), group, and fold and split where there are any
``events.csv``          path, onset_s, offset_s, label, gain_db (relative to part 0), group, part, source
``credits.csv``         each source once, with what its collection says of title, author and licence
``mixture.json``        the spec, the level, how many were written; written last: its presence says that all is there
======================  ===========================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from otoscope.audio.write import write
from otoscope.data.clips import Clips
from otoscope.data.mixture import parts_of
from otoscope.data.mixture_source import MixtureSource
from otoscope.errors import Failure, InputError, OtoscopeError
from otoscope.progress import track
from otoscope.store import atomic, manifest

SEPARATOR = ";"
"""What joins the labels of a cell of ``clips.csv``."""

_CREDITS = ("title", "author", "license", "source")


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    folder : Path
    spec : str
        The DATA argument that opens it.
    n_clips, n_events : int
    failures : tuple of Failure
        Mixtures that could not be rendered; they are in no table.
    """

    folder: Path
    spec: str
    n_clips: int
    n_events: int
    failures: tuple[Failure, ...] = ()


def write_mixtures(clips: Clips, folder: str | Path, sources: Clips | None = None) -> Written:
    """Write mixtures (``mix:DATA``) into ``folder``, which must be new or empty.

    Parameters
    ----------
    clips : Clips
        From :func:`otoscope.data.mixture.load`.
    folder : str or Path
    sources : Clips, optional
        The collection they are made of, for ``credits.csv``; None: its ids alone are credited.

    Raises
    ------
    InputError
        If these are no mixtures, a class has the separator in its name, or the folder is not empty.
    StoreError
        If the disk refuses.
    """
    label = clips.label_set()
    if not isinstance(clips.source, MixtureSource):
        raise InputError(f"{clips.spec} are no mixtures: open them by mix:DATA")
    odd = next((one for one in label.classes if SEPARATOR in one), None)
    if odd is not None:
        raise InputError(f"class {odd!r} holds {SEPARATOR!r}, which joins the labels in clips.csv")
    home = Path(folder)
    if home.exists() and any(home.iterdir()):
        raise InputError(f"{home} is not empty: name a new folder")
    written, failures = _sounds(clips, clips.source, home)
    heard = clips.take(written)
    table, events = _table(heard, label.name), _events(heard)
    _tables(home, {"clips": table, "events": events, "credits": _credits(heard, sources)})
    spec = f"csv:{home / 'clips.csv'}?events={home / 'events.csv'}&multi={SEPARATOR}"
    account = {"spec": clips.spec, "level_db": clips.source.level_db, "n_clips": table.height}
    manifest.write(home / "mixture.json", {**account, "n_events": events.height, "n_failed": len(failures)})
    return Written(home, spec, table.height, events.height, tuple(failures))


def _sounds(clips: Clips, source: MixtureSource, home: Path) -> tuple[list[int], list[Failure]]:
    """Write the sounds; return the rows that were written, and the failures."""
    written, failures = [], []
    for row in track(range(len(clips)), len(clips), "mixing"):
        record = clips.record(row)
        try:
            waveform, rate = source.read(record)
        except (OtoscopeError, OSError) as error:
            failures.append(Failure(row, str(record["id"]), "mix", str(error)))
            continue
        file = home / "audio" / f"{record['id']}.flac"
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, waveform, rate, clipping="scale", bits=24)
        written.append(row)
    return written, failures


def _table(clips: Clips, label: str) -> pl.DataFrame:
    frame = clips.table.select(
        pl.format("audio/{}.flac", "id").alias("path"),
        pl.col(label).list.join(SEPARATOR).alias("label"),
        pl.col("group", "fold", "split"),
    )
    return frame.drop([one for one in ("fold", "split") if frame[one].is_null().all()])


def _events(clips: Clips) -> pl.DataFrame:
    if clips.events is None:
        raise InputError(f"{clips.spec} has no events: open it by mix:DATA")
    named = clips.events.join(clips.table.select("row", "id"), on="row", how="left", maintain_order="left")
    return named.select(pl.format("audio/{}.flac", "id").alias("path"), *named.columns[1:-1])


def _credits(clips: Clips, sources: Clips | None) -> pl.DataFrame:
    used = sorted(
        {part["source"] for record in clips.table.iter_rows(named=True) for part in parts_of(record)}
    )
    frame = pl.DataFrame({"id": used}, schema={"id": pl.String})
    if sources is None:
        return frame
    known = [one for one in _CREDITS if one in sources.table.columns]
    return frame.join(sources.table.select("id", *known), on="id", how="left", maintain_order="left")


def _tables(home: Path, frames: dict[str, pl.DataFrame]) -> None:
    for name, frame in frames.items():
        atomic.write_text(home / f"{name}.csv", frame.write_csv())
