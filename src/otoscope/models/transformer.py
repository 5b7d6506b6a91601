"""A small patch transformer on log-mel spectrograms, trainable on a CPU.

    front end of :mod:`otoscope.models.cnn`: log-mel bands, standardised by constants of the training set
    patches of p x p (mel band x frame) every s -> linear -> + position      tokens (clip, token, neuron)
    d blocks   x <- x + output(attention(norm x));   x <- x + fc2(gelu(fc1(norm x)))        (pre-norm)
    norm -> mean over tokens -> dropout -> linear                            logits (clip, class)

With p = 16 and s = 12 neighbouring patches overlap, which matters where clips are few, and five rows cover all 64
bands. Positions are fixed sinusoids of the frame plus a learned vector for each row of patches, so any length of
sound fits. Tokens run with frequency outermost, as in AST: token ``n_time * f + t``; there is no special token.

The layers that ``*`` means are, block by block, the MLP's hidden neurons after their activation (``mlp.act``) and the
block's output. The three linears of a block that Audio Network Dissection listens to are
``blocks.N.attention.output``, ``blocks.N.mlp.fc1`` (before the activation) and ``blocks.N.mlp.fc2``.

Reference: Y. Gong, Y.-A. Chung, J. Glass (2021), AST: Audio Spectrogram Transformer, Interspeech; this network is about
a hundred times smaller, puts its norms as AST does, and averages all tokens instead of two special ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.audio import mel_scale
from otoscope.audio.mel import MelSettings
from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError
from otoscope.models.audio_model import AudioModel
from otoscope.models.cnn import LogMelFrontEnd, mel_settings
from otoscope.models.geometry import Geometry
from otoscope.models.rows import middles_hz

#: what :mod:`otoscope.models.train` takes for this network where its config does not say otherwise
RECIPE = {"epochs": 80, "learning_rate": 1e-3, "weight_decay": 0.05}


@dataclass(frozen=True)
class Size:
    """How large a transformer is.

    Attributes
    ----------
    dim, hidden : int
        Neurons of a block's output and of its MLP's hidden layer.
    depth, heads : int
        Blocks, and attention heads in each.
    patch, stride : int
        Side of a patch and the step from one to the next, in mel bands and frames alike.
    n_mels : int
        Mel bands.
    """

    dim: int = 96
    hidden: int = 192
    depth: int = 4
    heads: int = 4
    patch: int = 16
    stride: int = 12
    n_mels: int = 64

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be built."""
        if min(self.dim, self.hidden, self.depth, self.heads, self.stride) < 1 or self.dim % (2 * self.heads):
            raise InputError(
                f"a transformer needs positive sizes and a dim that 2 x heads divides; got dim {self.dim}, hidden "
                f"{self.hidden}, depth {self.depth}, heads {self.heads}, stride {self.stride}"
            )
        if not 1 <= self.patch <= self.n_mels:
            raise InputError(f"a patch has 1 to n_mels = {self.n_mels} bands, got {self.patch}")

    @property
    def n_rows(self) -> int:
        """Rows of patches."""
        return (self.n_mels - self.patch) // self.stride + 1


class Attention(nn.Module):
    """Softmax attention of every token to every token; ``(clip, token, neuron)`` in and out."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        split = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = split  # each (clip, head, token, neuron)
        heard = functional.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = self.output(heard.transpose(1, 2).flatten(2))
        return mixed


class Mlp(nn.Module):
    """Two linears around a GELU, token by token."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        mixed: Tensor = self.fc2(self.act(self.fc1(tokens)))
        return mixed


class Block(nn.Module):
    """Attention and MLP, each normalised before and added to what came in."""

    def __init__(self, size: Size, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(size.dim), Attention(size.dim, size.heads)
        self.mlp_norm, self.mlp = nn.LayerNorm(size.dim), Mlp(size.dim, size.hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.dropout(self.attention(self.attention_norm(tokens)))
        mixed: Tensor = tokens + self.dropout(self.mlp(self.mlp_norm(tokens)))
        return mixed


class MelTransformer(nn.Module):
    """Patches, blocks and head; features ``(clip, 1, mel, frame)`` to logits ``(clip, class)``.

    Parameters
    ----------
    n_classes : int
        Output neurons.
    size : Size
        Of everything else.
    dropout : float
        Share of each branch's values left out in training.
    """

    head_name = "head"

    def __init__(self, n_classes: int, size: Size, dropout: float) -> None:
        super().__init__()
        self.size = size
        self.patches = nn.Conv2d(1, size.dim, size.patch, stride=size.stride)
        self.rows = nn.Parameter(0.02 * torch.randn(1, size.dim, size.n_rows, 1))
        self.blocks = nn.ModuleList(Block(size, dropout) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.dim)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(size.dim, n_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.dropout(self.embedding(features)))
        return logits

    def embedding(self, features: Tensor) -> Tensor:
        """Return what the head takes: the mean over tokens ``(clip, neuron)``."""
        missing = self.size.patch - features.shape[3]
        grid = self.patches(functional.pad(features, (0, max(0, missing))))  # (clip, neuron, row, frame)
        placed = grid + self.rows + sinusoids(grid.shape[3], self.size.dim, grid).T[None, :, None]
        tokens = placed.flatten(2).mT  # (clip, token, neuron)
        for block in self.blocks:
            tokens = block(tokens)
        mean: Tensor = self.norm(tokens).mean(1)
        return mean


def sinusoids(n: int, dim: int, like: Tensor) -> Tensor:
    """Return sine and cosine of n positions at dim / 2 wavelengths from 2 pi to 20000 pi, ``(position, dim)``."""
    at = torch.arange(n, device=like.device, dtype=torch.float32)[:, None]
    half = torch.arange(dim // 2, device=like.device, dtype=torch.float32)
    angle = at * torch.exp(-math.log(10000.0) * half / max(dim // 2 - 1, 1))
    return torch.cat([angle.sin(), angle.cos()], 1).to(like.dtype)


def build(
    classes: tuple[str, ...],
    *,
    dim: int = 96,
    hidden: int = 192,
    depth: int = 4,
    heads: int = 4,
    patch: int = 16,
    stride: int = 12,
    sample_rate: int = 16000,
    n_mels: int = 64,
    clip_s: float = 5.0,
    dropout: float = 0.1,
    seed: int = 0,
) -> AudioModel:
    """Return an untrained network.

    Parameters
    ----------
    classes : tuple of str
        Names of the output neurons.
    dim, hidden, depth, heads, patch, stride, n_mels : int
        See :class:`Size`.
    sample_rate : int
        In hertz; the STFT has windows of 64 ms and a hop of 20 ms.
    clip_s : float
        Seconds that one forward pass takes; longer clips are heard in windows, shorter ones padded.
    dropout : float
        In [0, 1).
    seed : int
        Of the initial weights.

    Examples
    --------
    >>> build(("dog", "rain"), depth=1)(torch.zeros(3, 1, 80000)).shape
    torch.Size([3, 2])
    """
    if not classes:
        raise InputError("a transformer needs the name of at least one class")
    size = Size(dim, hidden, depth, heads, patch, stride, n_mels)
    settings = mel_settings(sample_rate, n_mels)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = MelTransformer(len(classes), size, dropout)
    options = {"dim": dim, "hidden": hidden, "depth": depth, "heads": heads, "patch": patch, "stride": stride}
    sound = {"sample_rate": sample_rate, "n_mels": n_mels, "clip_s": clip_s}
    return AudioModel(
        LogMelFrontEnd(settings),
        net,
        sample_rate=sample_rate,
        classes=classes,
        clip_length=ClipLength(clip_s),
        spec="transformer",
        declared_layers=tuple(f"blocks.{i}{part}" for i in range(depth) for part in (".mlp.act", "")),
        geometry_rule=partial(geometry, settings, size),
        config={
            "architecture": "transformer",
            "options": {**options, **sound, "dropout": dropout, "seed": seed},
        },
    )


def geometry(
    settings: MelSettings, size: Size, layer: str, output_shape: tuple[int, ...], n_samples: int
) -> Geometry | None:
    """Return the grid of a layer of :class:`MelTransformer`; vectors stand for the whole input.

    Parameters
    ----------
    settings : MelSettings
        Of the front end.
    size : Size
        Of the network.
    layer, output_shape, n_samples
        As in :meth:`AudioModel.geometry`.
    """
    if len(output_shape) == 2:
        return Geometry.vector(n_samples / settings.sample_rate)
    patches = len(output_shape) == 4
    n_time = output_shape[3] if patches else output_shape[1] // size.n_rows
    if not patches and output_shape[1] != size.n_rows * n_time:
        return None
    hop_s, first_s = settings.stft.frame_times_s(settings.sample_rate)
    return Geometry(
        "BCFT" if patches else "BNC",
        n_frequency=size.n_rows,
        n_time=n_time,
        order="frequency-major",
        stride_s=size.stride * hop_s,
        offset_s=first_s + (size.patch - 1) / 2 * hop_s,
        frequency_hz=middles_hz(_tips_hz(settings), settings.scale, size.patch, size.stride),
    )


def _tips_hz(settings: MelSettings) -> tuple[float, ...]:
    return mel_scale.centres_hz(
        settings.n_mels, settings.sample_rate, settings.f_min, settings.f_max, scale=settings.scale
    )
