"""Does ablating a class's neurons break that class rather than another? The matrix of classes ablated x classes tested.

Definition. With M[a, t] the change of class t when the neurons of class a are ablated, over the classes that have
neurons and clips,

    diagonal      mean over a of M[a, a]
    off           mean over a and t != a of M[a, t]
    contrast      diagonal - off                               < 0: the own class loses more than others

Two tests, both one-sided. *Random sets*: the same contrast of the matched random sets of every class; p = (b + 1) /
(B + 1). *Pairing*: rows keep their changes, and classes are dealt out to them anew, p from the mean of M[a, dealt(a)].
Every deal takes each row and each column once, so classes that suffer from anything, and sets that break everything,
are equally in all of them. With n classes no p by pairing lies below 1 / n!.

Reference: T. Tang et al., ACL 2024, figure 3 (the matrix, of perplexities); ``docs/statistics.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.ablate.config import MEASURES
from otoscope.ablate.effects import Changes, interval
from otoscope.ablate.tables import Judged, number
from otoscope.errors import EmptyDataError, UnknownNameError

Floats = NDArray[np.float64]
_EXACT, _DEALS = 7, 9999
"""Up to so many classes all pairings are counted; beyond, so many are drawn."""


@dataclass(frozen=True)
class HeatMap:
    """What a heat map of an ablation matrix shows.

    Attributes
    ----------
    measure : str
    rows, columns : tuple of str
        Ablated and tested.
    values, random : array (row, column)
        Changes, and their mean under matched random sets; NaN where there is none.
    """

    measure: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Floats
    random: Floats


def heat_map(classes: pl.DataFrame, measure: str = "probability") -> HeatMap:
    """Return the matrix of an ablation's table ``classes``, rows and columns in the table's order.

    Parameters
    ----------
    classes : DataFrame
        See :mod:`otoscope.ablate.by_class`.
    measure : str

    Raises
    ------
    UnknownNameError
        If there is no such measure.
    """
    if measure not in MEASURES:
        raise UnknownNameError.of("measure", measure, MEASURES)
    table = classes.filter(measure=measure)
    rows, columns = (tuple(table[one].unique(maintain_order=True)) for one in ("concept", "class"))
    shape = (len(rows), len(columns))
    found = [
        np.array(table[one].cast(pl.Float64).fill_null(math.nan)).reshape(shape)
        for one in ("change", "random_change")
    ]
    return HeatMap(measure, rows, columns, found[0], found[1])


def matrix(judged: Judged) -> pl.DataFrame:
    """Return one row a measure: the diagonal beside the rest, with both tests; empty with fewer than two classes."""
    rows = [row for name in MEASURES if (row := _row(judged, name)) is not None]
    types = {"random_contrast": pl.Float64, "random_p": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None) if rows else pl.DataFrame()


def _row(judged: Judged, name: str) -> dict[str, Any] | None:
    measured = judged.changes[name]
    used = [
        (at, one.target)
        for at, one in enumerate(judged.plan.sets)
        if one.target is not None and len(one.neurons) and np.isfinite(measured.before[one.target])
    ]
    if len(used) < 2:
        return None
    places, targets = [at for at, _ in used], [target for _, target in used]
    table = measured.change[np.ix_(places, targets)]
    low, high = interval(np.array([contrast(one[np.ix_(places, targets)]) for one in measured.replicates]))
    row = {
        "measure": name,
        "n_classes": len(used),
        "diagonal": number(np.diagonal(table).mean()),
        "off_diagonal": number(table[~np.eye(len(used), dtype=bool)].mean()),
        "contrast": number(contrast(table)),
        "contrast_low": number(low),
        "contrast_high": number(high),
        "pairing_p": pairing_p(table, judged.config.seed),
        "pairing_attainable_p": attainable_p(len(used)),
    }
    return row | _random(judged, measured, places, targets, contrast(table))


def _random(
    judged: Judged, measured: Changes, places: Sequence[int], targets: Sequence[int], observed: float
) -> dict[str, Any]:
    n = judged.config.n_random
    if not n:
        return {"random_contrast": None, "random_p": None, "n_random": 0}
    draws = np.stack([measured.change[judged.plan.draws_of(at)][:, targets] for at in places], axis=1)
    drawn = np.array([contrast(one) for one in draws])  # (draw,)
    return {
        "random_contrast": number(drawn.mean()),
        "random_p": float(((drawn <= observed).sum() + 1) / (n + 1)),
        "n_random": n,
    }


def contrast(table: Floats) -> float:
    """Return the mean of the diagonal minus that of the rest; NaN counts in neither.

    Examples
    --------
    >>> contrast(np.array([[-1.0, 0.0], [-0.5, -1.0]]))
    -0.75
    """
    own = np.eye(len(table), dtype=bool)
    diagonal, rest = table[own], table[~own]
    diagonal, rest = diagonal[np.isfinite(diagonal)], rest[np.isfinite(rest)]
    return float(diagonal.mean() - rest.mean()) if len(diagonal) and len(rest) else math.nan


def pairing_p(table: Floats, seed: int = 0) -> float:
    """Return how often classes dealt out anew to the rows have as low a mean of their cells, in (0, 1].

    Parameters
    ----------
    table : array (class, class)
        Finite; rows and columns in one order.
    seed : int
        Of the deals, where there are too many to count.

    Examples
    --------
    >>> pairing_p(np.array([[-1.0, 0.0], [-0.5, -1.0]]))
    0.5
    """
    n = len(table)
    if n < 2 or not np.isfinite(table).all():
        raise EmptyDataError(
            f"a matrix of at least two classes, all with clips, is needed; got {table.shape}"
        )
    rows = np.arange(n)
    bar = np.diagonal(table).mean() + 1e-12 * np.abs(table).max()
    if n <= _EXACT:
        return float(np.mean([table[rows, list(deal)].mean() <= bar for deal in permutations(range(n))]))
    rng = np.random.default_rng(seed)
    below = sum(bool(table[rows, rng.permutation(n)].mean() <= bar) for _ in range(_DEALS))
    return (below + 1) / (_DEALS + 1)


def attainable_p(n_classes: int) -> float:
    """Return the smallest p by pairing that so many classes and deals can reach."""
    return 1 / math.factorial(n_classes) if n_classes <= _EXACT else 1 / (_DEALS + 1)
