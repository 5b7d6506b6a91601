"""PANNs' convolutional networks CNN14, CNN10 and CNN6, under the names of published checkpoints.

    power spectrogram (Hann) -> 64 mel bands (Slaney, area 1) -> 10 log10 max(m, 1e-10)     (clip, 1, frame, mel)
    bn0 over mel bands -> conv_block1, conv_block2 ...                                 (clip, neuron, frame, mel)
    mean over mel -> mean + max over frames -> fc1 -> ReLU -> fc_audioset                    logits (clip, class)

    ======  ==================================================  =======================
    CNN14   6 blocks of two 3x3 convolutions                    w, 2w, 4w, 8w, 16w, 32w
    CNN10   4 blocks of two 3x3 convolutions                    w, 2w, 4w, 8w
    CNN6    4 blocks of one 5x5 convolution                     w, 2w, 4w, 8w
    ======  ==================================================  =======================

with batch normalisation and ReLU after each convolution, and 2x2 mean pooling that drops an odd rest after each block
(but CNN14's sixth). Published networks have w = 64. Sounds are taken at 32, 16 or 8 kHz (:data:`FRONT_ENDS`); a
published checkpoint brings its own mel matrix, which is kept with the weights.

``panns:FILE`` opens a published checkpoint (``.pth``), ``panns:FOLDER`` one that ``otoscope import-weights`` or
``otoscope train cnn14`` wrote; ``?length_s=10`` hears clips in windows. The layers that ``*`` means are the block
outputs.

Reference: Q. Kong et al. (2020), PANNs: large-scale pretrained audio neural networks for audio pattern recognition,
IEEE/ACM TASLP 28, tables I and III. Logits here are before the sigmoid of its multi-label head.
"""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.audio.mel import MelSettings, MelSpectrogram
from otoscope.audio.stft import StftSettings, magnitude, stft
from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError, ModelError, UnknownNameError
from otoscope.models import folder
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.models.rows import middles_hz
from otoscope.models.spec_options import with_length

#: sample rate -> (samples of a window, hop, highest frequency in hertz)
FRONT_ENDS = {32000: (1024, 320, 14000.0), 16000: (512, 160, 8000.0), 8000: (256, 80, 4000.0)}
#: architecture -> (multiples of the width, kernels of a block's convolutions, whether the last block pools)
KINDS: dict[str, tuple[tuple[int, ...], tuple[int, ...], bool]] = {
    "cnn14": ((1, 2, 4, 8, 16, 32), (3, 3), False),
    "cnn10": ((1, 2, 4, 8), (3, 3), True),
    "cnn6": ((1, 2, 4, 8), (5,), True),
}
_INSIDE = re.compile(r"^conv_block(\d+)(?:\.(\w+))?$")


class PannsFrontEnd(nn.Module):
    """Log-mel features ``(clip, 1, frame, mel)`` in decibels.

    Parameters
    ----------
    settings : MelSettings
        What they are made of.
    fewest : int
        Frames that the network needs; shorter waveforms are padded with zeros.
    """

    feature_axes = "BCTF"

    def __init__(self, settings: MelSettings, fewest: int) -> None:
        super().__init__()
        self.mel, self.fewest = MelSpectrogram(settings), fewest
        self.mel.register_buffer(
            "weights", self.mel.weights
        )  # kept with the weights: a checkpoint has its own

    @property
    def stft_settings(self) -> StftSettings:
        """Frames and window of the complex spectrogram whose magnitude :meth:`from_magnitude` takes."""
        return self.mel.settings.stft

    @property
    def description(self) -> dict[str, Any]:
        """What is computed, for the weights hash."""
        return {"class": "PannsFrontEnd", **asdict(self.mel.settings)}

    def forward(self, waveform: Tensor) -> Tensor:
        """Return features of waveforms ``(clip, channel, time)``."""
        bands: Tensor = self.mel(self._mono(waveform))
        return bands.mT

    def magnitude(self, waveform: Tensor) -> Tensor:
        """Return the magnitude spectrogram ``(clip, 1, frequency, frame)`` of waveforms."""
        return magnitude(stft(self._mono(waveform), self.stft_settings))

    def from_magnitude(self, magnitudes: Tensor) -> Tensor:
        """Return features of a magnitude spectrogram ``(clip, 1, frequency, frame)``."""
        return self.mel.from_magnitude(magnitudes).mT

    def _mono(self, waveform: Tensor) -> Tensor:
        sound = waveform.mean(1, keepdim=True)
        needed = self.fewest * self.stft_settings.hop_length
        return functional.pad(sound, (0, max(0, needed - sound.shape[2])))


class ConvBlock(nn.Module):
    """Convolutions, each normalised and rectified, then mean pooling; maps ``(clip, neuron, frame, mel)``."""

    def __init__(self, before: int, after: int, kernels: tuple[int, ...], pooled: bool) -> None:
        super().__init__()
        self.depth = len(kernels)
        for at, kernel in enumerate(kernels, 1):
            convolution = nn.Conv2d(
                before if at == 1 else after, after, kernel, padding=kernel // 2, bias=False
            )
            nn.init.xavier_uniform_(convolution.weight)
            self.add_module(f"conv{at}", convolution)
            self.add_module(f"bn{at}", nn.BatchNorm2d(after))
            self.add_module(f"act{at}", nn.ReLU())
        self.pool = nn.AvgPool2d(2 if pooled else 1)

    def forward(self, maps: Tensor) -> Tensor:
        for at in range(1, self.depth + 1):
            for part in ("conv", "bn", "act"):
                maps = self.get_submodule(f"{part}{at}")(maps)
        pooled: Tensor = self.pool(maps)
        return pooled


class Panns(nn.Module):
    """Blocks and head; features ``(clip, 1, frame, mel)`` to logits ``(clip, class)``.

    Parameters
    ----------
    n_classes : int
        Output neurons.
    widths : tuple of int
        Neurons of each block.
    kernels : tuple of int
        Of a block's convolutions.
    last_pools : bool
        Whether the last block pools.
    n_mels : int
        Mel bands.
    dropout, head_dropout : float
        Shares left out in training, after each block and before each linear of the head.
    """

    head_name = "fc_audioset"

    def __init__(
        self,
        n_classes: int,
        widths: tuple[int, ...],
        kernels: tuple[int, ...],
        last_pools: bool,
        n_mels: int = 64,
        dropout: float = 0.2,
        head_dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(n_mels)
        self.n_blocks = len(widths)
        for at, (before, after) in enumerate(pairwise((1, *widths)), 1):
            block = ConvBlock(before, after, kernels, pooled=last_pools or at < len(widths))
            self.add_module(f"conv_block{at}", block)
        self.dropout, self.head_dropout = nn.Dropout(dropout), nn.Dropout(head_dropout)
        self.fc1, self.fc1_act = nn.Linear(widths[-1], widths[-1]), nn.ReLU()
        self.fc_audioset = nn.Linear(widths[-1], n_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.fc_audioset(self.head_dropout(self.embedding(features)))
        return logits

    def embedding(self, features: Tensor) -> Tensor:
        """Return what the last linear takes ``(clip, neuron)``."""
        maps = self.bn0(features.transpose(1, 3)).transpose(1, 3)
        for at in range(1, self.n_blocks + 1):
            maps = self.dropout(self.get_submodule(f"conv_block{at}")(maps))
        frames = maps.mean(3)  # (clip, neuron, frame)
        pooled = self.head_dropout(frames.amax(2) + frames.mean(2))
        embedding: Tensor = self.fc1_act(self.fc1(pooled))
        return embedding


def load(rest: str, device: str = "cpu") -> AudioModel:
    """Return the network in ``FILE_OR_FOLDER[?length_s=...]``, in evaluation mode, on ``device``.

    Raises
    ------
    InputError
        If the file does not exist or is none of these networks, or an option is unknown.
    FormatError
        If it cannot be read.
    ModelError
        If its keys are not exactly those of a network, or a folder holds another one.
    """
    from otoscope.models.published import open_published

    name, length_s = with_length("panns", rest)
    model = folder.load(name) if Path(name).is_dir() else open_published(name, ("panns",))
    if model.config["architecture"] not in KINDS:
        raise ModelError(
            f"{name} holds a {model.config['architecture']}, none of {', '.join(KINDS)}: open it without 'panns:'"
        )
    if length_s is not None:
        model.clip_length = replace(model.clip_length, length_s=length_s)
    return model.to(device).eval()


def build(
    kind: str,
    classes: tuple[str, ...],
    *,
    n_classes: int | None = None,
    width: int = 64,
    sample_rate: int = 32000,
    clip_s: float | None = None,
    dropout: float = 0.2,
    head_dropout: float = 0.5,
    seed: int = 0,
) -> AudioModel:
    """Return an untrained network.

    Parameters
    ----------
    kind : {"cnn14", "cnn10", "cnn6"}
        The architecture.
    classes : tuple of str
        Names of the output neurons.
    n_classes : int, optional
        Output neurons where they have no names.
    width : int
        Neurons of the first block; published networks have 64.
    sample_rate : {32000, 16000, 8000}
        In hertz.
    clip_s : float, optional
        Seconds that one forward pass takes; None: clips as they are.
    dropout, head_dropout : float
        In [0, 1).
    seed : int
        Of the initial weights.

    Examples
    --------
    >>> build("cnn6", ("dog", "rain"), width=4)(torch.zeros(3, 1, 32000)).shape
    torch.Size([3, 2])
    """
    multiples, kernels, last_pools = KINDS[kind]
    count = len(classes) if n_classes is None else n_classes
    if width < 1 or count < 1 or (classes and count != len(classes)):
        raise InputError(
            f"a {kind} needs width >= 1 and a class: width {width}, {len(classes)} names, {count} neurons"
        )
    settings = mel_settings(sample_rate)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        widths = tuple(width * one for one in multiples)
        net = Panns(count, widths, kernels, last_pools, settings.n_mels, dropout, head_dropout)
    options = {"n_classes": n_classes, "width": width, "sample_rate": sample_rate, "clip_s": clip_s}
    return AudioModel(
        PannsFrontEnd(settings, 2 ** len(multiples)),
        net,
        sample_rate=sample_rate,
        classes=classes,
        clip_length=ClipLength(clip_s),
        spec=kind,
        declared_layers=tuple(f"conv_block{at}" for at in range(1, len(multiples) + 1)),
        geometry_rule=partial(geometry, settings, len(multiples), last_pools),
        config={
            "architecture": kind,
            "options": {**options, "dropout": dropout, "head_dropout": head_dropout, "seed": seed},
        },
    )


#: the three architectures of ``otoscope train``: ``(classes, **options) -> AudioModel``
build_cnn14, build_cnn10, build_cnn6 = (partial(build, kind) for kind in KINDS)


def mel_settings(sample_rate: int) -> MelSettings:
    """Return the front end's settings at one of the published rates."""
    if sample_rate not in FRONT_ENDS:
        raise UnknownNameError.of("sample rate of PANNs", str(sample_rate), map(str, FRONT_ENDS))
    window, hop, f_max = FRONT_ENDS[sample_rate]
    frames = StftSettings(window, hop, pad_mode="reflect")
    return MelSettings(sample_rate, frames, n_mels=64, f_min=50.0, f_max=f_max)


def geometry(
    settings: MelSettings,
    n_blocks: int,
    last_pools: bool,
    layer: str,
    output_shape: tuple[int, ...],
    n_samples: int,
) -> Geometry | None:
    """Return the grid of a layer of :class:`Panns`: maps are exact, vectors stand for the whole input.

    Parameters
    ----------
    settings : MelSettings
        Of the front end.
    n_blocks : int
        Blocks of the network.
    last_pools : bool
        Whether the last one pools.
    layer, output_shape, n_samples
        As in :meth:`AudioModel.geometry`.
    """
    if len(output_shape) == 2:
        return Geometry.vector(n_samples / settings.sample_rate)
    inside = _INSIDE.match(layer)
    if inside is None or len(output_shape) != 4:
        return None
    block = int(inside[1])
    own = inside[2] in (None, "pool") and (last_pools or block < n_blocks)
    joined = 2 ** (block - 1 + own)
    hop_s, first_s = settings.stft.frame_times_s(settings.sample_rate)
    tips = MelSpectrogram(settings).frequency_hz
    return Geometry(
        "BCTF",
        n_frequency=output_shape[3],
        n_time=output_shape[2],
        stride_s=joined * hop_s,
        offset_s=first_s + (joined - 1) / 2 * hop_s,
        frequency_hz=middles_hz(tips, settings.scale, joined, joined),
    )
