"""The running ranks of a block: all layers and both poles at once, so that a batch costs a few operations.

The k best clips of each pole neuron stand in k slots in no order. A batch's clips that belong among them take the
slots of those that leave; only they are copied. Once many clips have been heard few enter.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        places = (k, len(self.columns))
        self._keys = torch.full(places, ranking.EMPTY_KEY, dtype=torch.int64, device=device)
        self._earlier = self._keys[0].clone() if floors is None else torch.cat([one.keys for one in floors])
        self._floor = self._new_floor()
        self._rows = torch.full(places, -1, dtype=torch.int64, device=device)
        self._peaks = torch.full((2, *places), torch.nan, device=device)
        self._traces = [
            torch.zeros((k, 2 * n, one.evidence.trace.shape[2]), dtype=torch.float16, device=device)
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
        """Put the clips ``rows`` where they belong."""
        values = torch.cat([both_poles(one.pooled) for one in reductions], dim=1)
        reach = self._floor.reached(values, rows)
        columns = reach.any(dim=0).nonzero()[:, 0]
        if not len(columns):
            return
        keys = ranking.keys(values[:, columns], rows[:, None], self.columns[columns], self.seed)
        keys = torch.where(reach[:, columns], keys, ranking.EMPTY_KEY)
        merged, best = ranking.merge(self._keys[:, columns], keys, self._k)
        enters = (best >= self._k) & (merged != ranking.EMPTY_KEY)
        stays = torch.zeros((self._k + 1, best.shape[1]), dtype=torch.bool, device=best.device)
        stays.scatter_(0, best.clamp(max=self._k), True)
        free = stays[: self._k].to(torch.int8).argsort(dim=0, stable=True)  # free slots first
        entering = (~enters).to(torch.int8).argsort(dim=0, stable=True)  # entering clips first
        order, place = (torch.arange(self._k, device=best.device)[:, None] < enters.sum(dim=0)).nonzero(
            as_tuple=True
        )
        slot, clip = free[order, place], best.gather(0, entering)[order, place] - self._k
        column = columns[place]
        self._keys[slot, column], self._rows[slot, column] = keys[clip, place], rows[clip]
        self._floor = self._new_floor()
        peaks = [
            torch.cat([getattr(one.evidence, name) for one in reductions], dim=1)
            for name in ("peak_s", "peak_hz")
        ]
        self._peaks[:, slot, column] = torch.stack(peaks)[:, clip, column]
        self._copy_traces(slot, clip, column, [one.evidence for one in reductions])

    def _copy_traces(self, slot: Tensor, clip: Tensor, column: Tensor, evidence: Sequence[Evidence]) -> None:
        start = 0
        for traces, new, width in zip(self._traces, evidence, self.widths, strict=True):
            own = (column >= start) & (column < start + width)
            here = column[own] - start
            traces[slot[own], here] = new.trace[clip[own], here]
            start += width

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
