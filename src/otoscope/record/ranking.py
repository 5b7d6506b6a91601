"""Which clips excite a neuron most, and least: exact, mergeable, ties broken by a seed and never by file order.

Each (clip, neuron) value becomes one 64-bit key: the value's bits in the upper half, made monotone, and in the lower
half a hash of (seed, pole, row, neuron). The k largest keys are the k largest values; among equal values (a ReLU's
zeros) the hash decides, so every clip has the same chance and the result is the same whatever the order, the blocks
or the device.

Every neuron has two poles. Its low pole is the high pole of its negative, so arrays of ``pole neurons`` hold first all
neurons of a layer, then all of their negatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

POLES = ("high", "low")
EMPTY_KEY = torch.iinfo(torch.int64).min
_LOWER = 0xFFFFFFFF


def _mixed(state: Tensor) -> Tensor:
    """Return splitmix64's finaliser of int64 states; shifts are logical."""
    state = (state ^ _shifted(state, 30)) * -4658895280553007687
    state = (state ^ _shifted(state, 27)) * -7723592293110705685
    return state ^ _shifted(state, 31)


def _shifted(state: Tensor, bits: int) -> Tensor:
    return (state >> bits) & ((1 << (64 - bits)) - 1)


def tie_break(rows: Tensor, columns: Tensor, seed: int) -> Tensor:
    """Return a hash in [0, 2**32) for each row and column, int64; the two broadcast."""
    return _paired(_of_rows(rows, seed), columns)


def _of_rows(rows: Tensor, seed: int) -> Tensor:
    return _mixed(rows.to(torch.int64) + seed * 1_000_003)


def _paired(of_rows: Tensor, columns: Tensor) -> Tensor:
    return _mixed(of_rows ^ (columns * -7046029254386353131)) & _LOWER


def pole_neurons(first_neuron: int, n_neurons: int) -> Tensor:
    """Return the number of each of a layer's pole neurons, int64 ``(pole neuron,)``: all differ within a run."""
    neurons = torch.arange(first_neuron, first_neuron + n_neurons, dtype=torch.int64)
    return torch.cat([2 * neurons, 2 * neurons + 1])


def keys(values: Tensor, rows: Tensor, columns: Tensor, seed: int) -> Tensor:
    """Return the sorting keys of ``values``, int64 of their shape: larger is a larger value.

    Parameters
    ----------
    values : Tensor
        float32, finite.
    rows : Tensor
        Row of each value's clip, int64; broadcasts with ``columns`` to the shape of ``values``.
    columns : Tensor
        Number of each value's column, see :func:`pole_neurons`.
    seed : int
        Decides among equal values.
    """
    bits = (values + 0.0).contiguous().view(torch.int32).to(torch.int64)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # int32 order = order of the floats
    return (ordered << 32) | tie_break(rows, columns, seed)


def values_of(ranked_keys: Tensor) -> Tensor:
    """Return the float32 values that the keys were made of; NaN for empty places."""
    ordered = (ranked_keys >> 32).to(torch.int32)
    bits = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered)
    values = bits.contiguous().view(torch.float32) + 0.0
    return torch.where(ranked_keys == EMPTY_KEY, torch.nan, values)


def merge(keys_a: Tensor, keys_b: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest keys of two sets along axis 0, and where they stood in their concatenation.

    Parameters
    ----------
    keys_a, keys_b : Tensor
        ``(candidate, neuron)`` int64.
    k : int
        How many to keep.

    Returns
    -------
    keys, places : Tensor
        ``(k, neuron)``, descending; places index ``cat([a, b])``.
    """
    both = torch.cat([keys_a, keys_b])
    best = torch.topk(both, k, dim=0)
    return best.values, best.indices


@dataclass(frozen=True)
class Floor:
    """What a clip must exceed to take a place among the best of each of some pole neurons.

    Attributes
    ----------
    keys : Tensor
        The last places ``(pole neuron,)``; ``EMPTY_KEY`` while one is free.
    values : Tensor
        Their values ``(pole neuron,)``; minus infinity while a place is free.
    columns : Tensor
        Numbers of the pole neurons.
    seed : int
        Decides among equal values.
    """

    keys: Tensor
    values: Tensor
    columns: Tensor
    seed: int

    @classmethod
    def of(cls, last_keys: Tensor, columns: Tensor, seed: int) -> Floor:
        """Return the floor that these last places make."""
        return cls(last_keys, values_of(last_keys).nan_to_num(nan=-torch.inf), columns, seed)

    def reached(self, values: Tensor, rows: Tensor) -> Tensor:
        """Return which ``values`` ``(clip, pole neuron)`` of the clips ``rows`` exceed it; ties as in :func:`keys`."""
        above = values > self.values
        clip, place = (values == self.values).nonzero(as_tuple=True)
        if len(clip):  # equal values: the lower half of the key decides
            own = _paired(_of_rows(rows, self.seed)[clip], self.columns[place])
            above[clip, place] = own > self.keys[place] & _LOWER
        return above

    def split(self, widths: Sequence[int]) -> tuple[Floor, ...]:
        """Return the floors of layers of so many pole neurons."""
        found, start = [], 0
        for width in widths:
            part = slice(start, start + width)
            found.append(Floor(self.keys[part], self.values[part], self.columns[part], self.seed))
            start += width
        return tuple(found)
