"""How alike do layers hear the same clips, as wholes and neuron by neuron?

``cka``        every layer of one run with every layer of the other: debiased linear CKA with its jackknife interval,
               and what permuted clips give
``alignment``  layers that answer to each other: mean correlation of neurons with the same number, and of neurons that
               were matched one to one on one half of the clips, on the other half
``neurons``    each neuron of the first run: its correlation with the same number, its match over all clips

*Ceiling.* A network's correlation with itself on the same clips is 1 and says nothing. What two halves of the clips
can agree on at most is measured on class profiles: the mean activation of a neuron for each class, from one half of
the first run against the other half of the second; the ceiling is the same within each run. Profiles need labels.
*Floor.* The second run's clips permuted by group; matched neurons are matched again, because matching finds
correlations in noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.metrics.alignment import cka_of, correlations, gram, matching
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.metrics.correlation import weighted_pearson
from otoscope.metrics.permutation import donor_maps
from otoscope.progress import track
from otoscope.selectivity.labels import Labelling
from otoscope.study.compare.config import CompareConfig
from otoscope.study.compare.halving import blocks, jackknife, split
from otoscope.study.compare.sides import Shared, Side

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def cka_table(first: Side, second: Side, shared: Shared, config: CompareConfig) -> pl.DataFrame:
    """Return one row a pair of layers."""
    kept = blocks(shared.groups, config.blocks, config.seed)
    deals = donor_maps(shared.groups, config.deals, seed=config.seed)
    left = [(_grams(first, some), _grams(second, some)) for some in track(kept, len(kept), "CKA")]
    rows = []
    for one, own in first.grams.items():
        for other, theirs in second.grams.items():
            value = cka_of(own, theirs)
            low, high = jackknife(value, np.array([cka_of(a[one], b[other]) for a, b in left]))
            floor = [cka_of(own, theirs[np.ix_(deal, deal)]) for deal in deals]
            rows.append(
                {
                    "first": first.name,
                    "second": second.name,
                    "layer_first": one,
                    "layer_second": other,
                    "cka": value,
                    "low": low,
                    "high": high,
                    "floor": float(np.mean(floor)),
                    "floor_highest": float(np.max(floor)),
                }
            )
    return pl.DataFrame(rows).with_columns(pl.col(pl.Float64).fill_nan(None))


def _grams(side: Side, some: Places) -> dict[str, Floats]:
    return {one.name: gram(side.activations(one.name)[some]) for one in side.layers}


def values_of(table: pl.DataFrame, first: Side, second: Side) -> Floats:
    """Return the CKA of every pair of layers, ``(layer of first, layer of second)``."""
    found = np.array(table["cka"].fill_null(float("nan")))
    return found.reshape(len(first.layers), len(second.layers))


@dataclass(frozen=True)
class Couple:
    """Two layers on the shared clips.

    Attributes
    ----------
    x, y : array (clip, neuron)
    groups : array (clip,)
    halves : list of (array, array)
    task : Labelling or None
    """

    x: Floats
    y: Floats
    groups: NDArray[Any]
    halves: list[tuple[Places, Places]]
    task: Labelling | None

    @property
    def same_width(self) -> bool:
        """Whether neurons with the same number can be compared."""
        return bool(self.x.shape[1] == self.y.shape[1])

    def permuted(self, deal: Places) -> Couple:
        """Return the same with the clips of y permuted."""
        return Couple(self.x, self.y[deal], self.groups, self.halves, self.task)


def couple_of(first: Side, second: Side, layers: tuple[str, str], shared: Shared, n_splits: int) -> Couple:
    """Return two layers on the shared clips, with halvings of these."""
    halves = [split(shared.groups, one) for one in range(n_splits)]
    x, y = first.activations(layers[0]), second.activations(layers[1])
    return Couple(x, y, shared.groups, halves, shared.task)


def alignment(couple: Couple, config: CompareConfig) -> dict[str, Any]:
    """Return the row of two layers that answer to each other."""
    deals = donor_maps(couple.groups, config.deals, seed=config.seed + 1)
    row: dict[str, Any] = {"n_first": couple.x.shape[1], "n_second": couple.y.shape[1]}
    row |= _same_index(couple, deals, config)
    matched = [_held_out(couple, one, two) for one, two in _both_ways(couple.halves)]
    row["matched_r"] = _mean(np.array([one.mean() for one in matched if len(one)]))
    row |= dict(zip(("matched_low", "matched_high"), _matched_interval(couple, config), strict=True))
    floor = [
        _held_out(couple.permuted(deal), *couple.halves[at % len(couple.halves)]).mean()
        for at, deal in enumerate(deals)
    ]
    row["matched_floor"] = _mean(np.array(floor))
    return row | _profiles(couple, deals)


def _both_ways(halves: list[tuple[Places, Places]]) -> Iterator[tuple[Places, Places]]:
    for one, two in halves:
        yield one, two
        yield two, one


def _same_index(couple: Couple, deals: Places, config: CompareConfig) -> dict[str, Any]:
    names = ("same_index_r", "same_index_low", "same_index_high", "same_index_floor")
    if not couple.same_width:
        return dict.fromkeys(names)
    weights = group_weights(couple.groups, config.replicates, config.seed)
    drawn = _row_means(weighted_pearson(couple.x, couple.y, weights))
    low, high = percentile_interval(drawn)
    floor = [_mean(_pearson(couple.x, couple.y[deal])) for deal in deals]
    found = (
        _mean(_pearson(couple.x, couple.y)),
        float(low),
        float(high),
        _mean(np.array(floor, dtype=float)),
    )
    return dict(zip(names, found, strict=True))


def _pearson(x: Floats, y: Floats) -> Floats:
    return np.asarray(weighted_pearson(x, y, np.ones((1, len(x))))[0])


def _held_out(couple: Couple, choosing: Places, scoring: Places) -> Floats:
    """Return the correlations on one half of neurons that were matched on the other, without undefined ones."""
    rows, columns = matching(couple.x[choosing], couple.y[choosing])
    found = _pearson(couple.x[scoring][:, rows], couple.y[scoring][:, columns])
    return np.asarray(found[np.isfinite(found)])


def _matched_interval(couple: Couple, config: CompareConfig) -> tuple[float, float]:
    """Return the interval over groups, of the mean over all halvings, both ways; the matches are kept."""
    weights, parts = group_weights(couple.groups, config.replicates, config.seed), []
    for choosing, scoring in _both_ways(couple.halves):
        rows, columns = matching(couple.x[choosing], couple.y[choosing])
        x, y = couple.x[scoring][:, rows], couple.y[scoring][:, columns]
        heard = weights[:, scoring].any(axis=1)  # of few groups none may be drawn
        found = np.full((len(weights), x.shape[1]), np.nan)
        found[heard] = weighted_pearson(x, y, weights[heard][:, scoring])
        parts.append(_row_means(found))
    low, high = percentile_interval(_row_means(np.stack(parts, axis=1)))
    return float(low), float(high)


def _row_means(table: Floats) -> Floats:
    known = np.isfinite(table)
    n = known.sum(axis=1)
    total = np.where(known, table, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0))


def _mean(found: Floats) -> float | None:
    known = np.asarray(found, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else None


def _profiles(couple: Couple, deals: Places) -> dict[str, Any]:
    """Return how alike class profiles are: across runs and halves, within runs, and with permuted clips."""
    names = ("profile_same_index", "profile_matched", "profile_ceiling", "profile_floor")
    if couple.task is None or len(couple.task.classes) < 3:
        return dict.fromkeys(names)
    same, matched, ceiling = [], [], []
    if not all(_divided(couple.task, one, two) for one, two in couple.halves):
        return dict.fromkeys(names)
    for one, two in _both_ways(couple.halves):
        a, b = _profile(couple.x, couple.task, one), _profile(couple.y, couple.task, two)
        rows, columns = matching(couple.x[one], couple.y[one])
        matched.append(_mean(_pearson(a[:, rows], b[:, columns])))
        if couple.same_width:
            same.append(_mean(_pearson(a, b)))
        ceiling.append(_mean(_pearson(a, _profile(couple.x, couple.task, two))))
        ceiling.append(_mean(_pearson(b, _profile(couple.y, couple.task, one))))
    one, two = couple.halves[0]
    floor = []
    for deal in deals:
        dealt = couple.permuted(deal)
        rows, columns = matching(dealt.x[one], dealt.y[one])
        profiles = _profile(dealt.x, couple.task, one), _profile(dealt.y, couple.task, two)
        floor.append(_mean(_pearson(profiles[0][:, rows], profiles[1][:, columns])))
    found = (_known_mean(same), _known_mean(matched), _known_mean(ceiling), _known_mean(floor))
    return dict(zip(names, found, strict=True))


def _known_mean(found: list[float | None]) -> float | None:
    return _mean(np.array([np.nan if one is None else one for one in found], dtype=np.float64))


def _divided(task: Labelling, one: Places, two: Places) -> bool:
    """Return whether every class has clips in both halves; a class of a single group has not."""
    return all(bool((task.weights[np.isin(task.rows, half)] > 0).any(axis=0).all()) for half in (one, two))


def _profile(values: Floats, task: Labelling, half: Places) -> Floats:
    """Return the mean of each neuron over the clips of each class in a half ``(class, neuron)``."""
    inside = np.isin(task.rows, half)
    weights = task.weights[inside].astype(np.float64)  # (clip, class)
    return np.asarray(weights.T @ values[task.rows[inside]] / weights.sum(axis=0)[:, None])


def neurons(couple: Couple) -> pl.DataFrame:
    """Return each neuron of x: its correlation with the same number of y, and its match over all clips."""
    found = correlations(couple.x, couple.y)
    rows, columns = matching(couple.x, couple.y)
    n = len(found)
    index = np.full(n, -1)
    index[rows] = columns
    matched = np.where(index >= 0, found[np.arange(n), index], np.nan)
    same = np.diagonal(found) if couple.same_width else np.full(n, np.nan)
    table = pl.DataFrame(
        {
            "index_first": np.arange(n),
            "same_index_r": same,
            "matched_index": pl.Series(index).replace(-1, None),
            "matched_r": matched,
        }
    )
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))
