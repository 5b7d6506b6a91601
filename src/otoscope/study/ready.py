"""Can a whole dissection be done? What later stages need is opened before the first one spends hours.

A name that is misspelled, a file that is not there or an extra that is not installed is then said at once, and no run
folder is made. Encoders and captioners that are opened here are opened again by the stage that uses them.
"""

from __future__ import annotations

from pathlib import Path

from otoscope.caption import open_captioner
from otoscope.caption.captioner import check
from otoscope.data.clips import Clips
from otoscope.describe.config import DescribeConfig
from otoscope.errors import InputError, UnknownNameError
from otoscope.language import text_encoder, text_sound_encoder
from otoscope.language.concepts import concept_set

OF_A_RUN = ("duration_s", "sample_rate", "status", "reason")
"""Columns that recording adds to the clips' table."""


def ready(clips: Clips, captioner: str, describing: DescribeConfig, out: Path) -> None:
    """Raise what captioning and describing would raise after the recording; nothing is written.

    Parameters
    ----------
    clips : Clips
        The probing set.
    captioner : str
        As for :func:`otoscope.caption.open_captioner`.
    describing : DescribeConfig
        Its encoders, concepts and strata are looked up, its other captions among those that there will be.
    out : Path
        The run folder, which may hold captions already.

    Raises
    ------
    UnknownNameError
        If there is no such captioner, column, encoder, concept set or table of captions.
    InputError, EmptyDataError, FormatError
        If a file of captions or concepts, or the device, cannot be used.
    ModelError, MissingExtraError
        If an encoder cannot be opened.
    """
    words = open_captioner(captioner)
    check(words, clips)
    concept_set(describing.concepts, clips)
    text_encoder(describing.encoder, describing.device)
    if describing.score_encoder is not None:
        text_sound_encoder(describing.score_encoder, describing.device)
    there = {path.stem for path in (out / "captions").glob("*.parquet")}
    _scored_by(describing, there | {words.id, open_captioner("acoustic").id})
    columns = [*clips.table.columns, *OF_A_RUN]
    if describing.strata is not None and describing.strata not in columns:
        raise UnknownNameError.of("column of the clips", describing.strata, columns)


def _scored_by(describing: DescribeConfig, captions: set[str]) -> None:
    wanted = describing.score_captions
    if wanted is not None and not any(name.startswith(wanted) for name in captions):
        raise InputError(
            f"score_captions names {wanted!r}, but there will be the captions {', '.join(sorted(captions))}: "
            "record, caption and describe one after the other to score by others"
        )
