"""Do people find the descriptions true, and do they say the same in their own words (Table 3's protocol)?

For each method: the mean rating of its descriptions, of its control (other neurons' descriptions), and their
difference; the cosine of the raters' own words with description and control; BERTScore likewise where token
embeddings are given. The unit is the neuron: ratings are averaged over raters first, and intervals are of a bootstrap
over neurons. Beside it, how far the raters agree (Krippendorff's alpha, ordinal, over all lines).

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND", ICML 2024, Table 3 (2.73, 3.24 and 3.49 of 5 for TAB, DB and
summaries; rated by the authors, without control). *Where we differ*: blind, with a control, with intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError
from otoscope.metrics import agreement, bootstrap, text_agreement, token_agreement
from otoscope.report.rating.answers import Ratings

Floats = NDArray[np.floating[Any]]
Encode = Callable[[Sequence[str]], Floats]
EncodeTokens = Callable[[Sequence[str]], Sequence[Floats]]
_PLACE = ["item", "pole", "table", "control"]


@dataclass(frozen=True)
class RatingResult:
    """What the raters found.

    Attributes
    ----------
    methods : polars.DataFrame
        One row per table and measure (``rating``, ``cosine``, ``bert_f1``): ``n_neurons``, and mean with interval of
        the ``description``, of the ``control``, and of their ``difference``.
    alpha : float
        Krippendorff's alpha of the ratings, NaN for a single rater.
    n_raters, n_ratings : int
    """

    methods: pl.DataFrame
    alpha: float
    n_raters: int
    n_ratings: int


def rating_study(
    found: Ratings,
    *,
    encode: Encode | None = None,
    encode_tokens: EncodeTokens | None = None,
    n_replicates: int = 2000,
    seed: int = 0,
) -> RatingResult:
    """Return means with intervals, and agreement.

    Parameters
    ----------
    found : Ratings
        From :func:`otoscope.report.rate.read_ratings`.
    encode : callable, optional
        Texts to sentence embeddings ``(text, dimension)``, for the cosine.
    encode_tokens : callable, optional
        Texts to token embeddings ``(token, dimension)`` each, for BERTScore.
    n_replicates, seed : int
        Of the bootstrap.

    Raises
    ------
    EmptyDataError
        If nothing was rated.
    """
    ratings = found.ratings
    if ratings.is_empty():
        raise EmptyDataError("nothing was rated")
    measured = {"rating": ratings.select(*_PLACE, value=pl.col("rating").cast(pl.Float64))}
    pairs = found.texts.select("rater", "item", "own_words").join(ratings, on=["rater", "item"])
    if encode is not None and pairs.height:
        measured["cosine"] = pairs.with_columns(value=_cosine(pairs, encode))
    if encode_tokens is not None and pairs.height:
        measured["bert_f1"] = pairs.with_columns(value=_bert(pairs, encode_tokens))
    rows = [
        _row(table, name, values.filter(table=table), n_replicates, seed)
        for name, values in measured.items()
        for table in values["table"].unique(maintain_order=True)
    ]
    return RatingResult(
        methods=pl.DataFrame(rows),
        alpha=agreement.krippendorff_alpha(_matrix(ratings)),
        n_raters=ratings["rater"].n_unique(),
        n_ratings=ratings.select("rater", "item", "option").unique().height,
    )


def _row(table: str, measure: str, values: pl.DataFrame, n_replicates: int, seed: int) -> dict[str, Any]:
    """Return one table's means over neurons: description, control, and their difference where both are rated."""
    by_neuron = values.group_by("item", "control").agg(pl.col("value").mean()).sort("item")
    sides = {side: by_neuron.filter(control=side).select("item", "value") for side in (False, True)}
    both = sides[False].join(sides[True], on="item", suffix="_control").sort("item")
    columns = {
        "description": sides[False]["value"],
        "control": sides[True]["value"],
        "difference": both["value"] - both["value_control"],
    }
    row: dict[str, Any] = {"table": table, "measure": measure, "n_neurons": sides[False].height}
    for name, column in columns.items():
        row |= _mean(name, column.to_numpy().astype(np.float64), n_replicates, seed)
    return row


def _mean(name: str, values: NDArray[np.float64], n_replicates: int, seed: int) -> dict[str, float | None]:
    if not len(values):
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = bootstrap.interval(
        lambda weights: weights @ values / weights.sum(axis=1),
        np.arange(len(values)),
        n_replicates=n_replicates,
        seed=seed,
    )
    return {name: float(values.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}


def _distinct(pairs: pl.DataFrame) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Return every text once, and where each pair's two texts stand among them."""
    texts = [*pairs["own_words"], *pairs["text"]]
    once = list(dict.fromkeys(texts))
    place = {text: at for at, text in enumerate(once)}
    found = np.array([place[text] for text in texts])
    return once, found[: pairs.height], found[pairs.height :]


def _cosine(pairs: pl.DataFrame, encode: Encode) -> pl.Series:
    texts, own, described = _distinct(pairs)
    vectors = np.asarray(encode(texts), dtype=np.float64)
    return pl.Series(text_agreement.cosine(vectors[described], vectors[own]))


def _bert(pairs: pl.DataFrame, encode_tokens: EncodeTokens) -> pl.Series:
    texts, own, described = _distinct(pairs)
    tokens = encode_tokens(texts)
    scores = token_agreement.bert_score([tokens[at] for at in described], [tokens[at] for at in own])
    return pl.Series(scores[2])


def _matrix(ratings: pl.DataFrame) -> NDArray[np.float64]:
    """Return the ratings ``(rater, line)``, NaN where a rater did not rate."""
    lines = ratings.select("rater", "item", "option", "rating").unique()
    wide = lines.pivot(on="rater", index=["item", "option"], values="rating").drop("item", "option")
    return wide.cast(pl.Float64).fill_null(float("nan")).to_numpy().T
