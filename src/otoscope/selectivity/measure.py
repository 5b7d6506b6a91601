"""One task, measured: effects of every neuron, what chance gives, who is selected, and what chance would have selected.

:func:`measure` is the whole analysis on layers and a labelling, without a run folder; :func:`again` repeats the
selection for permuted labels, which is the null for coverage, counts and sharing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope.progress import track
from otoscope.registry import lookup
from otoscope.selectivity import SELECTORS
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.firing import Layer
from otoscope.selectivity.labels import Labelling
from otoscope.selectivity.nulls import Reference, across, class_sums, reference
from otoscope.selectivity.rules import Evidence, significant, weigh
from otoscope.selectivity.selector import Choice, RuleOptions, Selector, Sums, numbers
from otoscope.selectivity.units import Deals, Units, attainable, deal, exchangeable, true_deal

_CHANCE, _SPLITS = 1, 2
"""Added to the seed: deals that are judged are others than those that judge."""


@dataclass(frozen=True)
class Measured:
    """A task's outcome; neurons lie in one row, layer after layer.

    Attributes
    ----------
    task : Labelling
    layers : list of Layer
    selector : Selector
    units : Units
    evidence : Evidence
        p and q are NaN without permutations.
    choice : Choice
    references : list of Reference
        One a layer; empty without permutations.
    attainable : float
        Smallest p that the deals allow.
    """

    task: Labelling
    layers: list[Layer]
    selector: Selector
    units: Units
    evidence: Evidence
    choice: Choice
    references: list[Reference]
    attainable: float

    @property
    def layer_of(self) -> NDArray[np.int64]:
        """Place of each neuron's layer ``(neuron,)``."""
        return np.repeat(np.arange(len(self.layers)), [one.n_neurons for one in self.layers])

    @property
    def triples(self) -> NDArray[np.int64]:
        """Class, layer, neuron of every assignment ``(m, 3)``, sorted."""
        classes, neurons = np.nonzero(self.choice.assigned)
        first = np.searchsorted(self.layer_of, np.arange(len(self.layers)))
        layer = self.layer_of[neurons]
        return np.stack([classes, layer, neurons - first[layer]], axis=1).astype(np.int64)


def selector_of(config: SelectConfig) -> Selector:
    """Return the selector that a configuration names."""
    found: Selector = lookup(SELECTORS, config.method, room="selectors", kind="method")
    return found


def measure(layers: list[Layer], task: Labelling, config: SelectConfig, *, tell: bool = True) -> Measured:
    """Return a task's neurons.

    Parameters
    ----------
    layers : list of Layer
        Over the clips of the task, in its order.
    task : Labelling
    config : SelectConfig
        Everything but ``labels``, ``maps``, ``multi``, ``group``, ``strata``, ``layers`` and ``unit``, which the layers
        and the labelling already are.
    tell : bool
        Show progress; not where one of many selections is made, whose number is shown.

    Notes
    -----
    See :mod:`otoscope.selectivity.nulls`.
    """
    selector, units = selector_of(config), exchangeable(task)
    true = true_deal(task, units)
    references: list[Reference] = []
    if config.n_permutations:
        permuted = deal(task, units, config.n_permutations, config.seed).after(true)
        walk = track(layers, len(layers), f"permuting {task.task}") if tell else layers
        found = [reference(one, selector, units, true, permuted, config.null) for one in walk]
        sums, references = [one for one, _ in found], [one for _, one in found]
    else:
        sums = [class_sums(one, selector, units, true, torch.float64) for one in layers]
    smallest = attainable(task)
    evidence, choice = _decide(selector, sums, 0, references, smallest, config)
    return Measured(task, layers, selector, units, evidence, choice, references, smallest)


def again(measured: Measured, config: SelectConfig, n: int, seed: int | None = None) -> Iterator[Choice]:
    """Yield the selection for each of ``n`` permutations of the labels, other ones than the null is made of."""
    if n == 0:
        return
    task, units, selector = measured.task, measured.units, measured.selector
    dealt = deal(task, units, n, config.seed + _CHANCE if seed is None else seed)
    for part in _portions(dealt, len(task.classes) * sum(one.n_neurons for one in measured.layers)):
        sums = [class_sums(one, selector, units, part, torch.float32) for one in measured.layers]
        for place in range(part.n):
            yield _decide(selector, sums, place, measured.references, measured.attainable, config)[1]


def _portions(deals: Deals, cells: int) -> Iterator[Deals]:
    """Yield deals, as many at a time as their sums fit into 2^26 cells."""
    step = max(1, 2**26 // max(1, cells))
    for start in range(0, deals.n, step):
        yield Deals(deals.weights, deals.donors[start : start + step])


def _decide(
    selector: Selector,
    sums: list[Sums],
    place: int,
    references: list[Reference],
    smallest: float,
    config: SelectConfig,
) -> tuple[Evidence, Choice]:
    effects = [numbers(selector.effect(at(one, place))) for one in sums]
    effect = np.concatenate(effects, axis=1)
    if references:
        pair_p = np.concatenate(
            [one.p(found, most=config.alpha) for one, found in zip(references, effects)], axis=1
        )
        evidence = weigh(effect, pair_p, smallest, *_named(selector, sums, place, references, config.alpha))
    else:
        nothing, (standing, _) = np.full(effect.shape[1], np.nan), _named(selector, sums, place, [], 1.0)
        evidence = Evidence(effect, np.full_like(effect, np.nan), nothing, nothing, standing)
    together = across(sums, place)
    if config.rule == "published":
        options = RuleOptions(config.top_rate, config.eligibility, config.match)
        return evidence, selector.published(together, effect, options)
    least = selector.min_effect if config.min_effect is None else config.min_effect
    return evidence, significant(evidence, config.alpha, least)


def _named(
    selector: Selector, sums: list[Sums], place: int, references: list[Reference], alpha: float
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return how much each class stands out and its p ``(class, neuron)``, where the effect names no class."""
    if selector.naming is None:
        return None, None
    found = [numbers(selector.naming(at(one, place))) for one in sums]
    p = [one.classes.p(own, most=alpha) for one, own in zip(references, found) if one.classes is not None]
    return np.concatenate(found, axis=1), np.concatenate(p, axis=1) if p else None


def at(sums: Sums, deal: int) -> Sums:
    """Return the sums of one of several deals."""
    return Sums(
        sums.features[:, deal],
        sums.over_all,
        sums.clips[deal],
        sums.observations[deal],
        sums.n_clips,
        sums.n_observations,
    )


def halves(task: Labelling, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return two halves of the clips ``(clip,)``, groups whole, each class split as evenly as its groups allow.

    Groups go in random order, largest class first, to the half that has fewer clips of the group's classes; where
    labels differ within groups (several digits of a speaker) and there are fewer than ten groups, clips (or the sources
    of events) are split.
    """
    rng = np.random.default_rng(seed)
    codes = np.unique(task.groups, return_inverse=True)[1].reshape(-1)
    units = exchangeable(task)
    if codes.max() < 9 and not units.whole_groups:
        codes = units.of
    n_groups = int(codes.max()) + 1
    held = np.zeros((n_groups, task.weights.shape[1]))
    np.add.at(held, codes, task.weights)
    filled, side = np.zeros((2, task.weights.shape[1])), np.zeros(n_groups, dtype=np.int64)
    for group in rng.permutation(n_groups):
        lack = (filled[0] - filled[1]) @ held[group]
        side[group] = rng.integers(2) if lack == 0 else int(lack > 0)
        filled[side[group]] += held[group]
    return np.flatnonzero(side[codes] == 0), np.flatnonzero(side[codes] == 1)


def divisible(task: Labelling) -> bool:
    """Return whether both halves can hold every class: at least two groups of each, or labels that differ within."""
    if not exchangeable(task).whole_groups:
        return True
    owned = [len(np.unique(task.groups[column > 0])) for column in task.weights.T if column.any()]
    return min(owned) >= 2


def stability(measured: Measured, config: SelectConfig) -> list[tuple[Choice, Choice]]:
    """Return the selections of both halves of ``n_splits`` halvings; none where a class has a single group."""
    found = []
    if not divisible(measured.task):
        return []
    for number in track(range(config.n_splits), config.n_splits, f"halving {measured.task.task}"):
        parts = halves(measured.task, config.seed + _SPLITS + number)
        found.append(tuple(_on(measured, clips, config).choice for clips in parts))
    return [(first, second) for first, second in found]


def _on(measured: Measured, clips: NDArray[np.int64], config: SelectConfig) -> Measured:
    layers = [one.taken(clips) for one in measured.layers]
    return measure(layers, measured.task.taken(clips), config, tell=False)
