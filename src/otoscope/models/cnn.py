"""A compact convolutional network on log-mel spectrograms, trainable on a CPU.

    x (clip, channel, time) -> mean over channels -> STFT (Hann 1024, hop 320 at 16 kHz) -> power
      -> M mel bands -> y = ln(max(m, floor)) -> (y - mean) / std       per band, constants of the training set
    four blocks of   3x3 convolution, batch normalisation, ReLU, 2x2 mean pooling     widths w, 2w, 4w, 8w
    mean over frequency -> mean over time + max over time -> dropout -> linear          logits (clip, class)

With w = 32 and 10 classes: 390,890 parameters. The layers that ``*`` means are the four block outputs, maps
``(clip, neuron, frequency, frame)``. The STFT is centred, so frame m stands at m h seconds (h = hop / rate);
after k poolings position i joins frames i 2^k .. (i+1) 2^k - 1: stride 2^k h, offset (2^k - 1) h / 2; the same
holds for rows of mel bands, whose frequency is the middle of its bands in mel.

Reference for the pooling over time: Q. Kong et al. (2020), PANNs: large-scale pretrained audio neural
networks for audio pattern recognition, IEEE/ACM TASLP 28 (mean plus max). This network is far smaller.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from otoscope.audio import mel_scale
from otoscope.audio.mel import MelSettings, MelSpectrogram
from otoscope.audio.stft import StftSettings, magnitude, stft
from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry

N_BLOCKS = 4
FLOOR = 1e-6
_INSIDE = re.compile(r"^blocks(?:\.(\d+)(?:\.(\w+))?)?$")


class LogMelFrontEnd(nn.Module):
    """Standardised log-mel spectrograms.

    Parameters
    ----------
    settings : MelSettings
        What the spectrogram is made of; its compression is ``ln``.

    Attributes
    ----------
    mean, std : Tensor, shape (mel, 1)
        Buffers kept with the weights: subtracted from each band, and divided by.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: MelSettings) -> None:
        super().__init__()
        self.mel = MelSpectrogram(settings)
        self.register_buffer("mean", torch.zeros(settings.n_mels, 1))
        self.register_buffer("std", torch.ones(settings.n_mels, 1))

    @property
    def stft_settings(self) -> StftSettings:
        """Frames and window of the complex spectrogram whose magnitude :meth:`from_magnitude` takes."""
        return self.mel.settings.stft

    @property
    def description(self) -> dict[str, Any]:
        """What is computed, for the weights hash; the constants are weights."""
        return {"class": "LogMelFrontEnd", **asdict(self.mel.settings)}

    def forward(self, waveform: Tensor) -> Tensor:
        """Return features ``(clip, 1, mel, frame)`` of waveforms ``(clip, channel, time)``."""
        return self._standardised(self.mel(waveform.mean(1, keepdim=True)))

    def magnitude(self, waveform: Tensor) -> Tensor:
        """Return the magnitude spectrogram ``(clip, 1, frequency, frame)`` of waveforms."""
        return magnitude(stft(waveform.mean(1, keepdim=True), self.stft_settings))

    def from_magnitude(self, magnitudes: Tensor) -> Tensor:
        """Return features of a magnitude spectrogram ``(clip, 1, frequency, frame)``."""
        return self._standardised(self.mel.from_magnitude(magnitudes))

    def standardise_by(self, mean: Tensor, std: Tensor) -> None:
        """Set the constants: mean and standard deviation of each band ``(mel,)`` over a training set."""
        self.mean.copy_(mean[:, None])
        self.std.copy_(std.clamp_min(1e-3)[:, None])

    def _standardised(self, bands: Tensor) -> Tensor:
        return (bands - self.mean) / self.std


class MelCnn(nn.Module):
    """The blocks and the head; features ``(clip, 1, mel, frame)`` to logits ``(clip, class)``.

    Parameters
    ----------
    n_classes : int
        Output neurons.
    width : int
        Neurons of the first block.
    dropout : float
        Share of pooled values left out in training.
    """

    head_name = "head"

    def __init__(self, n_classes: int, width: int, dropout: float) -> None:
        super().__init__()
        widths = [1, *(width * 2**block for block in range(N_BLOCKS))]
        self.blocks = nn.Sequential(*(_block(before, after) for before, after in pairwise(widths)))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], n_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.dropout(self.embedding(features)))
        return logits

    def embedding(self, features: Tensor) -> Tensor:
        """Return what the head takes ``(clip, neuron)``."""
        frames = self.blocks(features).mean(2)  # (clip, neuron, frame)
        pooled: Tensor = frames.mean(2) + frames.amax(2)
        return pooled


def _block(before: int, after: int) -> nn.Sequential:
    parts: list[tuple[str, nn.Module]] = [
        ("conv", nn.Conv2d(before, after, 3, padding=1, bias=False)),
        ("norm", nn.BatchNorm2d(after)),
        ("act", nn.ReLU()),
        ("pool", nn.AvgPool2d(2, ceil_mode=True)),
    ]
    return nn.Sequential(OrderedDict(parts))


def build(
    classes: tuple[str, ...],
    *,
    width: int = 32,
    sample_rate: int = 16000,
    n_mels: int = 64,
    clip_s: float = 5.0,
    dropout: float = 0.2,
    seed: int = 0,
) -> AudioModel:
    """Return an untrained network.

    Parameters
    ----------
    classes : tuple of str
        Names of the output neurons.
    width : int
        Neurons of the first block; the next have 2, 4 and 8 times as many.
    sample_rate : int
        In hertz; the STFT has windows of 64 ms and a hop of 20 ms.
    n_mels : int
        Mel bands, at least 16 (they are halved four times).
    clip_s : float
        Seconds that one forward pass takes; longer clips are heard in windows, shorter ones padded.
    dropout : float
        In [0, 1).
    seed : int
        Of the initial weights.

    Examples
    --------
    >>> model = build(("dog", "rain"))
    >>> model(torch.zeros(3, 1, 80000)).shape
    torch.Size([3, 2])
    """
    if width < 1 or n_mels < 2**N_BLOCKS or not classes:
        raise InputError(
            f"a cnn needs width >= 1, at least {2**N_BLOCKS} mel bands and a class; got width {width}, "
            f"{n_mels} bands, {len(classes)} classes"
        )
    settings = mel_settings(sample_rate, n_mels)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = MelCnn(len(classes), width, dropout)
    options = {"width": width, "sample_rate": sample_rate, "n_mels": n_mels, "clip_s": clip_s}
    return AudioModel(
        LogMelFrontEnd(settings),
        net,
        sample_rate=sample_rate,
        classes=classes,
        clip_length=ClipLength(clip_s),
        spec="cnn",
        declared_layers=tuple(f"blocks.{block}" for block in range(N_BLOCKS)),
        geometry_rule=partial(geometry, settings),
        config={"architecture": "cnn", "options": {**options, "dropout": dropout, "seed": seed}},
    )


def mel_settings(sample_rate: int, n_mels: int) -> MelSettings:
    """Return the front end's settings: windows of 64 ms, a hop of 20 ms, bands from 40 Hz to half the rate."""
    window = sample_rate * 64 // 1000
    frames = StftSettings(window, window * 5 // 16)
    return MelSettings(sample_rate, frames, n_mels=n_mels, f_min=40.0, compression="ln", floor=FLOOR)


def geometry(
    settings: MelSettings, layer: str, output_shape: tuple[int, ...], n_samples: int
) -> Geometry | None:
    """Return the grid of a layer of :class:`MelCnn`: maps are exact, vectors stand for the whole input.

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
    poolings = int(inside[1] or N_BLOCKS - 1) + (inside[2] in (None, "pool"))
    hop_s, first_s = settings.stft.frame_times_s(settings.sample_rate)
    joined = 2**poolings
    return Geometry(
        "BCFT",
        n_frequency=output_shape[2],
        n_time=output_shape[3],
        stride_s=joined * hop_s,
        offset_s=first_s + (joined - 1) / 2 * hop_s,
        frequency_hz=_row_frequencies(settings, joined),
    )


def _row_frequencies(settings: MelSettings, joined: int) -> tuple[float, ...]:
    """Return the middle in mel of each run of ``joined`` bands, in hertz."""
    tips = mel_scale.centres_hz(
        settings.n_mels, settings.sample_rate, settings.f_min, settings.f_max, scale=settings.scale
    )
    mels = mel_scale.hz_to_mel(torch.tensor(tips, dtype=torch.float64), settings.scale)
    rows = torch.stack([mels[first : first + joined].mean() for first in range(0, len(mels), joined)])
    return tuple(mel_scale.mel_to_hz(rows, settings.scale).tolist())
