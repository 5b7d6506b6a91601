"""Description-based identification (DB): which concept do the captions of a neuron's clips speak of?

A clip's affinity to a concept is the cosine of its caption's and the concept's text embeddings
(:mod:`otoscope.describe.affinity`); :mod:`otoscope.describe.closed` says how a concept is chosen, tested and scored.
Each distinct text is encoded once per run, for all functions and layers.

The scorer is best of another family than the describer: other captions (``score_captions``), or an encoder that hears
the clips (``score_encoder``). Else the describing captions score, and the rows are flagged.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND", ICML 2024, section 3.1 (module A, DB).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data import reopen
from otoscope.data.clips import Clips
from otoscope.describe.affinity import as_affinity, cosine_affinity
from otoscope.describe.clipwise import Clipwise
from otoscope.describe.config import DescribeConfig
from otoscope.describe.output import write_descriptions
from otoscope.describe.recorded import chosen_layers, column_of_clips, describe_layers, summary
from otoscope.language import TextEncoder, concept_set, remember, text_encoder
from otoscope.language.concepts import ConceptSet
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
        Only for the concept set ``labels`` where the run's sounds have moved; else they are opened again.
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

    def notes(table: pl.DataFrame) -> dict[str, Any]:
        return {**summary(table, config.alpha), "top_k": config.top_k(table["n_describe"][0])}

    return write_descriptions(
        run,
        "db",
        VERSION,
        sources.identity(run, config),
        lambda: describe_layers(run, config, _clipwise(run, config, sources)),
        notes=notes,
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
    """

    captions: str
    score_captions: str
    words: ConceptSet
    reader: TextEncoder

    def identity(self, run: Run, config: DescribeConfig) -> dict[str, Any]:
        """Return everything that decides the descriptions, JSON-able."""
        return {
            **config.identity(),
            "layers": [one.name for one in chosen_layers(run, config.layers)],
            "captions": self.captions,
            "score_captions": self.score_captions,
            "encoder": self.reader.id,
            "concepts": list(self.words.words),
        }


def _sources(run: Run, config: DescribeConfig, clips: Clips | None, encoder: TextEncoder | None) -> Sources:
    captions = run.table("captions", config.captions)[0]
    scoring = run.table("captions", config.score_captions)[0] if config.score_captions else captions
    words = concepts_of(run, config.concepts, clips)
    return Sources(captions, scoring, words, remember(encoder or text_encoder(config.encoder)))


def concepts_of(run: Run, spec: str, clips: Clips | None = None) -> ConceptSet:
    """Return the concepts of a spec; for ``labels`` the run's clips are opened again where not given."""
    labelled = clips
    if labelled is None and any(part.partition(":")[0] == "labels" for part in spec.split("+")):
        labelled = reopen.reopen(run)
    return concept_set(spec, labelled)


def _clipwise(run: Run, config: DescribeConfig, sources: Sources) -> Clipwise:
    clips, same = run.clips(), sources.score_captions == sources.captions
    describing = _cosines(run, sources.captions, sources)
    return Clipwise(
        affinities=as_affinity(describing, config.affinity, config.temperature),
        concepts=sources.words.words,
        groups=clips["group"].to_numpy(),
        strata=None if config.strata is None else column_of_clips(clips, config.strata),
        scoring=None if same else _cosines(run, sources.score_captions, sources),
        flags=_flags(run, sources),
    )


def _cosines(run: Run, captions: str, sources: Sources) -> NDArray[np.float32]:
    said = run.table("captions", captions)[1].filter(pl.col("status") == "ok").select("row", "text")
    by_row = run.clips().select("row").join(said, on="row", how="left", maintain_order="left")
    return cosine_affinity(by_row["text"].to_list(), sources.words.texts, sources.reader)


def _flags(run: Run, sources: Sources) -> tuple[str, ...]:
    marker = runs.read_stage(run, f"caption-{sources.captions}") or {}
    given = {
        "circular-captions": bool(marker.get("notes", {}).get("circular")),
        "groups-undeclared": not run.manifest["data"].get("group_declared", False),
    }
    return tuple(flag for flag, holds in given.items() if holds)
