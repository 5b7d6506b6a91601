"""BEATs' encoder with its head: filter bank in, logits out, under the names of published checkpoints.

    filter bank (clip, frame, mel) -> 16 x 16 patches, linear without bias     token 8 t + f: mel band f inner
    layer_norm -> post_extract_proj                                            (clip, token, neuron)
    x <- layer_norm(x + gelu(pos_conv x))                                      weight-normalised, grouped, even kernel
    d blocks  x <- norm(alpha x + attention x);  x <- norm(alpha x + fc2(gelu(fc1 x)))      alpha = (2 d)^(1/4)
    predictor: linear of every token, averaged over tokens                      logits (clip, class)

The blocks are post-norm with DeepNorm's alpha (H. Wang et al., 2022, DeepNet); their attention is
:class:`otoscope.models.beats.attention.GatedAttention`. ``average`` says which tokens the logits average: those that
hold ``sound``, as the released fine-tuned networks do, or ``all`` of them, padding included, as the networks of Audio
Network Dissection do. Without padding the two are the same. A network without classes has no predictor and returns the
mean of its last tokens.

Reference: S. Chen et al. (2023), BEATs: audio pre-training with acoustic tokenizers, ICML. Blocks of other kinds that
the released code can build but no released network uses (pre-norm, GLU, no relative positions) are not built here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.errors import InputError
from otoscope.models.beats.attention import GatedAttention

AVERAGES = ("sound", "all")


@dataclass(frozen=True)
class Size:
    """How large a BEATs is; the defaults are the published base network, 90 million parameters.

    Attributes
    ----------
    dim, hidden : int
        Neurons of a token and of ``fc1``.
    depth, heads : int
        Blocks, and attention heads in each.
    patch, patch_dim : int
        Side of a patch, and its neurons before ``post_extract_proj`` (which is left out where they equal ``dim``).
    conv_pos, conv_groups : int
        Kernel and groups of the position convolution.
    n_buckets, max_distance : int
        Of the relative positions.
    deep_norm : bool
        False: alpha = 1.
    """

    dim: int = 768
    hidden: int = 3072
    depth: int = 12
    heads: int = 12
    patch: int = 16
    patch_dim: int = 512
    conv_pos: int = 128
    conv_groups: int = 16
    n_buckets: int = 320
    max_distance: int = 800
    deep_norm: bool = True

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be built."""
        numbers = [value for name, value in vars(self).items() if name != "deep_norm"]
        if min(numbers) < 1 or self.dim % self.heads or self.dim % self.conv_groups or self.n_buckets < 4:
            raise InputError(
                "a BEATs needs positive sizes, a dim that heads and conv_groups divide, and at least 4 buckets; got "
                f"{self}"
            )

    @property
    def alpha(self) -> float:
        """Weight of what came in, in each sum."""
        return float((2 * self.depth) ** 0.25) if self.deep_norm else 1.0


@dataclass(frozen=True)
class Dropout:
    """Shares left out in training; nothing is left out in evaluation.

    Attributes
    ----------
    tokens : float
        Of each branch's output, and after ``post_extract_proj`` and the first norm.
    attention : float
        Of the attention weights.
    blocks : float
        Whole blocks.
    """

    tokens: float = 0.1
    attention: float = 0.1
    blocks: float = 0.05


class PositionConv(nn.Module):
    """A grouped convolution over tokens whose kernel has one norm for each of its positions.

    w[:, :, k] = weight_g[k] weight_v[:, :, k] / norm of weight_v[:, :, k]
    """

    def __init__(self, dim: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.groups, self.padding = groups, kernel // 2
        scale = (4.0 / (kernel * dim)) ** 0.5
        self.weight_v = nn.Parameter(scale * torch.randn(dim, dim // groups, kernel))
        self.weight_g = nn.Parameter(self.weight_v.detach().norm(dim=(0, 1), keepdim=True))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``(clip, neuron, token)``, one token more for an even kernel."""
        weight = self.weight_g * self.weight_v / self.weight_v.norm(dim=(0, 1), keepdim=True)
        return functional.conv1d(tokens, weight, self.bias, padding=self.padding, groups=self.groups)


class Trimmed(nn.Module):
    """Drop the last token that an even kernel added."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.surplus = 1 - kernel % 2

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[..., : tokens.shape[-1] - self.surplus]


class Block(nn.Module):
    """One block; ``fc1`` is before its activation, ``activation_fn`` after."""

    def __init__(self, size: Size, table: nn.Embedding, dropout: Dropout) -> None:
        super().__init__()
        self.alpha = size.alpha
        self.self_attn = GatedAttention(size.dim, size.heads, table, size.max_distance, dropout.attention)
        self.self_attn_layer_norm = nn.LayerNorm(size.dim)
        self.fc1, self.activation_fn = nn.Linear(size.dim, size.hidden), nn.GELU()
        self.fc2 = nn.Linear(size.hidden, size.dim)
        self.final_layer_norm = nn.LayerNorm(size.dim)
        self.dropout = nn.Dropout(dropout.tokens)

    def forward(self, tokens: Tensor, bias: Tensor, padded: Tensor | None) -> Tensor:
        heard = self.dropout(self.self_attn(tokens, bias, padded))
        tokens = self.self_attn_layer_norm(self.alpha * tokens + heard)
        mixed = self.dropout(self.fc2(self.activation_fn(self.fc1(tokens))))
        out: Tensor = self.final_layer_norm(self.alpha * tokens + mixed)
        return out


class Encoder(nn.Module):
    """Positions and blocks; ``(clip, token, neuron)`` in and out."""

    def __init__(self, size: Size, dropout: Dropout) -> None:
        super().__init__()
        convolution = PositionConv(size.dim, size.conv_pos, size.conv_groups)
        self.pos_conv = nn.Sequential(convolution, Trimmed(size.conv_pos), nn.GELU())
        table = nn.Embedding(size.n_buckets, size.heads)
        blocks = [Block(size, table, dropout) for _ in range(size.depth)]
        _start(blocks, size)
        self.layers = nn.ModuleList(blocks)
        self.layer_norm = nn.LayerNorm(size.dim)
        self.dropout, self.skipped = nn.Dropout(dropout.tokens), dropout.blocks

    def forward(self, tokens: Tensor, padded: Tensor | None) -> Tensor:
        if padded is not None:
            tokens = tokens.masked_fill(padded[..., None], 0.0)
        tokens = self.dropout(self.layer_norm(tokens + self.pos_conv(tokens.mT).mT))
        bias = cast(Block, self.layers[0]).self_attn.bias(tokens.shape[1])
        for block in self.layers:
            if not (self.training and float(torch.rand(())) < self.skipped):
                tokens = block(tokens, bias, padded)
        return tokens


class Beats(nn.Module):
    """Filter bank ``(clip, frame, mel)`` to logits ``(clip, class)``.

    Parameters
    ----------
    n_classes : int
        Output neurons; 0: no predictor.
    size : Size
        Of the network.
    dropout : Dropout
        In training.
    average : {"sound", "all"}
        Which tokens the logits average, where some are padding.
    """

    head_name = "predictor"

    def __init__(self, n_classes: int, size: Size, dropout: Dropout, average: str) -> None:
        super().__init__()
        self.average = average
        self.patch_embedding = nn.Conv2d(1, size.patch_dim, size.patch, stride=size.patch, bias=False)
        self.layer_norm = nn.LayerNorm(size.patch_dim)
        same = size.patch_dim == size.dim
        self.post_extract_proj = None if same else nn.Linear(size.patch_dim, size.dim)
        self.dropout_input = nn.Dropout(dropout.tokens)
        self.encoder = Encoder(size, dropout)
        self.predictor = nn.Linear(size.dim, n_classes) if n_classes else None

    def forward(self, fbank: Tensor, padded: Tensor | None = None) -> Tensor:
        """Return the logits, or the mean of the last tokens where there is no predictor.

        Parameters
        ----------
        fbank : Tensor
            ``(clip, frame, mel)``, normalised.
        padded : Tensor of bool, optional
            ``(clip, token)``, True where there is no sound.
        """
        tokens = self.tokens(fbank, padded)
        return self._mean(tokens if self.predictor is None else self.predictor(tokens), padded)

    def embedding(self, fbank: Tensor, padded: Tensor | None = None) -> Tensor:
        """Return the mean of the last tokens ``(clip, neuron)``; the head of it is the logits, being linear."""
        return self._mean(self.tokens(fbank, padded), padded)

    def tokens(self, fbank: Tensor, padded: Tensor | None = None) -> Tensor:
        """Return the last block's output ``(clip, token, neuron)``."""
        patches = self.patch_embedding(fbank[:, None])  # (clip, neuron, time, frequency)
        tokens = self.layer_norm(patches.flatten(2).mT)  # (clip, token, neuron)
        if self.post_extract_proj is not None:
            tokens = self.post_extract_proj(tokens)
        found: Tensor = self.encoder(self.dropout_input(tokens), padded)
        return found

    def _mean(self, tokens: Tensor, padded: Tensor | None) -> Tensor:
        if padded is None or self.average == "all":
            return tokens.mean(1)
        sounding = (~padded).to(tokens)[..., None]  # (clip, token, 1)
        return (tokens * sounding).sum(1) / sounding.sum(1)


def _start(blocks: Iterable[Block], size: Size) -> None:
    """Draw initial weights as DeepNorm asks: branches start small, by (8 d)^(-1/4)."""
    gain = float((8 * size.depth) ** -0.25) if size.deep_norm else 1.0
    for block in blocks:
        attention = block.self_attn
        for linear in (attention.q_proj, attention.k_proj):
            nn.init.xavier_normal_(linear.weight)
        for linear in (attention.v_proj, attention.out_proj, block.fc1, block.fc2):
            nn.init.xavier_normal_(linear.weight, gain=gain)
