"""How often does each word describe a neuron, and does the number of words change with depth?

- *Histogram*: neurons per adjective.
- *Per layer and block*: mean number of open concepts per neuron, and the same adjusted for the length of the summary:
  the residuals of a least-squares line of the number over the tokens, all neurons together, plus the overall mean.
- *Trend*: Kendall's tau of the blocks' means over depth, with the exact two-sided p of the rank test. The unit is the
  block: neurons of one block are no independent evidence on depth. Twelve blocks can reach p = 2/12!, three no less
  than 1/3.

Conventions: a layer's block is the first number in its name (``blocks.3`` -> 3, ``encoder.layer.5.output.dense`` -> 5);
a layer without one (``logits``) has none and takes no part in the trend. With equal means, p is over all orders up to
8 blocks, else over seeded random ones.

Reference: the histogram and the count per block are figures 3, 9 and 5 of T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND", ICML
2024, which prints p-values of a line over neurons; M. G. Kendall, "Rank Correlation Methods", 1948 (the exact null).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, UnknownNameError

_ENUMERATED = 8
_DRAWS = 100_000


@dataclass(frozen=True)
class Trend:
    """A rank test over blocks.

    Attributes
    ----------
    tau : float
        Kendall's, in [-1, 1]; NaN for fewer than two blocks, or where all are equal.
    p : float
        Two-sided, exact.
    smallest_p : float
        What this number of blocks can reach.
    n_blocks : int
    """

    tau: float
    p: float
    smallest_p: float
    n_blocks: int


def block_of(layer: str) -> int | None:
    """Return the first number in a layer's name, None where there is none.

    Examples
    --------
    >>> block_of("encoder.layer.5.intermediate.dense"), block_of("logits")
    (5, None)
    """
    found = re.search(r"(?<![A-Za-z0-9])\d+|(?<=[A-Za-z_])\d+", layer)
    return int(found.group()) if found else None


def histogram(descriptions: pl.DataFrame, column: str = "open_concepts") -> pl.DataFrame:
    """Return neurons per word, the most frequent first: ``word``, ``neurons``, ``share``.

    Parameters
    ----------
    descriptions : polars.DataFrame
        A table of open concepts.
    column : str
        A column of lists of words.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    """
    if column not in descriptions.columns:
        raise UnknownNameError.of("column of the descriptions", column, descriptions.columns)
    high = descriptions.filter(pl.col("pole") == "high")
    words = high.select(pl.col(column).list.unique().alias("word")).explode("word").drop_nulls()
    counted = words.group_by("word").len("neurons").sort(["neurons", "word"], descending=[True, False])
    return counted.with_columns(
        pl.col("neurons").cast(pl.Int64), share=pl.col("neurons") / max(high.height, 1)
    )


def per_layer(descriptions: pl.DataFrame) -> pl.DataFrame:
    """Return the mean number of open concepts per neuron of each layer, high pole.

    Returns
    -------
    polars.DataFrame
        ``layer``, ``block``, ``n_neurons``, ``adjectives`` (mean), ``sd``, ``tokens`` (mean length), ``adjusted``
        (mean at the overall mean length).
    """
    return _means(descriptions, ["layer"])


def per_block(descriptions: pl.DataFrame) -> pl.DataFrame:
    """Return the same per block, all its layers together, in the order of depth, without layers of no block."""
    return _means(descriptions, ["block"]).drop_nulls("block").sort("block")


def _means(descriptions: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    high = descriptions.filter(pl.col("pole") == "high").with_columns(
        pl.col("open_concepts").list.len().cast(pl.Float64).alias("count"),
        pl.col("layer").map_elements(block_of, return_dtype=pl.Int64).alias("block"),
    )
    if not high.height:
        raise EmptyDataError("there is no description of a high pole")
    adjusted = _adjusted(high["count"].to_numpy(), high["n_tokens"].to_numpy().astype(np.float64))
    keys = list(dict.fromkeys([*by, "block"]))
    return (
        high.with_columns(pl.Series("residual", adjusted))
        .group_by(keys, maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("n_neurons"),
            pl.col("count").mean().alias("adjectives"),
            pl.col("count").std().alias("sd"),
            pl.col("n_tokens").mean().alias("tokens"),
            pl.col("residual").mean().alias("adjusted"),
        )
    )


def _adjusted(counts: NDArray[np.float64], lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = lengths - lengths.mean()
    spread = float((centred**2).sum())
    slope = float((centred * counts).sum()) / spread if spread else 0.0
    return np.asarray(counts - slope * centred, dtype=np.float64)


def trend(values: Sequence[float], *, seed: int = 0) -> Trend:
    """Return the rank test of a trend over depth.

    Parameters
    ----------
    values : sequence of float
        One a block, in the order of depth.
    seed : int
        Of the random orders, where ties forbid the exact null of many blocks.

    Examples
    --------
    >>> found = trend([4.0, 3.0, 2.0, 1.0])
    >>> found.tau, round(found.p, 4), round(found.smallest_p, 4)
    (-1.0, 0.0833, 0.0833)
    """
    given = np.asarray(values, dtype=np.float64)
    n = len(given)
    score, most = _kendall(given), _kendall(np.sort(given))
    if n < 2 or most == 0:
        return Trend(math.nan, math.nan, 1.0, n)
    p = _exact_p(n, score) if len(np.unique(given)) == n else _permuted_p(given, score, seed)
    return Trend(score / math.sqrt(most * (n * (n - 1) / 2)), p, min(1.0, 2 / math.factorial(n)), n)


def _kendall(values: NDArray[np.float64]) -> int:
    """Return concordant minus discordant pairs."""
    return int(np.triu(np.sign(values[None, :] - values[:, None]), 1).sum())


def _exact_p(n: int, score: int) -> float:
    """Return P(|S| >= |score|) over all orders of n different values, by the number of inversions."""
    counts = [1]
    for size in range(2, n + 1):
        longer = [0] * (len(counts) + size - 1)
        for inversions, ways in enumerate(counts):
            for more in range(size):
                longer[inversions + more] += ways
        counts = longer
    pairs = n * (n - 1) // 2
    extreme = sum(ways for inversions, ways in enumerate(counts) if abs(pairs - 2 * inversions) >= abs(score))
    return extreme / math.factorial(n)


def _permuted_p(values: NDArray[np.float64], score: int, seed: int) -> float:
    if len(values) <= _ENUMERATED:
        scores = [abs(_kendall(np.asarray(order))) for order in permutations(values)]
        return float(np.mean(np.asarray(scores) >= abs(score)))
    rng = np.random.default_rng(seed)
    drawn = [abs(_kendall(rng.permutation(values))) >= abs(score) for _ in range(_DRAWS)]
    return float((1 + sum(drawn)) / (_DRAWS + 1))
