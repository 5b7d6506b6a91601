"""CNN14 as SpeechBrain's ESC-50 recipes have it, under the names of its released files: L-MAC's and L2I's classifier.

    ln(1 + M |STFT|), 80 mel bands (:mod:`otoscope.models.log_magnitude`)           (clip, 1, frame, mel)
    norm0 over mel bands -> conv_block1 .. conv_block6                             (clip, neuron, frame, mel)
    mean over mel -> maximum + mean over frames                                    embedding, 32 w neurons
    head: linear, or cosine (:mod:`otoscope.models.heads`)                         logits (clip, class)

Blocks are two 3x3 convolutions, each normalised and rectified, then 2x2 mean pooling that drops an odd rest (the sixth
does not pool); widths w .. 32 w. Published: w = 64, 16 kHz, linear head, ``level="max"``; 75 million parameters. The
default is a CPU's w = 8. Unlike PANNs' CNN14 there is no layer between pooling and head. ``norm="ln"`` is a group
normalisation with one group; published files of kind ``in`` have the keys and, in evaluation, the numbers of ``bn``.

The layers that ``*`` means are the block outputs; ``encoder.conv_block6, 5, 4, 3`` are what the decoders of L-MAC and
L2I take, deepest first.

Reference: Q. Kong et al. (2020), PANNs, IEEE/ACM TASLP 28; F. Paissan et al. (2024), Listenable maps for audio
classifiers, ICML; SpeechBrain's ESC-50 recipes.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from otoscope.audio.mel import MelSettings, MelSpectrogram
from otoscope.audio.windows import ClipLength
from otoscope.errors import UnknownNameError
from otoscope.models import heads
from otoscope.models.audio_model import AudioModel
from otoscope.models.conv2d import Conv2dClassifier, heads_needed, xavier
from otoscope.models.geometry import Geometry
from otoscope.models.log_magnitude import LogMagnitude, speechbrain_mel
from otoscope.models.rows import middles_hz

MULTIPLES = (1, 2, 4, 8, 16, 32)
NORMS = ("bn", "ln")
#: options of the published network
PUBLISHED = {"width": 64, "level": "max"}
#: what :mod:`otoscope.models.train` takes for this network where its config does not say otherwise
RECIPE = {"epochs": 40, "learning_rate": 1e-3}
_INSIDE = re.compile(r"^encoder\.conv_block(\d)(?:\.(\w+))?$")


def _norm(kind: str, neurons: int) -> nn.Module:
    return nn.BatchNorm2d(neurons) if kind == "bn" else nn.GroupNorm(1, neurons)


class ConvBlock(nn.Module):
    """Two convolutions, each normalised and rectified, then mean pooling."""

    def __init__(self, before: int, after: int, norm: str, pooled: bool) -> None:
        super().__init__()
        for at, inside in enumerate((before, after), 1):
            self.add_module(f"conv{at}", nn.Conv2d(inside, after, 3, padding=1, bias=False))
            self.add_module(f"norm{at}", _norm(norm, after))
            self.add_module(f"act{at}", nn.ReLU())
        self.pool = nn.AvgPool2d(2 if pooled else 1)

    def forward(self, maps: Tensor) -> Tensor:
        for at in (1, 2):
            for part in ("conv", "norm", "act"):
                maps = self.get_submodule(f"{part}{at}")(maps)
        pooled: Tensor = self.pool(maps)
        return pooled


class Cnn14Encoder(nn.Module):
    """Blocks with dropout between them; maps ``(clip, neuron, frame, mel)``."""

    def __init__(self, widths: tuple[int, ...], n_mels: int, norm: str, dropout: float) -> None:
        super().__init__()
        self.n_blocks = len(widths)
        self.norm0 = _norm(norm, n_mels)
        for at, (before, after) in enumerate(pairwise((1, *widths)), 1):
            self.add_module(f"conv_block{at}", ConvBlock(before, after, norm, pooled=at < len(widths)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        maps: Tensor = self.norm0(features.transpose(1, 3)).transpose(1, 3)
        for at in range(1, self.n_blocks + 1):
            maps = self.dropout(self.get_submodule(f"conv_block{at}")(maps))
        return maps


class Cnn14Classifier(Conv2dClassifier):
    """Encoder and head; features ``(clip, 1, frame, mel)`` to logits ``(clip, class)``."""

    def embedding(self, features: Tensor) -> Tensor:
        """Return what the head takes: mean over mel, then maximum plus mean over frames, ``(clip, neuron)``."""
        frames = self.encoder(features).mean(3)
        pooled: Tensor = frames.amax(2) + frames.mean(2)
        return pooled


def build(
    classes: tuple[str, ...],
    *,
    n_classes: int | None = None,
    width: int = 8,
    head: str = "linear",
    scale: str = "learnt",
    level: str = "none",
    norm: str = "bn",
    n_mels: int = 80,
    sample_rate: int = 16000,
    clip_s: float | None = None,
    dropout: float = 0.2,
    seed: int = 0,
) -> AudioModel:
    """Return an untrained network.

    Parameters
    ----------
    classes : tuple of str
        Names of the output neurons.
    n_classes : int, optional
        Output neurons where they have no names; 0: an encoder, whose output is the embedding.
    width : int
        Neurons of the first block; published 64.
    head : {"linear", "cosine"}
    scale : {"learnt", "none"}
        Of a cosine head.
    level : {"none", "peak", "max"}
        See :mod:`otoscope.models.log_magnitude`.
    norm : {"bn", "ln"}
        Batch normalisation, or one group for all neurons.
    n_mels : int
        Mel bands.
    sample_rate : int
        In hertz.
    clip_s : float, optional
        Seconds that one forward pass takes; None: clips as they are.
    dropout : float
        After each block, in [0, 1).
    seed : int
        Of the initial weights.

    Examples
    --------
    >>> build(("dog", "rain"), width=2).eval()(torch.zeros(3, 1, 16000)).shape
    torch.Size([3, 2])
    """
    count = heads_needed("cnn14-speechbrain", width, classes, n_classes)
    if norm not in NORMS:
        raise UnknownNameError.of("norm", norm, NORMS)
    settings = speechbrain_mel(sample_rate, n_mels)
    widths = tuple(width * one for one in MULTIPLES)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        encoder = Cnn14Encoder(widths, n_mels, norm, dropout)
        net = Cnn14Classifier(encoder, heads.make(head, widths[-1], count, scale))
        xavier(encoder)
    options = {"n_classes": n_classes, "width": width, "head": head, "scale": scale, "level": level}
    more = {"norm": norm, "n_mels": n_mels, "sample_rate": sample_rate, "clip_s": clip_s}
    return AudioModel(
        LogMagnitude(settings, level, fewest=2 ** len(widths)),
        net,
        sample_rate=sample_rate,
        classes=classes,
        clip_length=ClipLength(clip_s),
        spec="cnn14-speechbrain",
        declared_layers=tuple(f"encoder.conv_block{at}" for at in range(1, len(widths) + 1)),
        geometry_rule=partial(geometry, settings),
        has_logits=count > 0,
        config={
            "architecture": "cnn14-speechbrain",
            "options": {**options, **more, "dropout": dropout, "seed": seed},
        },
    )


def geometry(
    settings: MelSettings, layer: str, output_shape: tuple[int, ...], n_samples: int
) -> Geometry | None:
    """Return the grid of a map: each pooling joins two frames and two bands; vectors stand for the whole input.

    Parameters
    ----------
    settings : MelSettings
        Of the front end.
    layer, output_shape, n_samples
        As in :meth:`AudioModel.geometry`.
    """
    if len(output_shape) == 2:
        return Geometry.vector(n_samples / settings.sample_rate)
    inside = _INSIDE.match(layer)
    if inside is None or len(output_shape) != 4:
        return None
    block = int(inside[1])
    joined = 2 ** (block - 1 + (inside[2] in (None, "pool") and block < len(MULTIPLES)))
    hop_s, first_s = settings.stft.frame_times_s(settings.sample_rate)
    return Geometry(
        "BCTF",
        n_frequency=output_shape[3],
        n_time=output_shape[2],
        stride_s=joined * hop_s,
        offset_s=first_s + (joined - 1) / 2 * hop_s,
        frequency_hz=middles_hz(MelSpectrogram(settings).frequency_hz, settings.scale, joined, joined),
    )
