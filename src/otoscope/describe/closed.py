"""Which concept of a given list describes each neuron of a layer, is that more than chance, and does it hold?

A clip's affinity to a concept is that of its caption's (:mod:`otoscope.describe.db`) or its sound's
(:mod:`otoscope.describe.tab`) and the concept's embeddings; a similarity function compares a neuron's activations with
every concept's affinities; the best concept is the description. Half of the clips (whole groups) choose it,
:mod:`otoscope.describe.naming`; the permutation test of :mod:`otoscope.describe.best_of_many` says how far it stands
out; the other half scores it, :mod:`otoscope.describe.held_out`. Signed neurons are described at both poles: the low
pole is the same with the activations negated.

Flags, joined by ``;``:

====================== =======================================================================================
``dead``               the same activation on every describing clip: not described
``undefined``          no concept has a defined score (``rank_reorder`` on too few clips)
``tied``               equal activations decided which clips were looked at (a seed chose)
``clamped``            fewer describing clips than ``top_k``
``no-contrast``        every concept scores the same: a neuron judged against itself alone
``same-clips``         described and scored on the same clips
``circular-scorer``    scored by the same captions, or the same encoder of sound, that described
``circular-captions``  the captions contain the labels
``groups-undeclared``  clips count as independent because no group was declared
====================== =======================================================================================

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models",
ICML 2024, section 3.1 (module A, DB and TAB).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from otoscope.describe.clipwise import Clipwise, Side, sides, validate
from otoscope.describe.config import ClosedConfig
from otoscope.describe.evidence_clips import name_from_evidence
from otoscope.describe.held_out import HeldOut, another_neuron, score_descriptions
from otoscope.describe.layer import Layer, usable
from otoscope.describe.naming import Named, name_neurons
from otoscope.metrics.multiple_testing import NULLS, benjamini_hochberg
from otoscope.metrics.permutation import attainable_p, donor_maps

Mask = NDArray[np.bool_]

OUTPUT = "logits"
"""The network's output: the layer that is described from all clips whatever ``evidence_clips`` says."""


def identify(
    activations: Any,
    clips: Clipwise,
    config: ClosedConfig,
    *,
    signed: Mask | None = None,
    layer: str = "",
    first_neuron: int = 0,
) -> pl.DataFrame:
    """Return the descriptions of a layer's neurons.

    Parameters
    ----------
    activations : array (clip, neuron)
        NaN rows are failed clips. Numpy, torch, or anything that slices to numpy.
    clips : Clipwise
    config : ClosedConfig
    signed : array of bool (neuron,), optional
        Which neurons have a low pole; those with a negative activation where not given.
    layer : str
        Name to write; ``logits`` for the network's output.
    first_neuron : int
        Global number of the layer's neuron 0.

    Returns
    -------
    polars.DataFrame
        One row per neuron and pole, columns as in the run format; ``q`` is over the rows of this layer.

    Raises
    ------
    InputError
        If arrays do not fit, or there are fewer than two groups to split.
    EmptyDataError
        If no clip is usable.
    """
    validate(clips)
    whole, _ = usable(activations, clips.all_affinities(), config.block)
    describing, scoring = sides(whole.rows.cpu().numpy(), clips, config)
    donors = _donors(describing, config)
    everyone = np.ones(activations.shape[1], dtype=np.bool_)
    poles = {"high": everyone, "low": _signed(whole) if signed is None else np.asarray(signed)}
    few = None if layer == OUTPUT else config.evidence_clips
    tables = [
        _pole(few, pole, whole, described, describing, scoring, donors, config)
        for pole, described in poles.items()
        if described.any() and (config.poles == "both" or pole == "high")
    ]
    found = with_q(pl.concat(tables).sort("index", "pole"))
    return found.select(
        (pl.col("index") + first_neuron).alias("neuron"), pl.lit(layer).alias("layer"), pl.all()
    )


def with_q(descriptions: pl.DataFrame) -> pl.DataFrame:
    """Return the descriptions with Benjamini-Hochberg ``q`` over all their rows."""
    p = descriptions["p"].fill_null(np.nan).to_numpy()
    return descriptions.with_columns(q=pl.Series(benjamini_hochberg(p)).fill_nan(None))


def _pole(
    few: int | None,
    pole: str,
    layer: Layer,
    described: Mask,
    describing: Side,
    scoring: Side,
    donors: NDArray[np.int64] | None,
    config: ClosedConfig,
) -> pl.DataFrame:
    """Return the descriptions of the ``described`` neurons at one pole."""
    seen = describing.of(layer, pole)
    affinities = torch.as_tensor(describing.clips.affinities).to(seen.rows.device, layer.dtype)
    if few is None:
        named = name_neurons(seen, affinities, config, donors).only(described)
    else:
        named = name_from_evidence(seen, affinities, config, few).only(described)
    p, testable = _tested(named, describing.clips, config)
    held_out = _held_out(scoring, scoring.of(layer, pole), named, config)
    columns = {
        "pole": pl.repeat(pole, len(described), eager=True),
        **_named_columns(named, describing.clips.concepts),
        "p": p,
        "q": np.full(len(p), np.nan),
        "testable": testable,
        **_held_out_columns(held_out),
        "n_describe": np.full(len(p), min(few or len(describing.rows), len(describing.rows))),
        "n_score": np.full(len(p), len(scoring.rows)),
        "flags": _flags(named, describing.clips, config, few),
    }
    table = pl.DataFrame({"index": np.arange(len(described)), **columns}, nan_to_null=True)
    return table.filter(pl.Series(described))


def _tested(named: Named, clips: Clipwise, config: ClosedConfig) -> tuple[NDArray[np.float64], Mask]:
    """Return p, at least the smallest attainable for the concept, and whether alpha can be reached."""
    floor = np.ones(len(named.concept))
    for concept in np.unique(named.concept[named.concept >= 0]):
        content = clips.affinities[:, concept]
        floor[named.concept == concept] = attainable_p(clips.groups, content, strata=clips.strata)
    can = ~np.isnan(named.statistic)
    if not len(named.null):
        return np.full(len(floor), np.nan), np.zeros(len(floor), dtype=np.bool_)
    p = np.maximum(NULLS[config.null](named.statistic, named.null), np.where(can, floor, np.nan))
    return p, can & (floor <= config.alpha)


def _held_out(side: Side, layer: Layer, named: Named, config: ClosedConfig) -> HeldOut:
    clips = side.clips
    affinities = clips.affinities if clips.scoring is None else clips.scoring
    control = another_neuron(named.concept, config.seed)
    parts = [
        score_descriptions(
            layer.columns(neurons).cpu().numpy(),
            affinities,
            named.concept[neurons],
            control[neurons],
            named.threshold[neurons],
            clips.groups,
            n_replicates=config.replicates,
            seed=config.seed,
        )
        for neurons in layer.blocks()
    ]
    return HeldOut(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})


def _named_columns(named: Named, concepts: Sequence[str]) -> dict[str, Any]:
    words = [[concepts[one] for one in row if one >= 0] for row in named.top]
    scores = [row[: len(kept)].tolist() for row, kept in zip(named.top_scores, words)]
    return {
        "concept": pl.Series([row[0] if row else None for row in words], dtype=pl.String),
        "score": pl.Series([row[0] if row else None for row in scores], dtype=pl.Float64),
        "margin": named.margin,
        "top_concepts": pl.Series(words, dtype=pl.List(pl.String)),
        "top_scores": pl.Series(scores, dtype=pl.List(pl.Float32)),
    }


def _held_out_columns(found: HeldOut) -> dict[str, Any]:
    return {
        "heldout_pearson": found.pearson,
        "heldout_low": found.low,
        "heldout_high": found.high,
        "heldout_auprc_gain": found.auprc_gain,
        "heldout_auroc": found.auroc,
        "control_pearson": found.control,
    }


def _flags(named: Named, clips: Clipwise, config: ClosedConfig, few: int | None) -> list[str]:
    nobody = np.zeros(len(named.dead), dtype=np.bool_)
    undefined = ~named.dead & (named.concept < 0)
    n_clips = min(few or len(clips.groups), len(clips.groups))
    given = {
        "dead": named.dead,
        "undefined": undefined,
        "tied": named.tied & ~named.dead,
        "clamped": nobody | ((config.top_k(n_clips) or 0) > n_clips),
        "no-contrast": ~named.dead & ~undefined & np.isnan(named.statistic),
        "same-clips": nobody | config.same_clips,
        "circular-scorer": nobody | (clips.scoring is None),
        **dict.fromkeys(clips.flags, ~nobody),
    }
    return [";".join(name for name, mask in given.items() if mask[neuron]) for neuron in range(len(nobody))]


def _donors(side: Side, config: ClosedConfig) -> NDArray[np.int64] | None:
    if not config.permutations:
        return None
    return donor_maps(side.clips.groups, config.permutations, seed=config.seed, strata=side.clips.strata)


def _signed(layer: Layer) -> Mask:
    return np.concatenate([(layer.columns(some).amin(dim=0) < 0).cpu().numpy() for some in layer.blocks()])
