"""The VGG-like classifier of Listen to Interpret (L2I), under the names of its released files.

    10 log10 max(M |STFT|, 1e-10), at most 80 dB below the clip's loudest cell; 128 mel bands  (clip, 1, frame, mel)
    3x3 convolution, batch normalisation, ReLU, two after each other at widths w, 2w, 4w, 8w (``netx.layer11``), 16w
      (``netx.layer14``), one at 32w (``netx.layer16``), 2x2 maximum pooling after each width
    2x2 convolution without padding to 64w (``netx.layer18``), normalised and rectified
    1x1 convolution to 16w, ReLU (``layer``) -> maximum over both axes -> dropout -> ``fc``    logits (clip, class)

Published: w = 16, 44.1 kHz, Hann windows of 1,024 samples every 512, ``level="max"``; 4.7 million parameters (an
AudioSet head that it never uses, ``netx.layer19``, is left out). SONYC-UST's has ``head_neurons=512`` and dropout 0.15.
Frames are padded with zeros (``padding="constant"``); the authors' version of librosa padded by reflection
(``"reflect"``). The defaults are a CPU's: w = 8 at 16 kHz, windows of the same duration.

The layers that ``*`` means are the four maps that L2I's Psi may take: ``netx.layer11``, ``14``, ``16`` and ``18``.

Reference: J. Parekh et al. (2022), Listen to interpret: post-hoc interpretability for audio networks with NMF, NeurIPS,
section 4; the network is that of A. Kumar et al. (2018), Knowledge transfer from weakly labeled audio, ICASSP.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from otoscope.audio.mel import MelSettings, MelSpectrogram
from otoscope.audio.stft import StftSettings
from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError
from otoscope.models.audio_model import AudioModel
from otoscope.models.conv2d import heads_needed
from otoscope.models.geometry import Geometry
from otoscope.models.log_magnitude import N_FFT, LogMagnitude
from otoscope.models.rows import middles_hz

#: number of a layer -> multiple of the width; the numbers in between are poolings
CONVOLUTIONS = {1: 1, 2: 1, 4: 2, 5: 2, 7: 4, 8: 4, 10: 8, 11: 8, 13: 16, 14: 16, 16: 32, 18: 64}
POOLINGS = (3, 6, 9, 12, 15, 17)
HIDDEN = (11, 14, 16, 18)
#: added to squared magnitudes so that silence has a gradient; far below the logarithm's floor
SMALLEST = 1e-20
#: options of the published network for ESC-50
PUBLISHED = {"width": 16, "sample_rate": 44100, "level": "max"}
#: what :mod:`otoscope.models.train` takes for this network where its config does not say otherwise
RECIPE = {"epochs": 40, "learning_rate": 1e-3}
_LAYER = re.compile(r"^(?:netx\.layer(\d+)|layer)(?:\.\d)?$")


class Extractor(nn.Module):
    """The convolutions up to the last hidden map; maps ``(clip, neuron, frame, mel)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        before = 1
        for at in range(1, max(CONVOLUTIONS) + 1):
            if at in POOLINGS:
                self.add_module(f"layer{at}", nn.MaxPool2d(2))
                continue
            after, last = width * CONVOLUTIONS[at], at == max(CONVOLUTIONS)
            convolution = nn.Conv2d(before, after, 2 if last else 3, padding=0 if last else 1)
            self.add_module(f"layer{at}", nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU()))
            before = after

    def forward(self, maps: Tensor) -> Tensor:
        for layer in self.children():
            maps = layer(maps)
        return maps


class Vgg(nn.Module):
    """Features ``(clip, 1, frame, mel)`` to logits ``(clip, class)``."""

    head_name = "fc"

    def __init__(self, n_classes: int, width: int, head_neurons: int, dropout: float) -> None:
        super().__init__()
        self.netx = Extractor(width)
        self.layer = nn.Sequential(nn.Conv2d(width * CONVOLUTIONS[18], head_neurons, 1), nn.ReLU())
        self.fc = nn.Linear(head_neurons, n_classes)
        self.reg = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.fc(self.reg(self.embedding(features)))
        return logits

    def embedding(self, features: Tensor) -> Tensor:
        """Return what the last linear takes: the maximum over both axes ``(clip, neuron)``."""
        highest: Tensor = self.layer(self.netx(features)).amax((2, 3))
        return highest


def build(
    classes: tuple[str, ...],
    *,
    n_classes: int | None = None,
    width: int = 8,
    head_neurons: int | None = None,
    level: str = "none",
    padding: Literal["constant", "reflect"] = "constant",
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
        Output neurons where they have no names.
    width : int
        Neurons of the first convolution; published 16.
    head_neurons : int, optional
        Between the last map and the linear; None: 16 times the width.
    level : {"none", "peak", "max"}
        See :mod:`otoscope.models.log_magnitude`.
    padding : {"constant", "reflect"}
        Of the STFT.
    sample_rate : int
        In hertz.
    clip_s : float, optional
        Seconds that one forward pass takes; None: clips as they are.
    dropout : float
        In [0, 1).
    seed : int
        Of the initial weights.

    Examples
    --------
    >>> build(("dog", "rain"), width=2).eval()(torch.zeros(3, 1, 32000)).shape
    torch.Size([3, 2])
    """
    count = heads_needed("vgg", width, classes, n_classes)
    if not count:
        raise InputError("a vgg needs at least one output neuron")
    settings = mel_settings(sample_rate, padding)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = Vgg(count, width, head_neurons or 16 * width, dropout)
    options = {"n_classes": n_classes, "width": width, "head_neurons": head_neurons, "level": level}
    more = {"padding": padding, "sample_rate": sample_rate, "clip_s": clip_s}
    return AudioModel(
        LogMagnitude(settings, level, fewest=2 ** (len(POOLINGS) + 1)),
        net,
        sample_rate=sample_rate,
        classes=classes,
        clip_length=ClipLength(clip_s),
        spec="vgg",
        declared_layers=tuple(f"netx.layer{at}" for at in HIDDEN),
        geometry_rule=partial(geometry, settings),
        config={
            "architecture": "vgg",
            "options": {**options, **more, "dropout": dropout, "seed": seed},
        },
    )


def mel_settings(sample_rate: int, padding: Literal["constant", "reflect"] = "constant") -> MelSettings:
    """Return the front end's settings: 128 bands of windows of 23.2 ms every half, transforms of 1,024 samples."""
    hop = round(512 * sample_rate / 44100)
    frames = StftSettings(max(N_FFT, 2 * hop), hop, 2 * hop, pad_mode=padding)
    return MelSettings(
        sample_rate, frames, n_mels=128, power=1.0, eps=SMALLEST, compression="db", top_db=80.0
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
    inside = _LAYER.match(layer)
    if inside is None or len(output_shape) != 4:
        return None
    number = int(inside[1] or 18)
    step = 2 ** sum(one <= number for one in POOLINGS)
    joined = 2 * step if number == max(CONVOLUTIONS) else step
    hop_s, first_s = settings.stft.frame_times_s(settings.sample_rate)
    tips = MelSpectrogram(settings).frequency_hz
    return Geometry(
        "BCTF",
        n_frequency=output_shape[3],
        n_time=output_shape[2],
        stride_s=step * hop_s,
        offset_s=first_s + (joined - 1) / 2 * hop_s,
        frequency_hz=middles_hz(tips, settings.scale, joined, step)[: output_shape[3]],
    )
