"""How do the explanations of one network do on one set of sounds? Scored method by method; what is there is read.

=================  ==================================================================================================
sounds             what is judged
=================  ==================================================================================================
``clean``          the judged clips
``contaminated``   the same with something else under each, or the recipes' own mixtures
``located``        mixtures of the judged clips whose onsets and parts are known (:mod:`otoscope.data.mixture`): where
                   and when the named class sounds can be compared with what a mask passes
=================  ==================================================================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.data.clips import Clips
from otoscope.data.contaminated import pairs
from otoscope.data.mixture import Recipe, mixtures
from otoscope.errors import InputError
from otoscope.explain.methods import Method
from otoscope.explain.score import ScoreConfig, scored
from otoscope.explain.score_set import ScoreSetConfig, sounds_of
from otoscope.explain.sounds import Sounds
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.progress import track
from otoscope.store import manifest, tables
from otoscope.store.hashing import hash8, sha256_json
from otoscope.study.reproduce.posthoc_config import MIXTURES, PUBLISHED_VALID, PosthocConfig

VERSION = 1
"""Of what is kept; another one is scored anew."""
CLEAN, CONTAMINATED, LOCATED = "clean", "contaminated", "located"
MIXTURE_S, PART_S, GAINS_DB = 5.0, 3.0, (-6.0, 6.0)
"""Located mixtures: two parts of at most 3 s in 5 s (less where the network hears less), the second up to 6 dB louder
or softer than the first."""
CELL_GROUPS = 6
"""About how many groups of the judged clips make a group of mixtures."""


@dataclass(frozen=True)
class Judged:
    """Scores of every method of a network on one set of sounds.

    Attributes
    ----------
    table : polars.DataFrame
        As :func:`otoscope.explain.score.score` gives it.
    groups : sequence
        Of each clip.
    seconds : mapping of str to float
        Seconds that each method took to explain a clip.
    """

    table: pl.DataFrame
    groups: Sequence[Any]
    seconds: Mapping[str, float]


def sounds_for(
    model: AudioModel, clips: Clips, rows: Sequence[int], kind: str, config: PosthocConfig
) -> Sounds:
    """Return one of the sets of sounds as a network hears it.

    Raises
    ------
    InputError
        If the judged clips are too few for mixtures, or carry several labels each.
    """
    how = scoring(config, kind)
    if kind == LOCATED:
        return sounds_of(model, _overlapping(model, clips.take(np.asarray(rows, np.int64)), config), how)
    if kind == CONTAMINATED and config.contamination == MIXTURES:
        return sounds_of(model, _paired(model, clips, config), how)
    return sounds_of(model, clips, how, rows)


def _overlapping(model: AudioModel, judged: Clips, config: PosthocConfig) -> Clips:
    """Return mixtures of the judged clips."""
    length = min(MIXTURE_S, model.clip_length.length_s or MIXTURE_S)
    recipe = Recipe(
        n=config.located,
        sources=(2, 2),
        duration_s=length,
        gains_db=GAINS_DB,
        max_part_s=length * PART_S / MIXTURE_S,
        cell_groups=CELL_GROUPS,
        onset="random",
        seed=config.seed,
    )
    return mixtures(judged, recipe, sample_rate=model.sample_rate)


def _paired(model: AudioModel, clips: Clips, config: PosthocConfig) -> Clips:
    """Return the recipes' mixtures, at most ``clips`` of them."""
    if config.folds is None:
        raise InputError("contamination 'mixtures' draws from the judged folds: name them (--folds 5)")
    made = pairs(
        clips,
        config.valid_folds or PUBLISHED_VALID,
        config.folds,
        snr_db=config.snr_db,
        sample_rate=model.sample_rate,
        seed=config.seed,
    )
    return made if config.clips is None else made.select(limit=config.clips)


def scoring(config: PosthocConfig, kind: str) -> ScoreSetConfig:
    """Return how a set of sounds is made and scored; curves are of clips that were not mixed here."""
    dirty = kind == CONTAMINATED and config.contamination != MIXTURES
    return ScoreSetConfig(
        controls=config.controls,
        curves=config.curves and kind != LOCATED,
        batch_size=config.batch_size,
        seed=config.seed,
        contamination=config.contamination if dirty else None,
        contaminants=config.contaminants if dirty else None,
        snr_db=config.snr_db,
    )


def judge(
    model: AudioModel, sounds: Sounds, methods: Mapping[str, Method], how: ScoreConfig, folder: Path
) -> Judged:
    """Return the scores of every method; each is kept in ``folder`` when it is there."""
    known = {
        "version": VERSION,
        "classifier": hash_weights(model),
        "scoring": how.model_dump(mode="json", exclude={"batch_size"}),
        "sounds": _content(sounds),
    }
    made, seconds = [], {}
    for name, one in track(list(methods.items()), len(methods), "judging"):
        place = folder / f"{name.replace('@', '-')}-{hash8({**known, 'method': one.identity})}"
        if not place.with_suffix(".json").is_file():
            found = scored(model, sounds, {name: one.explainer}, how)
            tables.write(place.with_suffix(".parquet"), found.table)
            about = {**known, "method": one.identity, "seconds": found.seconds[name]}
            manifest.write(place.with_suffix(".json"), about)
        seconds[name] = float(manifest.read(place.with_suffix(".json"))["seconds"])
        made.append(tables.read(place.with_suffix(".parquet")).with_columns(method=pl.lit(name)))
    return Judged(pl.concat(made, how="vertical_relaxed"), sounds.groups, seconds)


def _content(sounds: Sounds) -> str:
    """Return a hash of what is heard, and of what is known of it."""
    heard = hashlib.sha256(np.ascontiguousarray(sounds.waveforms).tobytes()).hexdigest()
    return sha256_json([heard, list(map(str, sounds.groups)), sounds.events])
