"""Which clips excite a neuron most, and least: exact, mergeable, ties broken by a seed and never by file order.

Each (clip, neuron) value becomes one 64-bit key: the value's bits in the upper half, made monotone, and in the lower
half a hash of (seed, pole, row, neuron). The k largest keys are the k largest values; among equal values (a ReLU's
zeros) the hash decides, so every clip has the same chance and the result is the same whatever the order, the blocks
or the device. The low pole ranks the negated values.
"""

from __future__ import annotations

import torch
from torch import Tensor

POLES = ("high", "low")
EMPTY_KEY = torch.iinfo(torch.int64).min
_SIGN = {"high": 1.0, "low": -1.0}


def _mixed(state: Tensor) -> Tensor:
    """Return splitmix64's finaliser of int64 states; shifts are logical."""
    state = (state ^ _shifted(state, 30)) * -4658895280553007687
    state = (state ^ _shifted(state, 27)) * -7723592293110705685
    return state ^ _shifted(state, 31)


def _shifted(state: Tensor, bits: int) -> Tensor:
    return (state >> bits) & ((1 << (64 - bits)) - 1)


def tie_break(rows: Tensor, n_neurons: int, first_neuron: int, seed: int, pole: str) -> Tensor:
    """Return a hash in [0, 2**32) for each (row, neuron), int64 ``(row, neuron)``."""
    neurons = torch.arange(first_neuron, first_neuron + n_neurons, device=rows.device, dtype=torch.int64)
    by_row = _mixed(rows.to(torch.int64) * 2 + POLES.index(pole) + seed * 1_000_003)
    return _mixed(by_row[:, None] ^ (neurons[None, :] * -7046029254386353131)) & 0xFFFFFFFF


def keys(values: Tensor, rows: Tensor, first_neuron: int, seed: int, pole: str) -> Tensor:
    """Return the sorting keys of ``values``, int64 ``(row, neuron)``: larger is further towards the pole.

    Parameters
    ----------
    values : Tensor
        ``(row, neuron)`` float32, finite.
    rows : Tensor
        Row of each clip, int64.
    first_neuron : int
        Global number of neuron 0 of ``values``.
    seed : int
        Decides among equal values.
    pole : {"high", "low"}
        ``high`` ranks the largest values, ``low`` the smallest.
    """
    bits = (values * _SIGN[pole] + 0.0).contiguous().view(torch.int32).to(torch.int64)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # int32 order = order of the floats
    return (ordered << 32) | tie_break(rows, values.shape[1], first_neuron, seed, pole)


def values_of(ranked_keys: Tensor, pole: str) -> Tensor:
    """Return the float32 values that the keys were made of; NaN for empty places."""
    ordered = (ranked_keys >> 32).to(torch.int32)
    bits = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered)
    values = bits.contiguous().view(torch.float32) * _SIGN[pole] + 0.0
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
