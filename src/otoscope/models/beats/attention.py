"""Attention whose relative positions are weighted by a gate: the attention of BEATs (and of WavLM before it).

For head h, query i and key j, with q, k, v linear in the tokens and d neurons a head::

    out_i = sum_j softmax_j( q_i . k_j / sqrt(d) + gate[h, i] bias[h, i, j] ) v_j
    bias[h, i, j] = table[ bucket(j - i), h ]                                     one table for all blocks
    gate[h, i] = a (b g_h - 1) + 2,   a = sigmoid(u_0 + .. + u_3),  b = sigmoid(u_4 + .. + u_7),  u = W q_i + w

``bucket`` counts small distances one by one and large ones by their logarithm, and tells before from after
(:func:`buckets`). Keys that are padding get no weight.

References: S. Chen et al. (2023), BEATs: audio pre-training with acoustic tokenizers, ICML; S. Chen et al. (2022),
WavLM, IEEE JSTSP 16, section III-B (the gate); C. Raffel et al. (2020), JMLR 21, section 2.1 (the buckets). The
released code divides and multiplies scores by 32 around a subtraction of their maximum, which changes nothing but the
overflow of half precision.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def buckets(distance: Tensor, n_buckets: int, max_distance: int) -> Tensor:
    """Return the bucket of each distance key - query, int64, same shape.

    With n = ``n_buckets / 2`` buckets for each direction, m = \\|distance\\| is its own bucket below n / 2; above,
    buckets grow by the logarithm up to ``max_distance`` and the last one takes all that is further.

    Examples
    --------
    >>> buckets(torch.tensor([-3, 0, 3, 1000]), 32, 80).tolist()
    [3, 0, 19, 31]
    """
    half = n_buckets // 2
    exact = half // 2
    far = distance.abs()
    logs = torch.log(far.clamp_min(1).float() / exact) / math.log(max_distance / exact) * (half - exact)
    spread = (exact + logs.to(torch.int64)).clamp_max(half - 1)
    after = torch.where(distance > 0, half, 0)
    return after + torch.where(far < exact, far, spread)


class GatedAttention(nn.Module):
    """One block's attention; names are those of published checkpoints.

    Parameters
    ----------
    dim, heads : int
        Neurons of a token, and heads that share them.
    table : nn.Embedding
        ``(bucket, head)``, the same object in every block.
    max_distance : int
        See :func:`buckets`.
    dropout : float
        Share of attention weights left out in training.
    """

    def __init__(self, dim: int, heads: int, table: nn.Embedding, max_distance: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.max_distance, self.dropout = heads, max_distance, dropout
        self.relative_attention_bias = table
        self.k_proj, self.v_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.q_proj, self.out_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.grep_linear = nn.Linear(dim // heads, 8)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))

    def bias(self, n_tokens: int) -> Tensor:
        """Return the bias of every query and key ``(head, query, key)``, the same for all blocks."""
        table = self.relative_attention_bias.weight
        at = torch.arange(n_tokens, device=table.device)
        found = buckets(at[None, :] - at[:, None], table.shape[0], self.max_distance)  # (query, key)
        return table[found].permute(2, 0, 1)

    def forward(self, tokens: Tensor, bias: Tensor, padded: Tensor | None = None) -> Tensor:
        """Return what each token hears ``(clip, token, neuron)``.

        Parameters
        ----------
        tokens : Tensor
            ``(clip, token, neuron)``.
        bias : Tensor
            ``(head, query, key)``.
        padded : Tensor of bool, optional
            ``(clip, token)``, True where there is no sound.
        """
        query, key, value = (self._split(part(tokens)) for part in (self.q_proj, self.k_proj, self.v_proj))
        added = self._gate(query) * bias  # (clip, head, query, key)
        if padded is not None:
            added = added.masked_fill(padded[:, None, None], -torch.inf)
        share = self.dropout if self.training else 0.0
        heard = functional.scaled_dot_product_attention(query, key, value, added, share)
        mixed: Tensor = self.out_proj(heard.transpose(1, 2).flatten(2))
        return mixed

    def _split(self, tokens: Tensor) -> Tensor:
        clips, n_tokens, _ = tokens.shape
        return tokens.reshape(clips, n_tokens, self.heads, -1).transpose(1, 2)  # (clip, head, token, neuron)

    def _gate(self, query: Tensor) -> Tensor:
        sums = self.grep_linear(query).unflatten(3, (2, 4)).sum(4)  # (clip, head, query, 2)
        a, b = sums.sigmoid().chunk(2, dim=3)
        gate: Tensor = a * (b * self.grep_a - 1.0) + 2.0
        return gate
