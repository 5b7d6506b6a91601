"""What a measure of selectivity is: features of clips that are summed over classes, and an effect made of the sums.

Every selector depends on the labels through sums over a class only, so that one permutation of the labels costs one
product of matrices: ``sums = membership (class, unit) @ features (unit, neuron)``.

Its *published rule* spends a quota or applies a threshold of its own and needs no null; the default rule
(:mod:`otoscope.selectivity.rules`) asks for a q-value and a least effect instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.selectivity.firing import Block
from otoscope.selectivity.units import Units

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Sums:
    """Features summed over classes; any number of leading axes (permutations).

    Attributes
    ----------
    features : Tensor (feature, ..., class, neuron)
    over_all : Tensor (feature, neuron)
        Over all clips, whatever their class.
    clips, observations : Tensor (..., class, 1)
        How many clips, and how many observations (positions), each class has.
    n_clips, n_observations : float
        Over all clips.
    """

    features: Tensor
    over_all: Tensor
    clips: Tensor
    observations: Tensor
    n_clips: float
    n_observations: float

    def means(self) -> tuple[Tensor, Tensor]:
        """Return the first feature's mean over each class and over the other clips: ``(..., class, neuron)``."""
        return self.mean(0)

    def mean(self, feature: int) -> tuple[Tensor, Tensor]:
        """Return a feature's mean over the clips of each class and over the other clips; NaN where there are none."""
        own = self.features[feature] * (1 / self.clips)
        rest = (self.over_all[feature] - self.features[feature]).mul_(1 / (self.n_clips - self.clips))
        return own, rest


@dataclass(frozen=True)
class RuleOptions:
    """What published rules need.

    Attributes
    ----------
    top_rate : float
        Share of neurons that is selected.
    eligibility : str
        See :mod:`otoscope.selectivity.entropy`.
    match : float
        Share of a class's clips in which a property neuron is activated.
    """

    top_rate: float = 0.01
    eligibility: str = "lape"
    match: float = 0.8


@dataclass(frozen=True)
class Choice:
    """Neurons and their classes.

    Attributes
    ----------
    selected : array of bool (neuron,)
    assigned : array of bool (class, neuron)
    thresholds : dict
        Every number that decided.
    """

    selected: Bools
    assigned: Bools
    thresholds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Selector:
    """A measure of selectivity.

    Attributes
    ----------
    name : str
    features : callable
        ``(Block, Units) -> (feature, unit, neuron)`` float32.
    effect : callable
        ``(Sums) -> (..., class, neuron)``, higher is more selective; one row instead of classes where the measure
        names no class. NaN where it is not defined.
    min_effect : float
        Least effect by default, in the measure's own unit.
    published : callable
        ``(Sums, effect (class, neuron), RuleOptions) -> Choice``: the rule without a null.
    naming : callable or None
        ``(Sums) -> (..., class, neuron)``, higher is more: how much each class stands out, where the effect names none.
    whole_layer : bool
        Whether features compare the neurons of a layer, so that it cannot be read in blocks of columns.
    activations : bool
        Whether pooled activations may take the place of shares.
    """

    name: str
    features: Callable[[Block, Units], NDArray[np.float32]]
    effect: Callable[[Sums], Tensor]
    min_effect: float
    published: Callable[[Sums, NDArray[np.float64], RuleOptions], Choice]
    naming: Callable[[Sums], Tensor] | None = None
    whole_layer: bool = False
    activations: bool = True


def quota(sums: Sums, effect: NDArray[np.float64], options: RuleOptions) -> Choice:
    """Return the ``top_rate`` of all neurons whose best effect is highest, each with every class at or above the cut.

    Ties at the cut go to the lower layer and index; a neuron without an effect above 0 is never selected.
    """
    best = np.nan_to_num(effect, nan=-np.inf).max(axis=0)
    asked = min(round(options.top_rate * len(best)), int((best > 0).sum()))
    selected = np.zeros(len(best), dtype=np.bool_)
    selected[np.argsort(-best, kind="stable")[:asked]] = True
    cut = float(best[selected].min()) if asked else float("nan")
    with np.errstate(invalid="ignore"):
        assigned = selected & (effect >= cut)
    return Choice(selected, assigned, {"effect_cut": cut, "n_asked": round(options.top_rate * len(best))})


def centred(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each neuron's values ``(clip, neuron)`` in units of its own spread around its mean; 0 for a constant one.

    No permutation changes mean or spread, and sums of centred values lose no digits.
    """
    centre, spread = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    varies = spread > 1e-7 * np.abs(values).max(axis=0, initial=0)
    scaled = (values - centre) / np.where(varies, spread, 1)
    return np.where(varies, scaled, 0).astype(np.float32)


def one(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a single feature ``(unit, neuron)`` as ``(1, unit, neuron)``."""
    return features[None]


def numbers(tensor: Tensor) -> NDArray[np.float64]:
    """Return a tensor as float64 numbers."""
    return np.asarray(tensor.to(torch.float64).numpy())
