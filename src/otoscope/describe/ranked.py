"""Which clips excite a neuron most, in order?

Definition: clips sorted by activation, highest first. Conventions: activations are compared as float32, the
precision they are recorded in; equal activations (a ReLU's zeros) are ordered by a seeded random order of the
clips, the same for every neuron, never by file order. So each (activation, tie rank) pair is one distinct
integer, and the result is the same on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from otoscope.describe.cores import on_all_cores

_KEYS_AT_ONCE, _KEYS_AT_ONCE_ON_DEVICE = 2**17, 2**24
"""Sort keys (8 bytes each) held at a time: few enough for a processor's cache; enough to keep an accelerator busy."""


def tie_order(n_clips: int, seed: int) -> Tensor:
    """Return the seeded order in which tied clips are taken.

    Parameters
    ----------
    n_clips : int
    seed : int

    Returns
    -------
    Tensor, int64 (clip,)
        A permutation of the clips; of two tied clips the later one in it ranks higher.
    """
    return torch.randperm(n_clips, generator=torch.Generator().manual_seed(seed))


def top_ranked(activations: Tensor, k: int, order: Tensor) -> Tensor:
    """Return the ``k`` most activating clips of each neuron, highest first.

    Parameters
    ----------
    activations : Tensor (clip, neuron)
        Finite values.
    k : int
        1 to the number of clips.
    order : Tensor, int64 (clip,)
        From :func:`tie_order`.

    Returns
    -------
    Tensor, int32 (neuron, k)
        Clip positions.

    Notes
    -----
    O(clip x neuron); working memory does not grow with the number of neurons.
    """
    n_clips, n_neurons = activations.shape
    order = order.to(activations.device)
    tie_rank = torch.empty_like(order)
    tie_rank[order] = torch.arange(n_clips, device=order.device)
    best = torch.empty((n_neurons, k), dtype=torch.int32, device=activations.device)
    at_once = _KEYS_AT_ONCE if activations.device.type == "cpu" else _KEYS_AT_ONCE_ON_DEVICE
    step = max(16, at_once // n_clips)

    def rank(start: int) -> None:
        keys = _sort_keys(activations[:, start : start + step], tie_rank)
        highest = keys.topk(k, dim=1).values.bitwise_and_(0xFFFFFFFF)
        best[start : start + step] = order[highest]

    on_all_cores(rank, range(0, n_neurons, step), activations.device)
    return best


def _sort_keys(activations: Tensor, tie_rank: Tensor) -> Tensor:
    # A float32 read as an integer sorts like the float once the magnitude bits of negatives are flipped.
    rows = activations.T.to(torch.float32).clone(memory_format=torch.contiguous_format).add_(0.0)  # no -0.0
    bits = rows.view(torch.int32)  # (neuron, clip)
    bits.bitwise_xor_((bits >> 31).bitwise_and_(0x7FFFFFFF))
    return bits.long().bitwise_left_shift_(32).bitwise_or_(tie_rank)


def tied_at_cut(activations: Tensor, ranked: Tensor) -> Tensor:
    """Return, bool ``(neuron,)``, whether a tie decided which clips are among the ``ranked`` (neuron, k) ones.

    Parameters
    ----------
    activations : Tensor (clip, neuron)
    ranked : Tensor, int32 (neuron, k)
        From :func:`top_ranked`.
    """
    k = ranked.shape[1]
    if k == 0:
        return torch.zeros(len(ranked), dtype=torch.bool, device=ranked.device)
    last = activations.gather(0, ranked[:, -1:].long().T)  # (1, neuron)
    return (activations >= last).sum(dim=0) > k
