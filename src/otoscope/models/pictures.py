"""Networks for pictures that hear: a spectrogram as a square picture, time downwards, frequency across.

    ln(1 + |STFT|), linear frequency (:mod:`otoscope.models.log_magnitude`) -> bilinear resizing with antialiasing to
    side x side -> the same picture in all three colours -> backbone of transformers -> mean over its last positions
    -> head (:mod:`otoscope.models.heads`)                                         logits (clip, class)

No mean or deviation of photographs is taken off, as published. The backbones are :mod:`otoscope.models.focalnet` and
:mod:`otoscope.models.vit_image`; ``otoscope import-weights`` makes a folder of their released weights, from which
``otoscope train focalnet --from FOLDER`` trains on.

Row r of a grid of R rows stands at frame (r + 1/2) T / R - 1/2 of the T frames, and so do columns in bins. The layers
that ``*`` means are, block by block, the MLP's hidden neurons after their activation, FocalNet's modulator
(``modulation.projection_context``), and the block's output.

Reference: L. Della Libera, C. Subakan, M. Ravanelli (2024), Focal modulation networks for interpretable sound
classification, ICASSP workshops, and SpeechBrain's ESC-50 recipes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.audio.stft import StftSettings
from otoscope.audio.windows import ClipLength
from otoscope.models import heads
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.models.log_magnitude import LogMagnitude, bins_hz, speechbrain_stft

N_COLOURS = 3
_CHANNELS_LAST = re.compile(r"\.modulation(?:\.projection_(?:in|out|dropout))?$")
_BLOCK = re.compile(r"^backbone\.(?:encoder\.stages\.\d+\.)?layers\.\d+$")
_LISTENED = ("mlp.activation", "mlp.activation_fn", "modulation.projection_context")


class PictureFrontEnd(LogMagnitude):
    """Square pictures ``(clip, 1, row, column)`` of linear spectrograms, time downwards.

    Parameters
    ----------
    settings : StftSettings
        Of the spectrogram.
    side : int
        Rows and columns of the picture.
    level : {"none", "peak", "max"}
        What a waveform is divided by.
    """

    def __init__(self, settings: StftSettings, side: int, level: str) -> None:
        super().__init__(settings, level)
        self.side = side

    @property
    def description(self) -> dict[str, Any]:
        """What is computed, for the weights hash."""
        return {**super().description, "class": "PictureFrontEnd", "side": self.side}

    def from_magnitude(self, magnitudes: Tensor) -> Tensor:
        """Return pictures of a magnitude spectrogram ``(clip, 1, frequency, frame)``."""
        return picture(super().from_magnitude(magnitudes), self.side)


def picture(features: Tensor, side: int) -> Tensor:
    """Return features ``(clip, 1, frame, frequency)`` resized to ``(clip, 1, side, side)``.

    Examples
    --------
    >>> picture(torch.zeros(2, 1, 431, 513), 224).shape
    torch.Size([2, 1, 224, 224])
    """
    return functional.interpolate(
        features, (side, side), mode="bilinear", align_corners=False, antialias=True
    )


class PictureNet(nn.Module):
    """A backbone for pictures and a head; pictures ``(clip, 1, row, column)`` to logits ``(clip, class)``."""

    head_name = "head"

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    @property
    def config(self) -> Any:
        """The backbone's configuration."""
        return self.backbone.config

    def set_attn_implementation(self, name: str) -> None:
        """Choose how the backbone computes attention; ``eager`` lets its weights be seen."""
        self.backbone.set_attn_implementation(name)  # type: ignore[operator]

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.embedding(pictures))
        return logits

    def embedding(self, pictures: Tensor) -> Tensor:
        """Return what the head takes: the mean over the last positions ``(clip, neuron)``."""
        output = self.backbone(pixel_values=pictures.expand(-1, N_COLOURS, -1, -1), output_hidden_states=True)
        maps = getattr(output, "reshaped_hidden_states", None)  # FocalNet: stages before the final norm
        mean: Tensor = output.last_hidden_state.mean(1) if maps is None else maps[-1].mean((2, 3))
        return mean


def make(
    kind: str,
    classes: tuple[str, ...],
    count: int,
    backbone: Callable[[], nn.Module],
    dim: int,
    options: dict[str, Any],
    sound: dict[str, Any],
) -> AudioModel:
    """Return an untrained network.

    Parameters
    ----------
    kind : str
        The architecture.
    classes : tuple of str
        Names of the output neurons.
    count : int
        Output neurons.
    backbone : callable
        ``() -> module`` of transformers, called under the seed.
    dim : int
        Neurons that the head takes.
    options : dict
        The architecture's options; ``head``, ``scale``, ``side`` and ``level`` are used here.
    sound : dict
        ``sample_rate``, ``clip_s``, ``dropout`` and ``seed``.
    """
    settings = speechbrain_stft(sound["sample_rate"])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(sound["seed"])
        net = PictureNet(backbone(), heads.make(options["head"], dim, count, options["scale"]))
    return AudioModel(
        PictureFrontEnd(settings, options["side"], options["level"]),
        net,
        sample_rate=sound["sample_rate"],
        classes=classes,
        clip_length=ClipLength(sound["clip_s"]),
        spec=kind,
        declared_layers=_declared(net),
        geometry_rule=partial(geometry, settings, sound["sample_rate"]),
        has_logits=count > 0,
        config={"architecture": kind, "options": {**options, **sound}},
    )


def _declared(net: nn.Module) -> tuple[str, ...]:
    """Return the hidden layers, the modulators and the outputs of the blocks, block by block."""
    names = {name for name, _ in net.named_modules()}
    blocks = [name for name, _ in net.named_modules() if _BLOCK.match(name)]
    inside = [[f"{block}.{part}" for part in _LISTENED if f"{block}.{part}" in names] for block in blocks]
    return tuple(name for block, parts in zip(blocks, inside) for name in (*parts, block))


def geometry(
    settings: StftSettings, sample_rate: int, layer: str, output_shape: tuple[int, ...], n_samples: int
) -> Geometry | None:
    """Return the grid of a layer: the picture cut evenly; vectors stand for the whole input.

    Parameters
    ----------
    settings : StftSettings
        Of the spectrogram.
    sample_rate : int
        In hertz.
    layer, output_shape, n_samples
        As in :meth:`AudioModel.geometry`.
    """
    if len(output_shape) == 2:
        return Geometry.vector(n_samples / sample_rate)
    found = _axes(layer, output_shape)
    if found is None:
        return None
    axes, prefix, side = found
    hop_s, first_s = settings.frame_times_s(sample_rate)
    joined = settings.n_frames(n_samples) / side
    return Geometry(
        axes,
        n_prefix=prefix,
        n_frequency=side,
        n_time=side,
        order="time-major",
        stride_s=joined * hop_s,
        offset_s=first_s + (joined - 1) / 2 * hop_s,
        frequency_hz=bins_hz(settings, sample_rate, side, settings.n_frequencies / side),
    )


def _axes(layer: str, shape: tuple[int, ...]) -> tuple[str, int, int] | None:
    """Return the names of the axes, the special tokens, and the rows of the square grid."""
    if len(shape) == 4:
        last = _CHANNELS_LAST.search(layer) is not None
        rows, columns = shape[1:3] if last else shape[2:]
        return ("BTFC" if last else "BCTF", 0, rows) if rows == columns else None
    if len(shape) != 3:
        return None
    for prefix in (0, 1):
        side = math.isqrt(shape[1] - prefix)
        if side * side == shape[1] - prefix and side:
            return "BNC", prefix, side
    return None
