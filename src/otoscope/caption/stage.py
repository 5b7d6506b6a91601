"""The caption stage: put the clips of a run into words, once, as ``captions/<captioner>-<hash8>.parquet``.

The work goes in blocks of rows, each a file under ``captions/<name>-<block>.parts`` until all are there; a killed stage
goes on with the missing ones and ends with the same bytes. A table with failed clips is made again when it is asked
for again, where the captioner's failures may pass. The marker is ``stages/caption-<name>.json``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from otoscope.caption import open_captioner
from otoscope.caption.captioner import Captioner, asks_again, check, hears, share_with_label
from otoscope.caption.work import Captioning, merge, part
from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.data.reopen import reopen
from otoscope.errors import EmptyDataError, StageError
from otoscope.stage_config import StageConfig
from otoscope.store import run as runs
from otoscope.store import tables
from otoscope.store.place import remove_tree
from otoscope.store.run import Run
from otoscope.work import blocks
from otoscope.work.blocks import Blocks
from otoscope.work.engine import Engine
from otoscope.work.engine import run as run_blocks

logger = logging.getLogger(__name__)

STAGE, VERSION = "caption", 1


class CaptionConfig(StageConfig):
    """Options of the caption stage; unknown keys are refused.

    Attributes
    ----------
    captioner : str
        ``acoustic``, ``labels``, ``labels:SET``, ``titles``, ``metadata:COLUMN`` or ``file:PATH``.
    block : int
        Clips a block: the unit of work that is finished or not. Not part of the stage's identity.
    workers : int or None
        Decoding processes, None = as many as suit the machine. Not part of the stage's identity.
    """

    captioner: str = "acoustic"
    block: int = Field(256, ge=1)
    workers: int | None = Field(None, ge=0)


def caption(
    run: Run | Path | str,
    clips: Clips | str | None = None,
    config: CaptionConfig | Mapping[str, Any] | None = None,
    *,
    engine: Engine | Mapping[str, Any] | None = None,
) -> str:
    """Write the captions of the run's clips and return the name of their table.

    Parameters
    ----------
    run : Run or path
        A recorded run.
    clips : Clips or str, optional
        Its clips, in its order; opened again where not given. A captioner that reads no sound then needs no file.
    config : CaptionConfig or dict, optional
        Which captioner.
    engine : Engine or dict, optional
        Who computes the blocks; None: this process. The result is the same.

    Returns
    -------
    str
        ``<captioner>-<hash8>``, for ``run.table("captions", name)``.

    Raises
    ------
    StageError
        If ``clips`` are not the run's, or its sounds have moved and are to be heard.
    InputError, UnknownNameError
        If the captioner cannot caption these clips; nothing is written.
    EmptyDataError
        If not one clip got a caption; nothing is written.
    StoreError
        If the disk refuses; finished blocks are kept.
    """
    run, config = runs.open_run(run), CaptionConfig.of(config)
    words = open_captioner(config.captioner)
    clips = _run_clips(run, None if clips is None else clips_of(clips), words)
    check(words, clips)
    name, output = words.id, f"captions/{words.id}.parquet"
    marker, identity = f"{STAGE}-{name}", {"captioner": config.captioner.partition(":")[0], "id": words.id}
    inputs = {"data": run.manifest["data"]["hash"]}
    again = asks_again(words) and _failed(run, marker)
    if runs.is_done(run, marker, VERSION, identity, inputs) and not again:
        logger.info("%s already holds %s", run.root, output)
        return name
    started = time.perf_counter()
    parts = run.root / "captions" / f"{name}-{config.block}.parts"  # blocks of another size are other blocks
    work = Captioning(config.captioner, clips, parts, config.workers, words)
    table = _computed(work, blocks.plan(len(clips), config.block), engine)
    notes = _notes(words, clips, table)
    tables.write(run.root / output, table)
    runs.commit_stage(run, marker, VERSION, identity, inputs, [output], notes)
    for one in (run.root / "captions").glob(f"{name}-*.parts"):
        remove_tree(one)
    run.log(STAGE, name=name, seconds=time.perf_counter() - started, **notes)
    return name


def _failed(run: Run, marker: str) -> bool:
    """Return whether clips failed when the table was made."""
    return bool((runs.read_stage(run, marker) or {}).get("notes", {}).get("failed"))


def _run_clips(run: Run, clips: Clips | None, words: Captioner) -> Clips:
    if clips is None and not hears(words):
        return reopen(run, heard=False)
    found = reopen(run) if clips is None else clips
    _same_clips(run, found)
    return found


def _same_clips(run: Run, clips: Clips) -> None:
    recorded = run.manifest["data"]
    if clips.content_hash() != recorded["hash"]:
        raise StageError(
            f"{clips.spec} ({len(clips)} clips) is not what {run.root} was recorded on: {recorded.get('spec')} "
            f"({recorded.get('n_clips')} clips). Pass the same clips, or record again."
        )


def _computed(work: Captioning, plan: Blocks, engine: Engine | Mapping[str, Any] | None) -> pl.DataFrame:
    """Return the whole table, its blocks computed where they are not there yet."""
    work.parts.mkdir(parents=True, exist_ok=True)
    try:
        run_blocks(plan, work.parts, work, merge, engine)
    finally:
        if work.parts.is_dir() and not any(work.parts.iterdir()):
            work.parts.rmdir()
    table = pl.concat([tables.read(part(work.parts, block)) for block in plan], rechunk=True)
    if not (table["status"] == "ok").any():
        remove_tree(work.parts)
        raise EmptyDataError(
            f"{work.spec} gave none of {len(work.clips)} clips a caption. The first: {table['reason'][0]}"
        )
    return table


def _notes(words: Captioner, clips: Clips, table: pl.DataFrame) -> dict[str, object]:
    said = table.filter(pl.col("status") == "ok")
    return {
        "clips": table.height,
        "failed": table.height - said.height,
        "distinct_texts": said["text"].n_unique(),
        "circular": words.circular,
        "share_with_label": share_with_label(table, clips),
        **words.notes(clips),
    }
