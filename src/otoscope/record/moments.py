"""Mean, spread, skew and tails of pooled activations, in one pass and mergeable.

Central moments up to the fourth are kept in float64 and merged by Chan's and Pebay's formulas (P. Pebay, Formulas
for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments, Sandia report
SAND2008-6212, 2008, equations 2.1 and 3.1), so a merge tree of fixed shape gives the same bits each time.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl

Float64 = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Moments:
    """Running moments of each neuron, arrays ``(neuron,)`` float64.

    Attributes
    ----------
    count : array
        Values seen.
    mean, m2, m3, m4 : array
        Mean, and sums of the second to fourth powers of the differences from it.
    minimum, maximum : array
        Smallest and largest value (inf, -inf where none was seen).
    """

    count: Float64
    mean: Float64
    m2: Float64
    m3: Float64
    m4: Float64
    minimum: Float64
    maximum: Float64

    def to_arrays(self) -> dict[str, Float64]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def empty(n_neurons: int) -> Moments:
    """Return the moments of nothing."""
    zero = np.zeros(n_neurons)
    return Moments(zero, zero, zero, zero, zero, zero + np.inf, zero - np.inf)


def of_values(values: np.ndarray[Any, Any]) -> Moments:
    """Return the moments of ``values`` ``(clip, neuron)``."""
    n_clips, n_neurons = values.shape
    if n_clips == 0:
        return empty(n_neurons)
    exact = values.astype(np.float64)
    mean = exact.mean(axis=0)
    difference = exact - mean
    squared = difference * difference
    return Moments(
        np.full(n_neurons, float(n_clips)),
        mean,
        squared.sum(axis=0),
        (squared * difference).sum(axis=0),
        (squared * squared).sum(axis=0),
        exact.min(axis=0),
        exact.max(axis=0),
    )


def of_table(neurons: pl.DataFrame) -> Moments:
    """Return the moments that rows of ``neurons.parquet`` were summarised from, to rounding."""
    columns = ("n_clips", "mean", "std", "skewness", "kurtosis", "min", "max")
    count, mean, std, skewness, kurtosis, minimum, maximum = (
        neurons[one].cast(pl.Float64).to_numpy() for one in columns
    )
    m2 = np.where(count > 0, std**2 * count, 0.0)
    varies = m2 > 0
    return Moments(
        count,
        np.where(count > 0, mean, 0.0),
        m2,
        np.where(varies, skewness * count * std**3, 0.0),
        np.where(varies, (kurtosis + 3.0) * count * std**4, 0.0),
        minimum,
        maximum,
    )


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of both sets of values together."""
    n = a.count + b.count
    safe = np.where(n > 0, n, 1.0)
    d = b.mean - a.mean
    d_n = d / safe
    ab = a.count * b.count
    m2 = a.m2 + b.m2 + d * d_n * ab
    m3 = a.m3 + b.m3 + d * d_n**2 * ab * (a.count - b.count) + 3 * d_n * (a.count * b.m2 - b.count * a.m2)
    m4 = (
        a.m4
        + b.m4
        + d * d_n**3 * ab * (a.count**2 - ab + b.count**2)
        + 6 * d_n**2 * (a.count**2 * b.m2 + b.count**2 * a.m2)
        + 4 * d_n * (a.count * b.m3 - b.count * a.m3)
    )
    return Moments(
        n,
        a.mean + b.count * d_n,
        m2,
        m3,
        m4,
        np.minimum(a.minimum, b.minimum),
        np.maximum(a.maximum, b.maximum),
    )


def summarise(moments: Moments) -> dict[str, Float64]:
    """Return ``mean, std, skewness, kurtosis`` (excess; population formulas) per neuron.

    Skewness and kurtosis of a neuron that never varies, and everything of one that saw no clip, are NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = moments.m2 / moments.count
        skewness = moments.m3 / moments.count / variance**1.5
        kurtosis = moments.m4 / moments.count / variance**2 - 3.0
    varies = moments.m2 > 0
    return {
        "mean": np.where(moments.count > 0, moments.mean, np.nan),
        "std": np.sqrt(variance),
        "skewness": np.where(varies, skewness, np.nan),
        "kurtosis": np.where(varies, kurtosis, np.nan),
    }
