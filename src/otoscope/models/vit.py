"""The vision transformer of M2D on log-mel spectrograms: self-supervised weights, or trained with labels.

    log-mel of :mod:`otoscope.models.m2d`, standardised                          features (clip, 1, mel, frame)
    cut in units of U frames, the last filled with zeros up to a patch -> patches of p x q (mel band x frame) -> linear
    + fixed position of row and column, a class token before each unit           tokens (clip, token, neuron)
    d blocks   x <- x + attn(norm1 x);   x <- x + mlp.fc2(gelu(mlp.fc1(norm2 x)))          (pre-norm, eps 1e-6)
    norm -> embedding by ``pooling`` -> linear                                   logits (clip, class)

``pooling``: ``frames`` puts the rows of one column behind each other, lowest first, one vector a column (5 x 768 =
3840 numbers every 160 ms in the published size), and averages columns; ``tokens`` averages all patches; ``cls``
averages the units' class tokens. Attention never crosses a unit: each unit is heard as if alone, as published, but the
tokens of all units lie in one sequence, first the class tokens, then the grid with frequency outermost (token
``n_units + n_time f + t``). So a layer has one output a clip with one place in time for every column, however long the
clip is; the class tokens are its prefix. A clip of one unit has M2D's own order.

The layers that ``*`` means are, block by block, the MLP's hidden neurons after their activation (``mlp.act``) and the
block's output. Keys are timm's, which published checkpoints have. Published size: dim 768, hidden 3072, depth 12, heads
12, patches 16 x 16, 80 bands x 608 frames (85 million parameters); the defaults train on a CPU.

Reference: D. Niizumi et al. (2023), Masked Modeling Duo: learning representations by encouraging both networks to
model the input, ICASSP; A. Dosovitskiy et al. (2021), An image is worth 16x16 words, ICLR; the position table is that
of K. He et al. (2022), Masked autoencoders, CVPR: half of the neurons for the column, half for the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.errors import InputError, UnknownNameError
from otoscope.models.transformer import Mlp

POOLINGS = ("frames", "tokens", "cls")
_EPS = 1e-6


@dataclass(frozen=True)
class Size:
    """How large a network is; the defaults are small enough for a CPU.

    Attributes
    ----------
    dim, hidden : int
        Neurons of a block's output and of its MLP's hidden layer.
    depth, heads : int
        Blocks, and attention heads in each.
    patch_frequency, patch_time : int
        Mel bands and frames of a patch.
    n_mels, unit_frames : int
        Mel bands, and frames that attend to one another.
    """

    dim: int = 96
    hidden: int = 192
    depth: int = 4
    heads: int = 4
    patch_frequency: int = 16
    patch_time: int = 16
    n_mels: int = 80
    unit_frames: int = 608

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be built."""
        if min(vars(self).values()) < 1 or self.dim % self.heads or self.dim % 4:
            raise InputError(
                f"a vit needs positive sizes and a dim that 4 and the number of heads divide; got {self}"
            )
        if self.n_mels % self.patch_frequency or self.unit_frames % self.patch_time:
            raise InputError(
                f"patches of {self.patch_frequency} x {self.patch_time} do not fill {self.n_mels} mel bands x "
                f"{self.unit_frames} frames: choose sizes that they divide"
            )

    @property
    def n_rows(self) -> int:
        """Rows of patches."""
        return self.n_mels // self.patch_frequency

    @property
    def n_columns(self) -> int:
        """Columns of patches in a unit."""
        return self.unit_frames // self.patch_time

    def grid(self, n_frames: int) -> tuple[int, int]:
        """Return columns of patches and units of a spectrogram."""
        columns = -(-n_frames // self.patch_time)
        return columns, -(-columns // self.n_columns)


class Attention(nn.Module):
    """Softmax attention of every token to every token of its unit; ``(clip, token, neuron)`` in and out.

    ``unit_tokens`` is how many tokens a unit has at most: longer sequences hold several.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads, self.unit_tokens = size.heads, 1 + size.n_rows * size.n_columns
        self.qkv = nn.Linear(size.dim, 3 * size.dim)
        self.proj = nn.Linear(size.dim, size.dim)

    def forward(self, tokens: Tensor, units: Sequence[Tensor]) -> Tensor:
        split = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = split  # each (clip, head, token, neuron)
        if len(units) == 1:
            heard = functional.scaled_dot_product_attention(query, key, value)
        else:
            parts = [
                functional.scaled_dot_product_attention(query[:, :, one], key[:, :, one], value[:, :, one])
                for one in units
            ]
            heard = torch.cat(parts, 2)[:, :, torch.cat(list(units)).argsort()]
        mixed: Tensor = self.proj(heard.transpose(1, 2).flatten(2))
        return mixed


class Block(nn.Module):
    """Attention and MLP, each normalised before and added to what came in."""

    def __init__(self, size: Size, dropout: float) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(size.dim, eps=_EPS), Attention(size)
        self.norm2, self.mlp = nn.LayerNorm(size.dim, eps=_EPS), Mlp(size.dim, size.hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, units: Sequence[Tensor]) -> Tensor:
        tokens = tokens + self.dropout(self.attn(self.norm1(tokens), units))
        mixed: Tensor = tokens + self.dropout(self.mlp(self.norm2(tokens)))
        return mixed


class Patches(nn.Module):
    """Patches through one linear: ``(clip, 1, mel, frame)`` to ``(clip, neuron, row, column)``."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        patch = (size.patch_frequency, size.patch_time)
        self.proj = nn.Conv2d(1, size.dim, patch, stride=patch)

    def forward(self, features: Tensor) -> Tensor:
        grid: Tensor = self.proj(features)
        return grid


class VisionTransformer(nn.Module):
    """Patches, blocks and head; features ``(clip, 1, mel, frame)`` to logits ``(clip, class)``.

    Parameters
    ----------
    n_classes : int
        Output neurons; 0: no head, the output is the embedding.
    size : Size
        Of everything else.
    pooling : {"frames", "tokens", "cls"}
        How tokens become the embedding.
    dropout : float
        Share of each branch's values left out in training.
    """

    head_name = "head"

    def __init__(self, n_classes: int, size: Size, pooling: str = "frames", dropout: float = 0.0) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise UnknownNameError.of("pooling of a vit", pooling, POOLINGS)
        self.size, self.pooling = size, pooling
        self.patch_embed = Patches(size)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, size.dim))
        self.pos_embed = nn.Parameter(
            positions(size.dim, size.n_rows, size.n_columns)[None], requires_grad=False
        )
        self.blocks = nn.ModuleList(Block(size, dropout) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.dim, eps=_EPS)
        self.dropout = nn.Dropout(dropout)
        dim = size.dim * (size.n_rows if pooling == "frames" else 1)
        self.head = nn.Linear(dim, n_classes) if n_classes else None
        self.apply(_start)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits, or the embedding where there is no head."""
        found = self.embedding(features)
        if self.head is not None:
            found = self.head(self.dropout(found))
        return found

    def embedding(self, features: Tensor) -> Tensor:
        """Return the vector ``(clip, dimension)`` that stands for each clip."""
        if self.pooling == "frames":
            return self.frames(features).mean(1)
        tokens = self.tokens(features)
        n_units = self.size.grid(features.shape[3])[1]
        return (tokens[:, :n_units] if self.pooling == "cls" else tokens[:, n_units:]).mean(1)

    def frames(self, features: Tensor) -> Tensor:
        """Return the rows of each column behind each other, ``(clip, column, row * neuron)``."""
        columns, n_units = self.size.grid(features.shape[3])
        grid = self.tokens(features)[:, n_units:].reshape(
            len(features), self.size.n_rows, columns, self.size.dim
        )
        return grid.transpose(1, 2).flatten(2)

    def tokens(self, features: Tensor) -> Tensor:
        """Return the normalised tokens ``(clip, token, neuron)``: a class token for each unit, then the grid."""
        size = self.size
        columns, n_units = size.grid(features.shape[3])
        filled = functional.pad(features, (0, columns * size.patch_time - features.shape[3]))
        table = self.pos_embed[:, 1:].mT.reshape(1, size.dim, size.n_rows, size.n_columns)
        column = torch.arange(columns, device=features.device) % size.n_columns
        placed = self.patch_embed(filled) + table[..., column]  # (clip, neuron, row, column)
        special = (self.cls_token + self.pos_embed[:, :1]).expand(len(features), n_units, -1)
        tokens = torch.cat([special, placed.flatten(2).mT], 1)
        units = units_of(size.n_rows, columns, size.n_columns, features.device)
        for block in self.blocks:
            tokens = block(tokens, units)
        normalised: Tensor = self.norm(tokens)
        return normalised


def units_of(
    n_rows: int, n_columns: int, unit_columns: int, device: torch.device | None = None
) -> list[Tensor]:
    """Return the tokens of each unit: its class token, then its part of the grid, frequency outermost.

    Examples
    --------
    >>> [one.tolist() for one in units_of(2, 3, 2)]
    [[0, 2, 3, 5, 6], [1, 4, 7]]
    """
    starts = range(0, n_columns, unit_columns)
    grid = len(starts) + torch.arange(n_rows * n_columns, device=device).reshape(n_rows, n_columns)
    return [
        torch.cat([grid.new_tensor([unit]), grid[:, start : start + unit_columns].flatten()])
        for unit, start in enumerate(starts)
    ]


def positions(dim: int, n_rows: int, n_columns: int) -> Tensor:
    """Return the position table ``(1 + row * column, neuron)``: zeros for the class token, then the grid.

    The first half of the neurons are sine and cosine of the column, the second of the row, at dim / 4 wavelengths from
    2 pi to 20000 pi.
    """
    columns = torch.arange(n_columns, dtype=torch.float64).repeat(n_rows)
    rows = torch.arange(n_rows, dtype=torch.float64).repeat_interleave(n_columns)
    grid = torch.cat([_waves(columns, dim // 2), _waves(rows, dim // 2)], 1)
    return torch.cat([grid.new_zeros(1, dim), grid]).float()


def _waves(at: Tensor, dim: int) -> Tensor:
    rates = 10000.0 ** (-torch.arange(dim // 2, dtype=torch.float64) / (dim // 2))
    angle = at[:, None] * rates
    return torch.cat([angle.sin(), angle.cos()], 1)


def _start(module: nn.Module) -> None:
    """Draw initial weights: Xavier for linears and patches, biases 0."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight.flatten(1))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
