"""How good is an explanation, and how much of that would any mask of its kind achieve?

For each case (a clip and an explained class, :mod:`otoscope.explain.cases`) and each method, the method's mask and
every control (:mod:`otoscope.explain.controls`) are put to the same test: under each removal operator
(:mod:`otoscope.explain.removal`) the network hears what the mask keeps and what it leaves, and the measures of
:mod:`otoscope.metrics.faithfulness` compare its probabilities with those for the whole sound
(:mod:`otoscope.explain.judge`). Size, sparseness, complexity and the share of energy that passes stand beside them. The
explained class is the same for every row of a case: by default the one that the network names.

One row of the table per case, method, control and removal:

===================  ==========================================================================================
``clip``             place of the clip in what was given
``target``           explained class
``method``           the explainer
``control``          a row of :data:`otoscope.explain.CONTROLS`; null: the explanation itself
``removal``          a row of :data:`otoscope.explain.REMOVALS`
measures             ``average_increase`` ``average_drop`` ``average_gain`` ``faithfulness`` ``input_fidelity``
                     ``top_3_fidelity``, and as published ``average_drop_published`` (double softmax)
                     ``faithfulness_published`` (of mask-in) ``input_fidelity_published`` (to class 0); null where there
                     is no control
of the mask          ``mask_size`` ``sparseness`` ``complexity`` ``energy_share`` ``roughness``
``curves=True``      ``insertion_area`` ``deletion_area`` ``area_difference`` (:mod:`otoscope.explain.curve`), beside
                     the first removal; null for controls that rank nothing
events known         ``localisation_auroc`` ``energy_in_events`` ``pointing_game`` of the energy passed per frame
parts known          ``target_share`` ``input_share`` ``target_kept`` ``improvement_db``
===================  ==========================================================================================

Cost: two passes of the network per row, and for curves 14 more per row and 2 per case. Means and intervals:
:mod:`otoscope.explain.summary`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from otoscope import heap
from otoscope.errors import InputError
from otoscope.explain.cases import Cases, Lenders, cases
from otoscope.explain.curve import ranks
from otoscope.explain.explanation import Explainer, Explanation
from otoscope.explain.hearing import outputs
from otoscope.explain.judge import MEASURES, OF_MASK, probabilities
from otoscope.explain.lending import backgrounds, donors
from otoscope.explain.score_config import ScoreConfig
from otoscope.explain.score_rows import BACKGROUND, CURVES, Masks, seed_of, sound_of, table_of
from otoscope.explain.sounds import Sounds
from otoscope.explain.windows import explain
from otoscope.models.audio_model import AudioModel
from otoscope.progress import track
from otoscope.record.hooks import lent

__all__ = [
    "CURVES",
    "MEASURES",
    "OF_MASK",
    "Masks",
    "ScoreConfig",
    "Scored",
    "explained",
    "heard",
    "lenders",
    "score",
    "scored",
    "table_of",
]


@dataclass(frozen=True)
class Scored:
    """The scores of a set.

    Attributes
    ----------
    table : polars.DataFrame
        One row per case, method, control and removal.
    seconds : dict of str to float
        Seconds that each method took to explain a case; a clock reading, so in no table.
    """

    table: pl.DataFrame
    seconds: dict[str, float]


def score(
    model: AudioModel, sounds: Sounds, explainers: Mapping[str, Explainer], config: ScoreConfig | None = None
) -> pl.DataFrame:
    """Return one row per case, method, control and removal; columns as in the module.

    Parameters
    ----------
    model : AudioModel
        With class outputs; given back as it was lent.
    sounds : Sounds
        The clips.
    explainers : mapping of str to Explainer
        Methods by the name that they have in the table.
    config : ScoreConfig, optional
        Controls, removals, seeds.
    """
    return scored(model, sounds, explainers, config).table


def scored(
    model: AudioModel, sounds: Sounds, explainers: Mapping[str, Explainer], config: ScoreConfig | None = None
) -> Scored:
    """Return the table of :func:`score` and the seconds that explaining took; parameters as there."""
    how = ScoreConfig.of(config)
    if not explainers:
        raise InputError("name at least one explainer to score")
    tables, seconds = [], {}
    with lent(model), heap.kept():
        p = probabilities(heard(model, sounds, how.batch_size), how.activation)
        chosen = cases(model, p, how.target, sounds.labels)
        lent_by = lenders(chosen, sounds.groups, how)
        for name, one in explainers.items():
            masks = explained(model, sounds, one, chosen, how.batch_size, ranking=how.curves)
            seconds[name] = masks.seconds / len(chosen)
            tables.append(table_of(model, sounds, chosen, lent_by, name, masks, how))
    return Scored(pl.concat(tables, how="vertical_relaxed"), seconds)


def explained(
    model: AudioModel,
    sounds: Sounds,
    explainer: Explainer,
    chosen: Cases,
    batch_size: int,
    *,
    ranking: bool = False,
) -> Masks:
    """Return the masks of all cases, explained ``batch_size`` at a time, in half precision."""
    values: list[NDArray[np.float16]] = []
    orders: list[NDArray[np.float32]] = []
    last: Explanation | None = None
    seconds = 0.0
    for batch in track(list(_batches(len(chosen), batch_size)), None, "explaining"):
        started = time.perf_counter()
        heard = sound_of(model, sounds, chosen.clips[batch])
        last = explain(explainer, model, heard, torch.from_numpy(chosen.targets[batch]))
        values.append(last.mask.half().cpu().numpy())
        seconds += time.perf_counter() - started
        if ranking:
            orders.append((1 - ranks(last.ranks)).float().cpu().numpy())
    if last is None:
        raise InputError("there is no clip to explain")
    joined = np.concatenate(orders) if ranking else None
    return Masks(np.concatenate(values), last.spectrogram, last.domain, joined, seconds)


def heard(model: AudioModel, sounds: Sounds, batch_size: int) -> NDArray[np.float64]:
    """Return the network's output ``(clip, class)`` for the whole sounds."""
    with torch.no_grad():
        found = [
            outputs(model, sound_of(model, sounds, np.arange(len(sounds))[batch])).double().cpu().numpy()
            for batch in _batches(len(sounds), batch_size)
        ]
    return np.concatenate(found)


def lenders(chosen: Cases, groups: Sequence[Any], how: ScoreConfig) -> Lenders:
    """Return who lends a mask or a sound to each case of a whole set; ``groups`` of each clip."""
    masks, sounds = np.full((len(chosen), 2), -1, np.int64), np.full(len(chosen), -1, np.int64)
    asked = [one in how.controls for one in ("other-same", "other-different")]
    if any(asked):
        pairs = donors(chosen.targets, [groups[int(one)] for one in chosen.clips], how.seed)
        masks = np.where(asked, pairs, -1)
    if "background" in how.removals:
        sounds = backgrounds(chosen, [seed_of(how, chosen, one, BACKGROUND) for one in range(len(chosen))])
    return Lenders(masks, sounds)


def _batches(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
