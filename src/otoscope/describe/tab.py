"""Text-audio based identification (TAB): which concept do the clips that excite a neuron sound like?

A clip's affinity to a concept is the cosine of its sound's and the concept's embeddings by an encoder of both
(CLAP): affinity[i, c] = e_i . t_c, over all clips. Everything else is as for captions: a similarity function compares
the activations of a whole layer with all concepts' affinities, half of the clips choose and the other half scores,
:mod:`otoscope.describe.closed`. No captions are needed; where the run has some, ``score_captions`` lets them score,
which is another family. Else the same encoder scores what it has described, and the rows are flagged
``circular-scorer``.

*What p says, and what it does not.* A small p says that activations go with the sounds' projection on the concept's
vector, not that the vector means its word: the sounds' vectors of an untrained network follow loudness and spectrum,
too, and so do neurons. On ESC-10 a random CLAP gives 68 of 500 neurons q <= .05 (``wpmi``), of which 9 hold on other
clips by acoustic captions (median correlation -0.37); vectors without any meaning give 0 of 500. Let captions score.

Each clip is encoded once per run and each concept once, whatever functions and layers are asked for. Clips are mixed
to one channel and resampled to the encoder's rate.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND", ICML 2024, section 3.1 (module A, TAB).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from otoscope.data.clips import Clips
from otoscope.describe.clip_words import (
    caption_cosines,
    clipwise,
    concepts_of,
    encoded_names,
    sound_cosines,
)
from otoscope.describe.clipwise import Clipwise
from otoscope.describe.config import TabConfig
from otoscope.describe.recorded import write_closed
from otoscope.language import TextEncoder, TextSoundEncoder, text_encoder, text_sound_encoder
from otoscope.language.concepts import ConceptSet
from otoscope.store.run import Run

VERSION = 1


def describe_by_sound(
    run: Run,
    config: TabConfig,
    *,
    clips: Clips | None = None,
    encoder: TextSoundEncoder | None = None,
) -> str:
    """Write the table ``tab-<hash8>`` and return its name.

    Parameters
    ----------
    run : Run
        Recorded with pooled activations.
    config : TabConfig
    clips : Clips, optional
        Where the run's sounds have moved; else they are opened again.
    encoder : TextSoundEncoder, optional
        A loaded one to use for ``config.encoder``.

    Raises
    ------
    StageError
        If the run was not recorded, keeps no pooled activations, has none of the captions that shall score, or its
        sounds have moved.
    UnknownNameError
        If a layer, a table of captions, a concept set or an encoder does not exist.
    EmptyDataError
        If no clip can be decoded.
    """
    sources = _sources(run, config, clips, encoder)
    return write_closed(
        run, "tab", VERSION, config, sources.identity(), lambda: _clipwise(run, config, sources, clips)
    )


@dataclass(frozen=True)
class Sources:
    """What the method reads beside the activations.

    Attributes
    ----------
    words : ConceptSet
    hearing : TextSoundEncoder
    score_captions : str or None
        Name of the table of captions that scores.
    reader : TextEncoder or None
        Reads it.
    """

    words: ConceptSet
    hearing: TextSoundEncoder
    score_captions: str | None
    reader: TextEncoder | None

    def identity(self) -> dict[str, Any]:
        """Return what decides the descriptions beside the configuration, JSON-able."""
        return {
            "score_captions": self.score_captions,
            "caption_encoder": None if self.reader is None else self.reader.id,
            "encoder": self.hearing.id,
            "concepts": list(self.words.words),
        }


def _sources(run: Run, config: TabConfig, clips: Clips | None, encoder: TextSoundEncoder | None) -> Sources:
    words = concepts_of(run, config.concepts, clips)
    named = run.table("captions", config.score_captions)[0] if config.score_captions else None
    reader = text_encoder(config.caption_encoder, config.device) if named else None
    return Sources(words, encoder or text_sound_encoder(config.encoder, config.device), named, reader)


def _clipwise(run: Run, config: TabConfig, sources: Sources, clips: Clips | None) -> Clipwise:
    spoken, scoring = encoded_names(sources.words, config), None
    if sources.score_captions is not None and sources.reader is not None:
        scoring = caption_cosines(run, sources.score_captions, spoken, sources.reader)
    describing = sound_cosines(run, config, spoken, sources.hearing, clips)
    return clipwise(run, config, sources.words, describing=describing, scoring=scoring)
