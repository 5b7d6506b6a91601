"""How selective would each neuron be if the labels had nothing to do with it? Permuted labels, layer by layer.

Definition. Labels are dealt out anew B times over the units that carry them (:mod:`otoscope.selectivity.units`). For a
neuron with effects e[c] and permuted effects e_b[c],

- z[c] = (e[c] - centre[c]) / spread[c], centre and spread over the true deal and the B others together, so that small
  classes, whose effects vary more, do not win by that;
- T = max over classes of z[c]: the *best of the classes*, observed T_0 and permuted T_1 .. T_B;
- p[c] = how often chance's best reaches z[c]: from the neuron's own permutations (``counted``, at least 1 / (B + 1)),
  from a fitted tail of them (``tail``), or from those of all neurons of the layer (``pooled``: T standardised by the
  neuron's own mean and spread over all B + 1 deals; at least 1 / (neurons x B + 1)).

On the groups of ESC-10, simulated null neurons reach p <= 0.001 in 0.1 % of cases by ``tail``, in 0.2 % by ``pooled``,
whose neurons differ too much in the far tail that false discovery rates live from: hence the default.

p is never below the smallest that the deals allow (:func:`otoscope.selectivity.units.attainable`); where that exceeds
the level, a task is *not testable* and nothing is selected.

Cost: every unit is added to the class that it is dealt to, B x units x neurons additions whatever the classes, and
B x C x neurons effects; in blocks of columns that stay in the processor's cache. Memory does not grow with the network.

Reference: P. Westfall, S. Young, "Resampling-Based Multiple Testing", 1993, chapter 2 (maxT within a neuron); pooling
and tails as in :mod:`otoscope.metrics.multiple_testing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.errors import UnknownNameError
from otoscope.metrics.multiple_testing import Tail
from otoscope.selectivity.firing import Layer
from otoscope.selectivity.selector import Selector, Sums, numbers
from otoscope.selectivity.units import Bags, Deals, Units

NULLS = ("pooled", "tail", "counted")
READ_WIDTH, READ_CELLS = 1024, 2**25
"""Neurons read from the disk at a time: a chunk of the recorder's arrays, fewer where clips are many."""
_CELLS = 2**21
"""Permuted effects held at a time: few enough to stay in the processor's cache."""
_SLACK = 1e-4
"""In spreads: equal statistics may differ by rounding, and then count as equal."""


@dataclass(frozen=True)
class Features:
    """A block of a layer's neurons, summed over units.

    Attributes
    ----------
    columns : slice
        Which neurons.
    table : Tensor (feature, unit, neuron)
    clips, observations : Tensor (unit, 1)
    """

    columns: slice
    table: Tensor
    clips: Tensor
    observations: Tensor


def read(layer: Layer, selector: Selector, units: Units) -> Iterator[Features]:
    """Yield the layer's features, block of columns by block."""
    width = layer.n_neurons if selector.whole_layer else min(READ_WIDTH, max(32, READ_CELLS // len(units.of)))
    clips = torch.from_numpy(units.clips[:, None])
    for columns in layer.columns(width):
        block = layer.read(columns)
        table = torch.from_numpy(np.ascontiguousarray(selector.features(block, units)))
        yield Features(columns, table, clips, torch.from_numpy(units.sum(block.observations[:, None])))


def sums_of(features: Features, bags: Bags, dtype: torch.dtype, width: int | None = None) -> Iterator[Sums]:
    """Yield the features, ``width`` columns at a time (None: all at once), summed over the classes of deals."""
    clips, observations = (bags.sum(one.to(dtype)) for one in (features.clips, features.observations))
    for table in torch.split(features.table, width or features.table.shape[-1], dim=-1):
        own = table.to(dtype).contiguous()
        yield Sums(
            torch.stack([bags.sum(one) for one in own]) if len(own) > 1 else bags.sum(own[0])[None],
            own.sum(dim=1),
            clips,
            observations,
            float(features.clips.sum()),
            float(features.observations.double().sum()),
        )


def class_sums(layer: Layer, selector: Selector, units: Units, deals: Deals, dtype: torch.dtype) -> Sums:
    """Return the sums of a whole layer for a few deals: ``(feature, permutation, class, neuron)``."""
    return joined([sums for one in read(layer, selector, units) for sums in sums_of(one, deals.bags, dtype)])


def joined(parts: list[Sums]) -> Sums:
    """Return the sums of neighbouring columns as one table."""
    return replace(
        parts[0],
        features=torch.cat([one.features for one in parts], dim=-1),
        over_all=torch.cat([one.over_all for one in parts], dim=-1),
    )


def across(layers: list[Sums], deal: int = 0) -> Sums:
    """Return one deal's sums of all layers as one table; observations become ``(class, neuron)``, as layers differ."""
    widths = [one.features.shape[-1] for one in layers]
    seen = [one.observations[deal].expand(-1, width) for one, width in zip(layers, widths)]
    return replace(
        layers[0],
        features=torch.cat([one.features[:, deal] for one in layers], dim=-1),
        over_all=torch.cat([one.over_all for one in layers], dim=-1),
        clips=layers[0].clips[deal],
        observations=torch.cat(seen, dim=-1),
    )


@dataclass(frozen=True)
class Reference:
    """What chance gives a layer's neurons.

    Attributes
    ----------
    centre, spread : array of float64 (class, neuron)
        Of the effects over all deals.
    best : array of float32 (1 + permutation, neuron)
        T of the true deal, then of the permutations; NaN for a neuron without an effect.
    kind : {"pooled", "tail", "counted"}
    classes : Reference or None
        Of how much each class stands out, where the effect names no class.
    """

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    best: NDArray[np.float32]
    kind: str = "tail"
    classes: Reference | None = None

    def __post_init__(self) -> None:
        if self.kind not in NULLS:
            raise UnknownNameError.of("null", self.kind, NULLS)

    def z(self, effect: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return standardised effects ``(class, neuron)``; NaN where there is no effect."""
        flat = ~(self.spread > 0)
        z = (effect - self.centre) / np.where(flat, 1, self.spread)
        return np.where(np.isnan(effect), np.nan, np.where(flat, 0, z))

    def p(self, effect: NDArray[np.float64], most: float = 1.0) -> NDArray[np.float64]:
        """Return p of effects ``(class, neuron)``: how often chance's best class reaches each.

        Parameters
        ----------
        effect : array (class, neuron)
        most : float
            Classes after the first whose p all exceed this are not looked at: they get 1.

        Returns
        -------
        array (class, neuron)
            In (0, 1], NaN where there is no effect.
        """
        z = self.z(effect)
        order = np.argsort(-np.nan_to_num(z, nan=-np.inf), axis=0, kind="stable")
        found = np.where(np.isnan(z), np.nan, 1.0)
        for rank in order:
            row = np.take_along_axis(z, rank[None], axis=0)[0]
            p = self._p(row)
            np.put_along_axis(found, rank[None], p[None], axis=0)
            if not (p <= most).any():
                break
        return found

    def _p(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        permuted = self.best[1:]
        reached = z - _SLACK
        if self.kind == "counted":
            p = (1 + (permuted >= reached).sum(axis=0)) / (len(permuted) + 1)
        elif self.kind == "tail":
            p = self._tail.p(reached)
        else:
            centre, spread, pool = self._pool
            t = (reached - centre) / np.where(spread > 0, spread, 1)
            p = (len(pool) - np.searchsorted(pool, t, side="left") + 1) / (len(pool) + 1)
            p = np.where(spread > 0, p, 1.0)
        return np.where(np.isnan(z), np.nan, p)

    @cached_property
    def _tail(self) -> Tail:
        return Tail.of(self.best[1:])

    @cached_property
    def _pool(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
        centre, spread = self.best.mean(axis=0, dtype=np.float64), self.best.std(axis=0, dtype=np.float64)
        used = spread > 0  # NaN and constant neurons are not
        pool = (self.best[1:, used] - centre[used]) / spread[used]
        return centre, spread, np.sort(pool.astype(np.float32), axis=None)


def reference(
    layer: Layer, selector: Selector, units: Units, true: Deals, permuted: Deals, kind: str = "tail"
) -> tuple[Sums, Reference]:
    """Return the sums of the true classes, and what chance gives the layer's neurons; the layer is read once.

    Parameters
    ----------
    layer : Layer
    selector : Selector
    units : Units
    true, permuted : Deals
        The true membership; the same, followed by its permutations.
    kind : {"pooled", "tail", "counted"}
        Where p comes from.
    """
    n_deals, n_classes = permuted.bags.shape
    measures = [one for one in (selector.effect, selector.naming) if one is not None]
    rows = [n_classes] if len(measures) == 1 else [1, n_classes]
    held = [_blank(one, n_deals, layer.n_neurons) for one in rows]
    width = max(8, _CELLS // (n_deals * n_classes))
    own: list[Sums] = []
    for features in read(layer, selector, units):
        own += sums_of(features, true.bags, torch.float64)
        start = features.columns.start
        for sums in sums_of(features, permuted.bags, torch.float32, width):
            place = slice(start, start + sums.features.shape[-1])
            start = place.stop
            for table, measure in zip(held, measures):
                for kept, new in zip(table, _standardised(measure(sums))):
                    kept[:, place] = new
    made = [Reference(*table, kind) for table in held]
    return joined(own), made[0] if len(made) == 1 else replace(made[0], classes=made[1])


def _blank(n_rows: int, n_deals: int, n_neurons: int) -> tuple[NDArray[np.float64], NDArray[np.float64], Any]:
    """Return room for centre, spread ``(class, neuron)`` and best ``(deal, neuron)``."""
    centre = np.empty((n_rows, n_neurons))
    return centre, np.empty_like(centre), np.empty((n_deals, n_neurons), dtype=np.float32)


def _standardised(
    effects: Tensor,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """Return centre and spread ``(class, neuron)``, and the best standardised effect ``(deal, neuron)``; in place."""
    centre, unknown = effects.mean(dim=0), None
    n = torch.full_like(centre, len(effects))
    if bool(centre.isnan().any()):
        unknown = effects.isnan()
        n = (len(effects) - unknown.sum(dim=0)).clamp_min(1)
        effects = effects.masked_fill_(unknown, 0)
        centre = effects.sum(dim=0) / n
    effects -= centre
    if unknown is not None:
        effects.masked_fill_(unknown, 0)
    spread = torch.linalg.vector_norm(effects, dim=0) / n.sqrt()
    spread = torch.where(spread > 1e-6 * centre.abs().clamp_min(1e-6), spread, 0)
    effects *= torch.where(spread > 0, 1 / spread, 0)
    if unknown is not None:
        effects.masked_fill_(unknown, -torch.inf)
    best = effects.amax(dim=1)
    return numbers(centre), numbers(spread), best.masked_fill_(best.isinf(), torch.nan).float().numpy()
