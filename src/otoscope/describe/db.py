"""Description-based identification (DB): which concept do the captions of a neuron's clips speak of?

A clip's affinity to a concept is the cosine of its caption's and the concept's text embeddings
(:mod:`otoscope.describe.affinity`); :mod:`otoscope.describe.closed` says how a concept is chosen, tested and scored.
Each distinct text is encoded once per run, for all functions and layers.

The scorer is best of another family than the describer: other captions (``score_captions``), or an encoder that hears
the clips (``score_encoder``). Else the describing captions score, and the rows are flagged.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND", ICML 2024, section 3.1 (module A, DB).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.data.clips import Clips
from otoscope.describe.clip_words import (
    caption_cosines,
    clipwise,
    concepts_of,
    encoded_names,
    sound_cosines,
)
from otoscope.describe.clipwise import Clipwise
from otoscope.describe.config import DescribeConfig
from otoscope.describe.recorded import write_closed
from otoscope.language import TextEncoder, TextSoundEncoder, text_encoder, text_sound_encoder
from otoscope.language.concepts import ConceptSet
from otoscope.language.embeddings import remember_in
from otoscope.store import run as runs
from otoscope.store.run import Run

VERSION = 1


def describe_by_captions(
    run: Run,
    config: DescribeConfig,
    *,
    clips: Clips | None = None,
    encoder: TextEncoder | None = None,
) -> str:
    """Write the table ``db-<hash8>`` and return its name.

    Parameters
    ----------
    run : Run
        Recorded with pooled activations, and captioned.
    config : DescribeConfig
    clips : Clips, optional
        For the concept set ``labels`` and a ``score_encoder``, where the run's sounds have moved; else they are opened
        again.
    encoder : TextEncoder, optional
        A loaded one to use for ``config.encoder``.

    Raises
    ------
    StageError
        If the run was not recorded, keeps no pooled activations, or has no captions.
    UnknownNameError
        If a layer, a table of captions, a concept set or an encoder does not exist.
    EmptyDataError
        If no clip has both activations and a caption.
    """
    sources = _sources(run, config, clips, encoder)
    return write_closed(
        run, "db", VERSION, config, sources.identity(), lambda: _clipwise(run, config, sources, clips)
    )


@dataclass(frozen=True)
class Sources:
    """What the method reads beside the activations.

    Attributes
    ----------
    captions, score_captions : str
        Names of the tables of captions that describe and that score.
    words : ConceptSet
    reader : TextEncoder
    hearing : TextSoundEncoder or None
        What scores by the clips themselves.
    """

    captions: str
    score_captions: str
    words: ConceptSet
    reader: TextEncoder
    hearing: TextSoundEncoder | None

    def identity(self) -> dict[str, Any]:
        """Return what decides the descriptions beside the configuration, JSON-able."""
        return {
            "captions": self.captions,
            "score_captions": self.score_captions,
            "score_encoder": None if self.hearing is None else self.hearing.id,
            "encoder": self.reader.id,
            "concepts": list(self.words.words),
        }


def _sources(run: Run, config: DescribeConfig, clips: Clips | None, encoder: TextEncoder | None) -> Sources:
    captions = run.table("captions", config.captions)[0]
    scoring = run.table("captions", config.score_captions)[0] if config.score_captions else captions
    words = concepts_of(run, config.concepts, clips)
    reader = remember_in(run, encoder or text_encoder(config.encoder, config.device))
    hearing = text_sound_encoder(config.score_encoder, config.device) if config.score_encoder else None
    return Sources(captions, scoring, words, reader, hearing)


def _clipwise(run: Run, config: DescribeConfig, sources: Sources, clips: Clips | None) -> Clipwise:
    words = sources.words
    spoken = encoded_names(words, config)
    return clipwise(
        run,
        config,
        words,
        describing=caption_cosines(run, sources.captions, spoken, sources.reader),
        scoring=_scoring(run, config, sources, spoken, clips),
        flags=("circular-captions",) if _circular(run, sources.captions) else (),
    )


def _scoring(
    run: Run, config: DescribeConfig, sources: Sources, spoken: Sequence[str], clips: Clips | None
) -> NDArray[np.float32] | None:
    """Return the scoring cosines; None where the describing captions score."""
    if sources.hearing is not None:
        return sound_cosines(run, config, spoken, sources.hearing, clips)
    if sources.score_captions == sources.captions:
        return None
    return caption_cosines(run, sources.score_captions, spoken, sources.reader)


def _circular(run: Run, captions: str) -> bool:
    marker = runs.read_stage(run, f"caption-{captions}") or {}
    return bool(marker.get("notes", {}).get("circular"))
