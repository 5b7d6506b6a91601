"""How much did the concept's own class suffer, and how much did the rest?

With v_c the mean over the clips of class c of a measure of their own class (logit, probability, accuracy), before and
after a set is ablated:

    change(c)    = v_c after - v_c before
    dA           = change(target)                                   the class whose concept was ablated
    dR           = mean of change over the other classes
    selectivity  = dR - dA                                          > 0: the target lost more than the rest

Averaged over concepts these are the published table's columns (its last column is headed dA - dR but holds dR - dA).
The test asks whether the selectivity is larger than that of matched random sets. Intervals are percentile bootstraps
over groups. Axes: ``(set, class)``; a class without clips is NaN and left out of dR.

Reference: T.-Y. Wu et al., "AND", ICML 2024, section 4.3 and Table 4. *Where we differ*: it measures the logit only,
whose scale differs between networks; we give probability and accuracy, too.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.metrics.classification import Floats

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Effect:
    """dA, dR and selectivity, each ``(...)`` of one shape."""

    ablated: NDArray[np.float64]
    rest: NDArray[np.float64]

    @property
    def selectivity(self) -> NDArray[np.float64]:
        """The rest's change minus the target's; positive = selective."""
        return self.rest - self.ablated


def class_means(values: Floats, targets: Integers, n_classes: int) -> NDArray[np.float64]:
    """Return the mean of ``values`` ``(..., clip)`` over each class's clips, ``(..., class)``.

    Parameters
    ----------
    values : array (..., clip)
    targets : array of int (clip,)
        Class of each clip.
    n_classes : int

    Returns
    -------
    array (..., class)
        NaN for a class without clips.

    Examples
    --------
    >>> class_means(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]), 2)
    array([2., 5.])
    """
    if values.shape[-1] != len(targets):
        raise InputError(f"expected one value a clip, got {values.shape} for {len(targets)} clips")
    member = _member(targets, n_classes)
    return _ratio(np.asarray(values @ member), member.sum(axis=0))


def resampled_means(
    values: Floats, targets: Integers, n_classes: int, weights: Floats
) -> NDArray[np.float64]:
    """Return the class means under each weighting of the clips, ``(replicate, class)``.

    Parameters
    ----------
    values : array (clip,)
    targets, n_classes
        As in :func:`class_means`.
    weights : array (replicate, clip)
        How often each clip counts.
    """
    member = _member(targets, n_classes)
    return _ratio(weights @ (member * values[:, None]), weights @ member)


def _member(targets: Integers, n_classes: int) -> NDArray[np.float64]:
    member: NDArray[np.float64] = (targets[:, None] == np.arange(n_classes)).astype(np.float64)
    return member  # (clip, class)


def _ratio(sums: Floats, counts: Floats) -> NDArray[np.float64]:
    there = np.broadcast_to(counts > 0, sums.shape)
    found: NDArray[np.float64] = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=there)
    return found


def effect(change: Floats, target: int | Sequence[int]) -> Effect:
    """Return dA and dR of a concept whose class is ``target``.

    Parameters
    ----------
    change : array (..., class)
    target : int or sequence of int
        Several classes: dA is the mean over them.

    Examples
    --------
    >>> found = effect(np.array([-3.0, -1.0, 0.0]), 0)
    >>> float(found.ablated), float(found.rest), float(found.selectivity)
    (-3.0, -0.5, 2.5)
    """
    own = np.isin(np.arange(change.shape[-1]), target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no such class has clips: NaN is the answer
        rest = np.nanmean(change[..., ~own], axis=-1)
        ablated = np.nanmean(change[..., own], axis=-1)
    return Effect(np.asarray(ablated), np.asarray(rest))


@dataclass(frozen=True)
class Changes:
    """Changes of each class under each set, and the same under resampled groups.

    Attributes
    ----------
    before : array (class,)
        Of the network as it is.
    change : array (set, class)
    replicates : array (replicate, set, class)
        Of the sets that are given intervals.
    """

    before: NDArray[np.float64]
    change: NDArray[np.float64]
    replicates: NDArray[np.float64]


def changes(
    values: Floats,
    targets: Integers,
    n_classes: int,
    groups: NDArray[np.str_],
    *,
    with_intervals: int,
    n_replicates: int,
    seed: int,
) -> Changes:
    """Return the changes of the classes.

    Parameters
    ----------
    values : array (set, clip)
        The first set is the empty one.
    targets : array of int (clip,)
    n_classes : int
    groups : array (clip,)
    with_intervals : int
        How many sets, after the empty one, are bootstrapped.
    n_replicates, seed : int
        Of the bootstrap; equal seeds draw equal groups, so sets and measures can be compared.
    """
    delta = values - values[0]
    weights = group_weights(groups, n_replicates, seed)
    some = delta[1 : 1 + with_intervals]
    parts = [resampled_means(one, targets, n_classes, weights) for one in some]
    shape = (n_replicates, 0, n_classes)
    return Changes(
        class_means(values[0], targets, n_classes),
        class_means(delta[1:], targets, n_classes),
        np.stack(parts, axis=1) if parts else np.zeros(shape),
    )


def interval(replicates: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % interval over the first axis."""
    return percentile_interval(replicates, 0.95)
