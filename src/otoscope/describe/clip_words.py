"""What is known of a run's clips in words: their concepts, and the cosines with them by captions or by sound.

Every method that names a concept of a list starts here; vectors of texts and of clips are made once per run
(:mod:`otoscope.language.embeddings`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data import reopen
from otoscope.data.clips import Clips
from otoscope.describe.affinity import as_affinity, cosine_affinity, sound_affinity
from otoscope.describe.clipwise import Clipwise
from otoscope.describe.config import ClosedConfig
from otoscope.errors import UnknownNameError
from otoscope.language import TextEncoder, TextSoundEncoder, concept_set
from otoscope.language.concepts import ConceptSet
from otoscope.language.embeddings import remember_in, sound_vectors
from otoscope.store.run import Run


def concepts_of(run: Run, spec: str, clips: Clips | None = None) -> ConceptSet:
    """Return the concepts of a spec; ``labels`` are those that the run keeps, where no clips are given."""
    return concept_set(spec, clips or reopen.labels_of(run))


def encoded_names(words: ConceptSet, config: ClosedConfig) -> tuple[str, ...]:
    """Return what of the concepts' names is encoded."""
    return words.texts if config.spelling == "spoken" else words.words


def caption_cosines(
    run: Run, captions: str, concepts: Sequence[str], encoder: TextEncoder
) -> NDArray[np.float32]:
    """Return the cosine of every clip's caption with every concept ``(clip, concept)``; NaN without a caption.

    Raises
    ------
    EmptyDataError
        If no clip has a caption.
    """
    said = run.table("captions", captions)[1].filter(pl.col("status") == "ok").select("row", "text")
    by_row = run.clips().select("row").join(said, on="row", how="left", maintain_order="left")
    reader = remember_in(run, encoder)
    found = cosine_affinity(by_row["text"].to_list(), concepts, reader)
    reader.keep()
    return found


def sound_cosines(
    run: Run,
    config: ClosedConfig,
    concepts: Sequence[str],
    encoder: TextSoundEncoder,
    clips: Clips | None = None,
) -> NDArray[np.float32]:
    """Return the cosine of every clip's sound with every concept ``(clip, concept)``; NaN where none was decoded."""
    heard = sound_vectors(run, clips or reopen.reopen(run), encoder, workers=config.workers)
    reader = remember_in(run, encoder)
    found = sound_affinity(heard, concepts, reader)
    reader.keep()
    return found


def clipwise(
    run: Run,
    config: ClosedConfig,
    words: ConceptSet,
    *,
    describing: NDArray[np.float32],
    scoring: NDArray[np.float32] | None,
    flags: Sequence[str] = (),
) -> Clipwise:
    """Return what is known of the run's clips, from cosines that describe and others that score (None: the same)."""
    clips = run.clips()
    declared = run.manifest["data"].get("group_declared", False)
    return Clipwise(
        affinities=as_affinity(describing, config.affinity, config.temperature),
        concepts=words.words,
        groups=clips["group"].to_numpy(),
        strata=None if config.strata is None else _column(clips, config.strata),
        scoring=scoring,
        flags=tuple(flags) if declared else (*flags, "groups-undeclared"),
    )


def _column(clips: pl.DataFrame, name: str) -> NDArray[Any]:
    if name not in clips.columns:
        raise UnknownNameError.of("column of the clips", name, clips.columns)
    return clips[name].cast(pl.String).fill_null("").to_numpy()
