"""The Conv2D classifier of SpeechBrain's PIQ and L2I recipes, under the names of its released files.

    ln(1 + |STFT|), linear frequency (:mod:`otoscope.models.log_magnitude`)     (clip, 1, frame, frequency)
    four times   4x4 convolution of stride 2, batch normalisation, ReLU         (clip, neuron, frame, frequency)
    h + BN(1x1(ReLU(BN(3x3 h))))                                                hidden map ``encoder.resblock``
    mean over both axes -> head (:mod:`otoscope.models.heads`)                  logits (clip, class)

Published: width 256, 16 kHz, cosine head without scale (``head="cosine", scale="none"``), levels by the signed
maximum (``level="max"``); 3.8 million parameters. The defaults are a CPU's: width 16, learnt scale. A position of the
hidden map joins 16 frames and 16 bins; the layers that ``*`` means are the four activations and the hidden map.

Reference: C. Subakan et al. (2023), Posthoc interpretation via quantization (PIQ), and SpeechBrain's ESC-50 recipes.
"""

from __future__ import annotations

import re
from functools import partial

import torch
from torch import Tensor, nn

from otoscope.audio.stft import StftSettings
from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError
from otoscope.models import heads
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.models.log_magnitude import LogMagnitude, bins_hz, speechbrain_stft

N_STEPS = 4
#: options of the published network
PUBLISHED = {"width": 256, "scale": "none", "level": "max"}
#: what :mod:`otoscope.models.train` takes for this network where its config does not say otherwise
RECIPE = {"epochs": 40, "learning_rate": 1e-3}
_STEP = re.compile(r"^encoder\.(?:conv|bn|act)(\d)$")


class Residual(nn.Module):
    """``h + BN(1x1(ReLU(BN(3x3 h))))``, without a ReLU after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.BatchNorm2d(width),
        )

    def forward(self, maps: Tensor) -> Tensor:
        summed: Tensor = maps + self.block(maps)
        return summed


class Conv2dEncoder(nn.Module):
    """Four strided convolutions and a residual block; maps ``(clip, neuron, frame, frequency)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        for at in range(1, N_STEPS + 1):
            self.add_module(f"conv{at}", nn.Conv2d(1 if at == 1 else width, width, 4, stride=2, padding=1))
            self.add_module(f"bn{at}", nn.BatchNorm2d(width))
            self.add_module(f"act{at}", nn.ReLU())
        self.resblock = Residual(width)

    def forward(self, features: Tensor) -> Tensor:
        for at in range(1, N_STEPS + 1):
            for part in ("conv", "bn", "act"):
                features = self.get_submodule(f"{part}{at}")(features)
        hidden: Tensor = self.resblock(features)
        return hidden


class Conv2dClassifier(nn.Module):
    """Encoder and head; features ``(clip, 1, frame, frequency)`` to logits ``(clip, class)``."""

    head_name = "head"

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.embedding(features))
        return logits

    def embedding(self, features: Tensor) -> Tensor:
        """Return what the head takes: the mean of the hidden map ``(clip, neuron)``."""
        mean: Tensor = self.encoder(features).mean((2, 3))
        return mean


def build(
    classes: tuple[str, ...],
    *,
    n_classes: int | None = None,
    width: int = 16,
    head: str = "cosine",
    scale: str = "learnt",
    level: str = "none",
    sample_rate: int = 16000,
    clip_s: float | None = None,
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
        Neurons of every map; published 256.
    head : {"cosine", "linear"}
    scale : {"learnt", "none"}
        Of a cosine head.
    level : {"none", "peak", "max"}
        See :mod:`otoscope.models.log_magnitude`.
    sample_rate : int
        In hertz.
    clip_s : float, optional
        Seconds that one forward pass takes; None: clips as they are.
    seed : int
        Of the initial weights.

    Examples
    --------
    >>> build(("dog", "rain"), width=4).eval()(torch.zeros(3, 1, 16000)).shape
    torch.Size([3, 2])
    """
    count = heads_needed("conv2d", width, classes, n_classes)
    settings = speechbrain_stft(sample_rate)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = Conv2dClassifier(Conv2dEncoder(width), heads.make(head, width, count, scale))
        xavier(net.encoder)
    options = {"n_classes": n_classes, "width": width, "head": head, "scale": scale, "level": level}
    return AudioModel(
        LogMagnitude(settings, level, fewest=2**N_STEPS),
        net,
        sample_rate=sample_rate,
        classes=classes,
        clip_length=ClipLength(clip_s),
        spec="conv2d",
        declared_layers=(*(f"encoder.act{at}" for at in range(1, N_STEPS + 1)), "encoder.resblock"),
        geometry_rule=partial(geometry, settings, sample_rate),
        has_logits=count > 0,
        config={
            "architecture": "conv2d",
            "options": {**options, "sample_rate": sample_rate, "clip_s": clip_s, "seed": seed},
        },
    )


def heads_needed(kind: str, width: int, classes: tuple[str, ...], n_classes: int | None) -> int:
    """Return how many output neurons a network has; 0 where ``n_classes`` says so: an encoder without a head.

    Raises
    ------
    InputError
        If neither names nor their number is given, it has no width, or names and neurons differ in number.
    """
    count = len(classes) if n_classes is None else n_classes
    if width < 1 or count < 0 or (n_classes is None and not classes) or (classes and count != len(classes)):
        raise InputError(
            f"a {kind} needs width >= 1 and a class: width {width}, {len(classes)} names, {count} neurons"
        )
    return count


def xavier(module: nn.Module) -> None:
    """Draw Xavier weights and zero biases for every convolution inside."""
    for one in module.modules():
        if isinstance(one, nn.Conv2d):
            nn.init.xavier_uniform_(one.weight)
            if one.bias is not None:
                nn.init.zeros_(one.bias)


def geometry(
    settings: StftSettings, sample_rate: int, layer: str, output_shape: tuple[int, ...], n_samples: int
) -> Geometry | None:
    """Return the grid of a map: each step joins two frames and two bins; vectors stand for the whole input.

    Parameters
    ----------
    settings : StftSettings
        Of the front end.
    sample_rate : int
        In hertz.
    layer, output_shape, n_samples
        As in :meth:`AudioModel.geometry`.
    """
    if len(output_shape) == 2:
        return Geometry.vector(n_samples / sample_rate)
    if len(output_shape) != 4 or not layer.startswith("encoder"):
        return None
    inside = _STEP.match(layer)
    joined = 2 ** (int(inside[1]) if inside else N_STEPS)
    hop_s, first_s = settings.frame_times_s(sample_rate)
    return Geometry(
        "BCTF",
        n_frequency=output_shape[3],
        n_time=output_shape[2],
        stride_s=joined * hop_s,
        offset_s=first_s + (joined - 1) / 2 * hop_s,
        frequency_hz=bins_hz(settings, sample_rate, output_shape[3], joined),
    )
