"""What is dealt out anew? The unit that carries the label: whole groups where a group has one label, else clips.

Where every group (recording, speaker) carries one label, groups are dealt, and features are summed over each group
once, so that a permutation costs a pass over groups instead of clips. Where labels differ within groups (digits of
one speaker), :func:`otoscope.metrics.permutation.donor_maps` deals the labels clip by clip, each group's among its own
clips or another group's. Events of mixtures repeat recordings, and those of one recording are as alike as clips of one
group: where labels differ within groups, recordings are dealt and not events. On mixtures of ESC-10 that hear each
recording 2.4 times on average, null neurons with a recording effect of 1 (in log odds, beside 0.5 between events) reach
p <= 0.05 in 49 to 54 % of cases if events are dealt, in 5 % if recordings are.

The smallest p of a best-of-classes statistic is larger than that of one class: deals that only exchange the names of
classes made up alike give the same maximum. Six speakers as six classes of one group each: every deal does, so the
selectivity for speakers cannot be tested by speaker at all.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from otoscope.metrics.permutation import donor_maps, log_attainable_p
from otoscope.selectivity.labels import Labelling


@dataclass(frozen=True)
class Units:
    """Exchangeable units of a task.

    Attributes
    ----------
    of : array of int64 (clip,)
        Unit of each clip.
    first : array of int64 (unit,)
        A clip of each unit.
    clips : array of float32 (unit,)
        How many clips each has.
    whole_groups : bool
        Whether units are groups.
    whole_sources : bool
        Whether they are sources within groups. Else they are single clips.
    """

    of: NDArray[np.int64]
    first: NDArray[np.int64]
    clips: NDArray[np.float32]
    whole_groups: bool
    whole_sources: bool = False

    def sum(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the sums over each unit's clips: ``(clip, ...)`` to ``(unit, ...)``."""
        if len(self.first) == len(self.of):
            return values[self.first]
        order = np.argsort(self.of, kind="stable")
        starts = np.searchsorted(self.of[order], np.arange(len(self.first)))
        return np.add.reduceat(values[order], starts, axis=0)


def exchangeable(task: Labelling) -> Units:
    """Return the units that carry the task's labels."""
    for whole, values in ((True, task.groups), (False, task.sources)):
        if values is None:
            continue
        codes = np.unique(values, return_inverse=True)[1].astype(np.int64).reshape(-1)
        first = np.unique(codes, return_index=True)[1].astype(np.int64)
        inside = bool((task.groups == task.groups[first][codes]).all())
        if inside and bool((task.weights == task.weights[first][codes]).all()):
            return Units(codes, first, np.bincount(codes).astype(np.float32), whole, not whole)
    each = np.arange(len(task.rows))
    return Units(each, each, np.ones(len(each), dtype=np.float32), whole_groups=False)


@dataclass(frozen=True)
class Bags:
    """Which units each class of each deal is summed over: each deal reads every unit once, whatever the classes.

    Attributes
    ----------
    units : Tensor of int32 (member,)
        Ascending within a class.
    starts : Tensor of int32 (deal x class,)
        Where the members of each class of each deal begin.
    weights : Tensor (member,) or None
        Membership; None where all are 1.
    shape : tuple of int
        Deals, classes.
    """

    units: Tensor
    starts: Tensor
    weights: Tensor | None
    shape: tuple[int, int]

    def sum(self, table: Tensor) -> Tensor:
        """Return a table's sums over classes: ``(unit, column)`` to ``(deal, class, column)``."""
        weights = None if self.weights is None else self.weights.to(table.dtype)
        found = embedding_bag(self.units, table, self.starts, mode="sum", per_sample_weights=weights)
        return found.reshape(*self.shape, table.shape[1])


@dataclass(frozen=True)
class Deals:
    """Permutations of a task's labels over its units.

    Attributes
    ----------
    weights : Tensor (clip, class)
        The true membership.
    donors : Tensor of int64 (permutation, unit)
        The clip whose labels each unit takes.
    """

    weights: Tensor
    donors: Tensor

    @property
    def n(self) -> int:
        """How many."""
        return len(self.donors)

    def after(self, first: Deals) -> Deals:
        """Return these deals behind others of the same task."""
        return Deals(self.weights, torch.cat([first.donors, self.donors]))

    @cached_property
    def bags(self) -> Bags:
        """Members of every class of every deal."""
        donors, n_classes = self.donors.numpy(), self.weights.shape[1]
        clip, own = np.nonzero(self.weights.numpy())
        n_labels = np.bincount(clip, minlength=len(self.weights))
        first = np.concatenate([[0], np.cumsum(n_labels)[:-1]])
        times = n_labels[donors].reshape(-1)  # labels of each place (permutation x unit)
        place = np.repeat(np.arange(donors.size), times)
        inside = np.arange(len(place)) - np.repeat(np.cumsum(times) - times, times)
        label = first[donors.reshape(-1)[place]] + inside
        bag = place // donors.shape[1] * n_classes + own[label]
        order = np.argsort(bag, kind="stable")
        sizes = np.bincount(bag, minlength=self.n * n_classes)
        weights = self.weights[clip, own]
        return Bags(
            torch.from_numpy((place % donors.shape[1])[order].astype(np.int32)),
            torch.from_numpy((np.cumsum(sizes) - sizes).astype(np.int32)),
            None if bool((weights == 1).all()) else weights[torch.from_numpy(label[order])],
            (self.n, n_classes),
        )


def true_deal(task: Labelling, units: Units) -> Deals:
    """Return the one deal that leaves everything where it is."""
    return Deals(torch.from_numpy(task.weights), torch.from_numpy(units.first[None].copy()))


def deal(task: Labelling, units: Units, n: int, seed: int) -> Deals:
    """Return ``n`` seeded permutations."""
    if units.whole_sources:
        some = task.taken(units.first)
        donors = units.first[donor_maps(some.groups, n, seed=seed, strata=some.strata)]
    else:
        donors = donor_maps(task.groups, n, seed=seed, strata=task.strata)[:, units.first]
    return Deals(torch.from_numpy(task.weights), torch.from_numpy(np.ascontiguousarray(donors)))


def attainable(task: Labelling) -> float:
    """Return the smallest p that the best of the classes can reach: in (0, 1]."""
    units = exchangeable(task)
    task = task.taken(units.first) if units.whole_sources else task
    one = log_attainable_p(task.groups, task.weights, strata=task.strata)
    return math.exp(min(0.0, one + _exchanges(task)))


def _exchanges(task: Labelling) -> float:
    """Return the logarithm of how many orders of the classes cannot be told apart by what the classes are made of."""
    group = np.unique(task.groups, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(group)
    makeup: Counter[tuple[tuple[int, float], ...]] = Counter()
    for column in task.weights.T[task.weights.any(axis=0)]:
        held = np.bincount(group, weights=column)
        makeup[
            tuple(sorted((int(sizes[one]), round(float(held[one]), 6)) for one in np.flatnonzero(held)))
        ] += 1
    return sum(math.lgamma(count + 1) for count in makeup.values())
