"""Which neurons are described otherwise in another run, and by more than describing anew would change?

Only the high pole is compared. *Changed*: the best concept of a neuron differs, among neurons described in both runs;
once for neurons with the same number, once for matched ones. Held-out scores stand side by side, their difference with
an interval over neurons (not over groups: the tables keep one number a neuron).

*Ceiling and floor*, where both tables were made from captions with a text encoder that is at hand: both runs are
described anew on each of two halves of the shared clips, groups whole. What share of neurons has the same concept in
the first run on one half and the second on the other (*agree across*) stands beside the same within one run
(*ceiling*), and beside the second run with its clips permuted (*floor*).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.describe.clip_words import caption_cosines, clipwise
from otoscope.describe.clipwise import Clipwise
from otoscope.describe.closed import identify
from otoscope.describe.config import DescribeConfig
from otoscope.errors import InputError, OtoscopeError
from otoscope.language import text_encoder
from otoscope.language.concepts import ConceptSet
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.metrics.permutation import donor_maps
from otoscope.store import run as runs
from otoscope.study.compare.config import CompareConfig
from otoscope.study.compare.halving import split
from otoscope.study.compare.sides import Shared, Side

_KEPT = ("affinity", "function", "marginal", "parameters", "temperature", "top_share", "evidence_clips")
_METHOD = "db"


@dataclass(frozen=True)
class Words:
    """A side's table of descriptions.

    Attributes
    ----------
    name : str
    table : DataFrame
        High pole only.
    """

    name: str
    table: pl.DataFrame

    def of(self, layer: str) -> pl.DataFrame:
        """Return the rows of a layer by index."""
        return self.table.filter(layer=layer).sort("index")


def words_of(side: Side, config: CompareConfig) -> Words | None:
    """Return a side's descriptions; None where the run holds none.

    Raises
    ------
    UnknownNameError
        If a named table does not exist, or several do and none is named.
    """
    if not side.run.listing("descriptions"):
        return None
    asked = (
        config.descriptions
        or (runs.read_stage(side.run, "describe") or {}).get("config", {}).get("name")
        or None
    )
    name, table = side.run.table("descriptions", asked)
    if "concept" not in table.columns:
        return None
    if "pole" in table.columns:
        table = table.filter(pl.col("pole") == "high")
    return Words(name, table)


def compared(first: tuple[Words, str], second: tuple[Words, str], matches: pl.DataFrame) -> pl.DataFrame:
    """Return one row a described neuron of the first layer: both descriptions, by number and by match.

    Parameters
    ----------
    first, second : (Words, str)
        Descriptions, and the layer.
    matches : DataFrame
        From :func:`otoscope.study.compare.layers.neurons`.
    """
    one, two = first[0].of(first[1]), second[0].of(second[1])
    kept = [
        name for name in ("concept", "heldout_pearson", "q") if name in one.columns and name in two.columns
    ]
    base = one.select(
        pl.col("index").alias("index_first"), *(pl.col(name).alias(f"{name}_first") for name in kept)
    )
    base = base.join(
        matches.select("index_first", "matched_index", "matched_r"), on="index_first", how="left"
    )
    for key, suffix in (("index_first", "same_index"), ("matched_index", "matched")):
        theirs = two.select(
            pl.col("index").cast(pl.Int64).alias(key),
            *(pl.col(name).alias(f"{name}_{suffix}") for name in kept),
        )
        base = base.with_columns(pl.col(key).cast(pl.Int64)).join(
            theirs, on=key, how="left", maintain_order="left"
        )
    return base.sort("index_first")


def summary(rows: pl.DataFrame, same_width: bool, config: CompareConfig) -> dict[str, Any]:
    """Return how many descriptions changed, and how well both runs' hold."""
    found: dict[str, Any] = {"described_first": rows["concept_first"].drop_nulls().len()}
    for suffix, usable in (("same_index", same_width), ("matched", True)):
        both = rows.filter(pl.col("concept_first").is_not_null() & pl.col(f"concept_{suffix}").is_not_null())
        known = usable and both.height > 0
        changed = (both["concept_first"] != both[f"concept_{suffix}"]).mean() if known else None
        found |= {f"both_{suffix}": both.height if usable else None, f"changed_{suffix}": changed}
        if "heldout_pearson_first" in rows.columns:
            found |= _scores(both, suffix, config) if known else _none(suffix)
    return found


def _none(suffix: str) -> dict[str, Any]:
    names = ("score_first", "score_second", "score_difference", "score_low", "score_high")
    return {f"{one}_{suffix}": None for one in names}


def _scores(both: pl.DataFrame, suffix: str, config: CompareConfig) -> dict[str, Any]:
    pair = both.select("heldout_pearson_first", f"heldout_pearson_{suffix}").drop_nulls().drop_nans()
    if not pair.height:
        return _none(suffix)
    one, two = (pair[name].to_numpy() for name in pair.columns)
    change = two - one
    weights = group_weights(np.arange(len(change)), config.replicates, config.seed)
    low, high = percentile_interval(weights @ change / weights.sum(axis=1))
    return {
        f"score_first_{suffix}": float(one.mean()),
        f"score_second_{suffix}": float(two.mean()),
        f"score_difference_{suffix}": float(change.mean()),
        f"score_low_{suffix}": float(low),
        f"score_high_{suffix}": float(high),
    }


@dataclass(frozen=True)
class Anew:
    """What describes a side on any of the shared clips."""

    known: Clipwise
    config: DescribeConfig


def anew(side: Side, words: Words, config: CompareConfig) -> Anew:
    """Return what describes a side's neurons again on parts of the shared clips.

    Raises
    ------
    InputError
        If its table was not made from captions with the config's text encoder.
    """
    marker = runs.read_stage(side.run, f"describe-{words.name}")
    if marker is None or not words.name.startswith(f"{_METHOD}-"):
        raise InputError(f"{words.name} of {side.name} was not made from captions by the method {_METHOD!r}")
    made = marker["config"]
    encoder = text_encoder(config.encoder)
    if made["encoder"] != encoder.id:
        raise InputError(
            f"{words.name} of {side.name} was made with the text encoder {made['encoder']}, not {encoder.id}: name it "
            "(encoder=...)"
        )
    names = ConceptSet("compared", tuple(made["concepts"]))
    options = {key: made[key] for key in _KEPT if key in made}
    chosen = DescribeConfig(**options, same_clips=True, permutations=0, replicates=2, poles="high")
    spoken = names.texts if made.get("spelling", "spoken") == "spoken" else names.words
    cosines = caption_cosines(side.run, made["captions"], spoken, encoder)
    known = clipwise(side.run, chosen, names, describing=cosines, scoring=None)
    return Anew(known.take(side.rows), chosen)


def agreements(
    first: tuple[Side, Anew, str], second: tuple[Side, Anew, str], shared: Shared, config: CompareConfig
) -> dict[str, Any]:
    """Return the share of same-numbered neurons with one concept across halves, its ceiling and its floor.

    Parameters
    ----------
    first, second : (Side, Anew, str)
        A side, what describes it, and the layer.
    shared : Shared
    config : CompareConfig
    """
    x, y = (side.activations(layer) for side, _, layer in (first, second))
    if x.shape[1] != y.shape[1]:
        return dict.fromkeys(("agree_across", "ceiling", "floor"))
    one, two = split(shared.groups, config.seed)
    a1, a2 = (_concepts(x, first[1], half) for half in (one, two))
    b1, b2 = (_concepts(y, second[1], half) for half in (one, two))
    deal = donor_maps(shared.groups, 1, seed=config.seed + 3)[0]
    dealt = _concepts(y[deal], second[1], two)
    return {
        "agree_across": _agree([(a1, b2), (b1, a2)]),
        "ceiling": _agree([(a1, a2), (b1, b2)]),
        "floor": _agree([(a1, dealt)]),
    }


def _concepts(activations: NDArray[np.float64], told: Anew, half: NDArray[np.int64]) -> NDArray[Any]:
    """Return the best concept of each neuron on some clips, None for one that is not described."""
    table = identify(activations[half].astype(np.float32), told.known.take(half), told.config)
    found = np.full(activations.shape[1], None, dtype=object)
    found[table["index"].to_numpy()] = table["concept"].to_list()
    return found


def _agree(pairs: list[tuple[NDArray[Any], NDArray[Any]]]) -> float | None:
    shares = []
    for one, two in pairs:
        both = np.array([a is not None and b is not None for a, b in zip(one, two, strict=True)])
        if both.any():
            shares.append(float(np.mean(one[both] == two[both])))
    return float(np.mean(shares)) if shares else None


def reason(error: OtoscopeError) -> str:
    """Return why descriptions were not made anew."""
    return str(error)
