"""Each text and each clip goes through a network once per run: vectors are kept in the run and found by content.

=============================================== =====================================================================
``embeddings/texts-<scheme>-<hash8>.parquet``   one row a text: ``key`` (sha256 of its UTF-8), ``vector``
``embeddings/sounds-<scheme>-<hash8>.parquet``  one row a clip: ``row``, ``id``, ``status``, ``reason``, ``vector``
=============================================== =====================================================================

The hash is over the encoder's id (which holds a hash of its weights) and, for sounds, over the run's data. Files are
replaced whole, so a reader never sees half of one; sounds are encoded in blocks under ``<name>.parts``, and a killed
run goes on with the missing ones. Vectors are float32 of length 1. Encoders that are faster than the disk
(``lexical``) say so by an attribute ``cheap`` and are remembered in memory only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.errors import EmptyDataError, StageError
from otoscope.language.encoder import Remembered, SoundEncoder, TextEncoder
from otoscope.progress import track
from otoscope.store import tables
from otoscope.store.hashing import hash8
from otoscope.store.place import remove_tree
from otoscope.store.run import Run
from otoscope.work import blocks
from otoscope.work.blocks import Block

FOLDER, VERSION = "embeddings", 1
_WRITTEN_AT_ONCE = 4096
"""Texts up to which a file is written after every call."""

_SAMPLES_AT_ONCE = 2**24
"""Samples of sound (64 MB) handed to an encoder at a time; at least one clip."""


class StoredTexts(Remembered):
    """An encoder whose vectors of texts are kept in a file: each text is encoded once per file.

    The file is written after a call that encoded something; where it is large, after an eighth of it is new, so that
    many small calls cost no more than a few large ones. :meth:`keep` writes what is left.

    Attributes
    ----------
    id : str
        The id of the encoder inside.
    n_encoded : int
        Texts that went through the encoder inside.
    path : Path
        The file.
    """

    def __init__(self, encoder: TextEncoder, path: Path) -> None:
        super().__init__(encoder)
        self.path = path
        self._vectors.update(_read_texts(path))
        self._n_written = len(self._vectors)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit row a text, float32 (text, dim); new ones are encoded and kept."""
        rows = super().encode(texts)
        unwritten = len(self._vectors) - self._n_written
        if unwritten >= (1 if len(self._vectors) <= _WRITTEN_AT_ONCE else len(self._vectors) // 8):
            self.keep()
        return rows

    def keep(self) -> None:
        """Write all vectors, with those that another process has added since; nothing where nothing is new."""
        if len(self._vectors) == self._n_written:
            return
        self._vectors = {**_read_texts(self.path), **self._vectors}
        keys = sorted(self._vectors)
        vectors = np.stack([self._vectors[key] for key in keys])
        tables.write(
            self.path, pl.DataFrame({"key": [key.hex() for key in keys], "vector": _column(vectors)})
        )
        self._n_written = len(keys)


def remember_in(run: Run, encoder: TextEncoder) -> Remembered:
    """Return the encoder with a memory for texts that lasts as long as the run does.

    An encoder that remembers already comes back as it is; one that is ``cheap`` remembers in memory only.
    """
    if isinstance(encoder, Remembered):
        return encoder
    if getattr(encoder, "cheap", False):
        return Remembered(encoder)
    return StoredTexts(encoder, run.root / FOLDER / f"{_name('texts', encoder.id)}.parquet")


def sound_vectors(
    run: Run,
    clips: Clips,
    encoder: SoundEncoder,
    *,
    block: int = 64,
    workers: int | None = 0,
) -> NDArray[np.float32]:
    """Return one unit row a clip, float32 (clip, dim), NaN where a clip could not be decoded; encoded once per run.

    Parameters
    ----------
    run : Run
    clips : Clips
        The run's clips, in its order.
    encoder : SoundEncoder
        Clips are mixed to one channel and resampled to its rate.
    block : int
        Clips encoded between two writes to the disk.
    workers : int or None
        Decoding processes; None = as many as suit the machine.

    Raises
    ------
    StageError
        If ``clips`` are not the run's.
    EmptyDataError
        If not one clip could be decoded; nothing is written.
    """
    table = sound_table(run, clips, encoder, block=block, workers=workers)
    width = len(table.filter(pl.col("vector").is_not_null())["vector"][0])
    found = np.full((table.height, width), np.nan, dtype=np.float32)
    good = table.filter(status="ok")
    found[good["row"].to_numpy()] = good["vector"].to_numpy()
    return found


def sound_table(
    run: Run, clips: Clips, encoder: SoundEncoder, *, block: int = 64, workers: int | None = 0
) -> pl.DataFrame:
    """Return the table of the clips' vectors (see the module), encoded if it is not there."""
    data = run.manifest["data"]["hash"]
    if clips.content_hash() != data:
        raise StageError(
            f"{clips.spec} ({len(clips)} clips) is not what {run.root} was recorded on: pass the same clips"
        )
    name = _name("sounds", encoder.id, data)
    path, parts = run.root / FOLDER / f"{name}.parquet", run.root / FOLDER / f"{name}.parts"
    if path.is_file():
        return tables.read(path)
    plan = blocks.plan(len(clips), block)
    missing = [one for one in plan if not _part(parts, one).is_file()]
    for one in track(missing, len(missing), "encoding clips"):
        tables.write(_part(parts, one), _encoded(clips, one, encoder, workers))
    found = [tables.read(_part(parts, one)) for one in plan]
    filled = [one for one in found if (one["status"] == "ok").any()]
    if not filled:
        remove_tree(parts)
        reason = found[0]["reason"][0]
        raise EmptyDataError(f"none of {len(clips)} clips could be decoded. The first: {reason}")
    kind = filled[0].schema["vector"]
    table = pl.concat([one.with_columns(pl.col("vector").cast(kind)) for one in found], rechunk=True)
    tables.write(path, table)
    remove_tree(parts)
    return table


def _encoded(clips: Clips, block: Block, encoder: SoundEncoder, workers: int | None) -> pl.DataFrame:
    """Return the rows of a block; where nothing decodes, ``vector`` is a column of nulls."""
    vectors: dict[int, NDArray[np.float32]] = {}
    reasons: dict[int, str] = {}
    for rows, waveforms in _heard(clips, block, encoder.sample_rate, workers, reasons):
        vectors.update(zip(rows, encoder.encode_sounds(waveforms), strict=True))
    rows = list(range(block.start, block.stop))
    blank = np.zeros_like(next(iter(vectors.values()))) if vectors else np.zeros(0, np.float32)
    column = _column(np.stack([vectors.get(row, blank) for row in rows]))
    status = pl.Series(["ok" if row in vectors else "failed" for row in rows])
    return pl.DataFrame(
        {
            "row": pl.Series(rows, dtype=pl.Int64),
            "id": clips.table["id"][block.start : block.stop],
            "status": status,
            "reason": pl.Series([reasons.get(row) for row in rows], dtype=pl.String),
            "vector": column,
        }
    ).with_columns(vector=pl.when(pl.col("status") == "ok").then("vector"))


def _heard(
    clips: Clips, block: Block, sample_rate: int, workers: int | None, reasons: dict[int, str]
) -> Iterator[tuple[list[int], list[NDArray[np.float32]]]]:
    """Yield rows and waveforms, as many as may be held at a time; reasons of failures go into ``reasons``."""
    rows: list[int] = []
    waveforms: list[NDArray[np.float32]] = []
    wanted = range(block.start, block.stop)
    for batch in batches(clips, Decoding(sample_rate), rows=wanted, batch_size=1, workers=workers):
        reasons.update((failure.row, failure.reason) for failure in batch.failures)
        for row, waveform in zip(batch.rows.tolist(), batch.waveforms, strict=True):
            if waveforms and sum(map(len, waveforms)) + waveform.shape[1] > _SAMPLES_AT_ONCE:
                yield rows, waveforms
                rows, waveforms = [], []
            rows.append(row)
            waveforms.append(waveform[0].copy())
    if waveforms:
        yield rows, waveforms


def _name(kind: str, encoder_id: str, *content: str) -> str:
    scheme = encoder_id.partition(":")[0].partition("-")[0]
    return f"{kind}-{scheme}-{hash8([VERSION, encoder_id, *content])}"


def _part(parts: Path, block: Block) -> Path:
    return parts / f"{block.start}-{block.stop}.parquet"


def _column(vectors: NDArray[np.float32]) -> pl.Series:
    return pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))


def _read_texts(path: Path) -> dict[bytes, NDArray[np.float32]]:
    if not path.is_file():
        return {}
    table = tables.read(path)
    keys = (bytes.fromhex(one) for one in table["key"])
    return dict(zip(keys, table["vector"].to_numpy().astype(np.float32), strict=True))
