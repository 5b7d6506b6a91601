"""The running ranks of a block: all layers and both poles at once, so that a batch costs a few operations.

The k best clips of each pole neuron stand in k slots in no order. A batch's clips that belong among them take the
slots of those that leave; only they are copied. Once many clips have been heard few enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from otoscope.record import ranking
from otoscope.record.evidence import Evidence
from otoscope.record.ranking import Floor
from otoscope.record.reduce import Reduction, both_poles
from otoscope.record.summary import Ranked


class Ranks:
    """Slots for the most extreme clips of every pole neuron of some layers.

    Parameters
    ----------
    reductions : sequence of Reduction
        Any of the layers, for their sizes and their device.
    first_neurons : sequence of int
        Global number of each layer's neuron 0.
    k : int
        Slots a pole neuron.
    seed : int
        Decides among equal values.
    floors : sequence of Floor, optional
        What other blocks leave to be exceeded (:class:`Floors`), one a layer: what does not takes no slot.
    """

    def __init__(
        self,
        reductions: Sequence[Reduction],
        first_neurons: Sequence[int],
        k: int,
        seed: int,
        floors: Sequence[Floor] | None = None,
    ) -> None:
        device = reductions[0].pooled.device
        widths = [one.pooled.shape[1] for one in reductions]
        columns = [ranking.pole_neurons(first, n) for first, n in zip(first_neurons, widths, strict=True)]
        self.columns, self.widths = torch.cat(columns).to(device), [2 * n for n in widths]
        self._k, self.seed = k, seed
        self._stops = torch.tensor(self.widths, device=device).cumsum(0)
        places = (k, len(self.columns))
        self._keys = torch.full(places, ranking.EMPTY_KEY, dtype=torch.int64, device=device)
        self._earlier = self._keys[0].clone() if floors is None else torch.cat([one.keys for one in floors])
        self._floor = self._new_floor()
        self._rows = torch.full(places, -1, dtype=torch.int64, device=device)
        self._peaks = torch.full((2, *places), torch.nan, device=device)
        self._traces = [
            torch.zeros((k, 2 * n, one.evidence.trace.shape[1]), dtype=torch.float16, device=device)
            for n, one in zip(widths, reductions, strict=True)
        ]

    def floors(self) -> tuple[Floor, ...]:
        """Return, for each layer, what each pole neuron's values must exceed."""
        return self._floor.split(self.widths)

    def _new_floor(self) -> Floor:
        last = torch.maximum(self._keys.amin(dim=0), self._earlier)
        return Floor.of(last, self.columns, self.seed)

    @property
    def keys(self) -> Tensor:
        """The keys of the slots, in no order ``(slot, pole neuron)``."""
        return self._keys

    def insert(self, rows: Tensor, reductions: Sequence[Reduction]) -> None:
        """Put the clips ``rows`` where they belong; each has evidence wherever it exceeds the floors."""
        found = _Candidates.of(rows, reductions, self.columns, self.seed)
        found = found.part((found.keys > self._floor.keys[found.column]).nonzero()[:, 0])
        if not len(found.keys):
            return
        columns, place = _numbered(found.column, len(self.columns))
        pair_of = torch.full((len(rows), len(columns)), -1, device=rows.device)
        pair_of[found.clip, place] = torch.arange(len(place), device=rows.device)
        keys = torch.where(pair_of < 0, ranking.EMPTY_KEY, found.keys[pair_of])
        merged, best = ranking.merge(self._keys[:, columns], keys, self._k)
        enters = (best >= self._k) & (merged != ranking.EMPTY_KEY)
        slot, order, column = self._slots(best, enters)
        clip = best[order, column] - self._k
        chosen = found.part(pair_of[clip, column])
        self._put(slot, columns[column], chosen, rows, [one.evidence for one in reductions])

    def _slots(self, best: Tensor, enters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the slot of each clip that enters, and its order and column in ``best``; columns rise."""
        stays = torch.zeros((self._k + 1, best.shape[1]), dtype=torch.bool, device=best.device)
        stays.scatter_(0, best.clamp(max=self._k), True)
        free = ~stays[: self._k]
        column, order = enters.T.nonzero(as_tuple=True)
        nth = torch.arange(len(column), device=best.device) - _starts(enters)[column]
        slot = free.T.nonzero()[:, 1][_starts(free)[column] + nth]
        return slot, order, column

    def _put(
        self,
        slot: Tensor,
        column: Tensor,
        chosen: _Candidates,
        rows: Tensor,
        evidence: Sequence[Evidence],
    ) -> None:
        """Write clips into their slots; ``column`` rises."""
        self._keys[slot, column], self._rows[slot, column] = chosen.keys, rows[chosen.clip]
        self._floor = self._new_floor()
        peaks = [torch.cat([getattr(one, name) for one in evidence]) for name in ("peak_s", "peak_hz")]
        self._peaks[:, slot, column] = torch.stack(peaks)[:, chosen.pair]
        stops = torch.searchsorted(column, self._stops).tolist()
        start, first, passed = 0, 0, 0
        for traces, one, stop in zip(self._traces, evidence, stops, strict=True):
            own = slice(start, stop)
            traces[slot[own], column[own] - first] = one.trace[chosen.pair[own] - passed]
            start, first, passed = stop, first + traces.shape[1], passed + len(one)

    def ranked(self) -> list[Ranked]:
        """Return each layer's ranks in order, on the CPU."""
        found, start = [], 0
        for traces, width in zip(self._traces, self.widths, strict=True):
            part = slice(start, start + width)
            order = self._keys[:, part].argsort(dim=0, descending=True)
            flat = (self._keys, self._rows, self._peaks[0], self._peaks[1])
            keys, rows, peak_s, peak_hz = (one[:, part].gather(0, order).cpu() for one in flat)
            trace = traces.gather(0, order[..., None].expand_as(traces)).cpu()
            found.append(Ranked(keys, rows, trace, peak_s, peak_hz))
            start += width
        return found


@dataclass(frozen=True)
class _Candidates:
    """Pairs of a clip and a pole neuron of any layer, of which there is evidence; axis ``(pair,)``, int64.

    ``clip`` counts the batch's, ``column`` the pole neurons of all layers, ``pair`` all layers' evidence.
    """

    clip: Tensor
    column: Tensor
    keys: Tensor
    pair: Tensor

    @classmethod
    def of(cls, rows: Tensor, reductions: Sequence[Reduction], columns: Tensor, seed: int) -> _Candidates:
        """Return all of them; ``columns`` are the numbers of all layers' pole neurons."""
        first, column, values = 0, [], []
        for one in reductions:
            pairs = (one.evidence.clip, one.evidence.pole_neuron)
            values.append(both_poles(one.pooled)[pairs])
            column.append(pairs[1] + first)
            first += 2 * one.pooled.shape[1]
        clip, columns_of = torch.cat([one.evidence.clip for one in reductions]), torch.cat(column)
        keys = ranking.keys(torch.cat(values), rows[clip], columns[columns_of], seed)
        return cls(clip, columns_of, keys, torch.arange(len(clip), device=rows.device))

    def part(self, at: Tensor) -> _Candidates:
        """Return some of the pairs."""
        return _Candidates(self.clip[at], self.column[at], self.keys[at], self.pair[at])


def _numbered(column: Tensor, n_columns: int) -> tuple[Tensor, Tensor]:
    """Return the columns that occur, rising, and the place of each entry's column among them."""
    place = torch.zeros(n_columns, dtype=torch.int64, device=column.device)
    place[column] = 1
    columns = place.nonzero()[:, 0]
    place[columns] = torch.arange(len(columns), device=column.device)
    return columns, place[column]


def _starts(chosen: Tensor) -> Tensor:
    """Return how many entries of ``chosen`` lie in the columns before each."""
    counts = chosen.sum(dim=0)
    return counts.cumsum(0) - counts


class Floors:
    """What a clip must exceed to be among the best of all blocks that one process has heard.

    A clip that does not is not among the best of the whole run, so its own block need not rank it.
    """

    def __init__(self) -> None:
        self._keys: Tensor | None = None
        self._values: tuple[Floor, ...] | None = None

    def add(self, ranks: Ranks) -> None:
        """Take in the ranks of a whole block."""
        k = len(ranks.keys)
        self._keys = ranks.keys if self._keys is None else ranking.merge(self._keys, ranks.keys, k)[0]
        floor = Floor.of(self._keys.amin(dim=0), ranks.columns, ranks.seed)
        self._values = floor.split(ranks.widths)

    def values(self) -> tuple[Floor, ...] | None:
        """Return each layer's floor; None at first."""
        return self._values
