"""Do classes share neurons, and more than they must? Jaccard indices within a task and between two, with p-values.

Definition. With S_c the neurons assigned to class c, J(a, b) = |S_a & S_b| / |S_a | S_b|, in [0, 1]; 0 where both are
empty, and then nothing is tested.

Nulls. Drawing sets independently (hypergeometric) is wrong: some neurons have many classes, and any two classes meet in
those. Two ways that are right:

- *margins* (:func:`curveball`): the neuron x class table of each layer is shuffled so that every class keeps its number
  of neurons in the layer and every neuron its number of classes. Between two tasks on the same network only the second
  is shuffled. What is left to find is *which* classes go together.
- *labels*: one task's labels are permuted by group and its neurons selected again
  (:func:`otoscope.selectivity.measure.again`). What is left to find is whether the labels mean anything to the overlap.
  Needs a rule that selects something under chance: a quota.

Both p are one-sided: (b + 1) / (B + 1), b how often as many neurons are shared (*p_more*) or as few (*p_less*).

A *contrast* asks one question of many pairs: is the mean Jaccard index of pairs that were named beforehand (the same
octave, German with English) higher than that of the others? Under the same null, one p; pairs where a class has no
neurons do not count, and within a task each pair counts once.

Reference: G. Strona et al., "A fast and unbiased procedure to randomize ecological binary matrices with fixed row and
column totals", Nature Communications 5, 2014 (curveball); T. Kawamura et al., arXiv 2602.15307 (common neuron ratio).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from otoscope.errors import EmptyDataError, InputError
from otoscope.selectivity.selector import Bools

Floats = NDArray[np.float64]
_TRADES = 5
"""Trades a class between two shuffled tables; ten times as many before the first."""


@dataclass(frozen=True)
class Sharing:
    """Neurons that classes have in common, rows against columns ``(class, class)``.

    Attributes
    ----------
    shared, union : array of int64
    jaccard : array of float64
    expected : array of float64
        Mean of the Jaccard index under the null.
    p_more, p_less : array of float64
        NaN on a task's own diagonal, and where a class has no neurons.
    """

    shared: NDArray[np.int64]
    union: NDArray[np.int64]
    jaccard: Floats
    expected: Floats
    p_more: Floats
    p_less: Floats
    contrasts: Mapping[str, Contrast] = field(default_factory=dict)


@dataclass(frozen=True)
class Contrast:
    """Pairs named beforehand against all others.

    Attributes
    ----------
    n_inside, n_outside : int
        Pairs that count.
    inside, outside : float
        Mean Jaccard indices; NaN where there is no pair.
    expected : float
        Mean of inside minus outside under the null.
    p : float
        How often the null reaches inside minus outside; NaN where either is empty.
    """

    n_inside: int
    n_outside: int
    inside: float
    outside: float
    expected: float
    p: float


def jaccard(first: Bools, second: Bools | None = None) -> Floats:
    """Return the Jaccard indices ``(class of first, class of second)`` of tables ``(class, neuron)``.

    Examples
    --------
    >>> jaccard(np.array([[True, True, False], [False, True, True]])).round(2).tolist()
    [[1.0, 0.33], [0.33, 1.0]]
    """
    shared, union = _counts(first, first if second is None else second)
    return np.asarray(shared / np.maximum(union, 1))


def sharing(
    first: Bools, second: Bools | None, null: Iterable[Bools], contrasts: Mapping[str, Bools] | None = None
) -> Sharing:
    """Return what classes share and how that compares with a null.

    Parameters
    ----------
    first : array of bool (class, neuron)
    second : array of bool (class, neuron) or None
        Of another task on the same neurons; None: the classes of ``first`` among each other.
    null : iterable of array of bool (class, neuron)
        Tables in the place of ``second`` (of ``first`` where there is none): :func:`curveball`, or the selections of
        permuted labels.
    contrasts : mapping of str to array of bool (class of first, class of second)
        Pairs that are named beforehand.
    """
    other = first if second is None else second
    shared, union = _counts(first, other)
    found = shared / np.maximum(union, 1)
    tested = np.logical_and.outer(first.any(axis=1), other.any(axis=1))
    if second is None:
        tested &= ~np.eye(len(found), dtype=np.bool_)
    counted = np.triu(tested) if second is None else tested
    asked = {name: (counted & mask, counted & ~mask) for name, mask in (contrasts or {}).items()}
    differences: dict[str, list[float]] = {name: [] for name in asked}
    more, less, total, n = np.zeros(found.shape), np.zeros(found.shape), np.zeros(found.shape), 0
    for table in null:
        drawn = jaccard(table) if second is None else jaccard(first, table)
        more, less, total, n = more + (drawn >= found), less + (drawn <= found), total + drawn, n + 1
        for name, (inside, outside) in asked.items():
            differences[name].append(_mean(drawn, inside) - _mean(drawn, outside))
    if n == 0:
        raise EmptyDataError("sharing needs at least one table of the null")
    p = [np.where(tested, (one + 1) / (n + 1), np.nan) for one in (more, less)]
    answers = {name: _contrast(found, *asked[name], np.array(differences[name])) for name in asked}
    return Sharing(shared, union, found, total / n, p[0], p[1], answers)


def _mean(values: Floats, where: Bools) -> float:
    return float(values[where].mean()) if where.any() else float("nan")


def _contrast(found: Floats, inside: Bools, outside: Bools, null: Floats) -> Contrast:
    high, low = _mean(found, inside), _mean(found, outside)
    p = (1 + int((null >= high - low - 1e-12).sum())) / (1 + len(null))
    known = bool(inside.any() and outside.any())
    return Contrast(
        int(inside.sum()), int(outside.sum()), high, low, float(null.mean()), p if known else float("nan")
    )


def curveball(assigned: Bools, layer_of: NDArray[np.int64], n: int, seed: int) -> Iterator[Bools]:
    """Yield ``n`` shuffled tables ``(class, neuron)`` in which classes and neurons keep their totals in each layer.

    Parameters
    ----------
    assigned : array of bool (class, neuron)
    layer_of : array of int64 (neuron,)
    n, seed : int

    Notes
    -----
    Two classes trade the neurons that only one of them has: they are dealt out between the two anew. O(trades x
    neurons of two classes).
    """
    if layer_of.shape != assigned.shape[1:]:
        raise InputError(f"expected one layer a neuron, got {layer_of.shape} for tables {assigned.shape}")
    rng = np.random.default_rng(seed)
    table = assigned.copy()
    parts = [np.flatnonzero((layer_of == one) & assigned.any(axis=0)) for one in np.unique(layer_of)]
    held = [np.ascontiguousarray(table[:, part]) for part in parts if len(part)]
    columns = [part for part in parts if len(part)]
    for number in range(n):
        for part, place in zip(held, columns):
            _trade(part, (_TRADES if number else 10 * _TRADES) * len(part), rng)
            table[:, place] = part
        yield table.copy()


def _trade(part: Bools, n_trades: int, rng: np.random.Generator) -> None:
    owners = np.flatnonzero(part.any(axis=1))
    if len(owners) < 2:
        return
    pairs = rng.integers(len(owners), size=(n_trades, 2))
    for first, second in owners[pairs[pairs[:, 0] != pairs[:, 1]]]:
        only = np.flatnonzero(part[first] != part[second])
        if len(only) < 2:
            continue
        mine = int(part[first, only].sum())
        dealt = rng.permutation(only)
        part[first, only], part[second, only] = False, True
        part[first, dealt[:mine]], part[second, dealt[:mine]] = True, False


def clustering_order(similarity: Floats) -> NDArray[np.int64]:
    """Return an order of the classes ``(class,)`` that puts alike ones side by side, for a heat map.

    Average linkage of 1 - similarity, leaves in the order that makes neighbours most alike.
    """
    if len(similarity) < 3:
        return np.arange(len(similarity))
    distance = 1 - (similarity + similarity.T) / 2
    np.fill_diagonal(distance, 0)
    condensed = squareform(np.maximum(distance, 0), checks=False)
    return np.asarray(leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed)), np.int64)


def _counts(first: Bools, second: Bools) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise InputError(
            f"expected tables (class, neuron) over the same neurons, got {first.shape} and {second.shape}"
        )
    a, b = first.astype(np.float32), second.astype(np.float32)
    shared = np.rint(a @ b.T).astype(np.int64)
    return shared, first.sum(axis=1)[:, None] + second.sum(axis=1) - shared
