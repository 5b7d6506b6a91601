"""M2D's network: ``m2d:FILE_OR_FOLDER``, or with labels the architecture ``vit`` of ``otoscope train``.

    power spectrogram (Hann 25 ms, hop 10 ms, reflect) -> 80 mel bands, 50 Hz to half the rate (Slaney, area 1)
      -> y = ln(m + eps), eps = 1.19e-7 -> (y - mean) / std, two numbers for all bands      (clip, 1, mel, frame)

then :mod:`otoscope.models.vit`. FILE is a released checkpoint (``.pth``: the encoder alone, or everything that the
pre-training kept), FOLDER its unpacked release or what ``otoscope import-weights`` or ``otoscope train vit`` wrote.
Clips are heard whole, in units of 6.08 s that do not hear one another; ``m2d:FILE?length_s=5`` hears windows instead.
An encoder has no classes: its output is the embedding, 3840 numbers in the published size.

A supervised network learns its mean and std from the training clips. Where AAPE's evaluation pads clips with zeros to
a task's length, padding is heard here only if ``length_s`` asks for it.

Reference: D. Niizumi et al. (2023), Masked Modeling Duo, ICASSP, section 3; constants of the 2022 weights: mean -7.1,
std 4.2.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.audio.mel import MelSettings, MelSpectrogram
from otoscope.audio.stft import StftSettings, magnitude, stft
from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError, ModelError
from otoscope.models import folder
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.models.rows import middles_hz
from otoscope.models.spec_options import with_length
from otoscope.models.vit import Size, VisionTransformer

MEAN, STD = -7.1, 4.2
EPS = torch.finfo(torch.float32).eps
#: sizes of the published networks
PUBLISHED = {"dim": 768, "hidden": 3072, "depth": 12, "heads": 12}
#: what :mod:`otoscope.models.train` takes for this network where its config does not say otherwise
RECIPE = {"epochs": 80, "learning_rate": 1e-3, "weight_decay": 0.05}


class M2dFrontEnd(nn.Module):
    """Standardised log-mel spectrograms ``(clip, 1, mel, frame)``.

    Parameters
    ----------
    settings : MelSettings
        Uncompressed.

    Attributes
    ----------
    mean, std : Tensor, shape ()
        Buffers kept with the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: MelSettings) -> None:
        super().__init__()
        self.mel = MelSpectrogram(settings)
        self.register_buffer("mean", torch.tensor(MEAN))
        self.register_buffer("std", torch.tensor(STD))

    @property
    def stft_settings(self) -> StftSettings:
        """Frames and window of the complex spectrogram whose magnitude :meth:`from_magnitude` takes."""
        return self.mel.settings.stft

    @property
    def description(self) -> dict[str, Any]:
        """What is computed, for the weights hash; the constants are weights."""
        return {"class": "M2dFrontEnd", **asdict(self.mel.settings), "eps": EPS}

    def forward(self, waveform: Tensor) -> Tensor:
        """Return features of waveforms ``(clip, channel, time)``."""
        return self._standardised(self.mel(self._mono(waveform)))

    def magnitude(self, waveform: Tensor) -> Tensor:
        """Return the magnitude spectrogram ``(clip, 1, frequency, frame)`` of waveforms."""
        return magnitude(stft(self._mono(waveform), self.stft_settings))

    def from_magnitude(self, magnitudes: Tensor) -> Tensor:
        """Return features of a magnitude spectrogram ``(clip, 1, frequency, frame)``."""
        return self._standardised(self.mel.from_magnitude(magnitudes))

    def standardise_by(self, mean: Tensor, std: Tensor) -> None:
        """Set the two constants from the means and standard deviations of the bands ``(mel,)``.

        They are those of all bands together, in the scale before the present constants.
        """
        present_mean, present_std = self.mean.to(mean), self.std.to(std)
        means, stds = mean * present_std + present_mean, std * present_std
        centre = means.mean()
        spread = (stds.square() + (means - centre).square()).mean().sqrt()
        self.mean.copy_(centre)
        self.std.copy_(spread.clamp_min(1e-3))

    def _standardised(self, bands: Tensor) -> Tensor:
        return ((bands + EPS).log() - self.mean) / self.std

    def _mono(self, waveform: Tensor) -> Tensor:
        sound = waveform.mean(1, keepdim=True)
        return functional.pad(sound, (0, max(0, self.stft_settings.n_fft - sound.shape[2])))


def mel_settings(sample_rate: int = 16000, n_mels: int = 80) -> MelSettings:
    """Return the front end's settings: windows of 25 ms, a hop of 10 ms, bands from 50 Hz to half the rate."""
    frames = StftSettings(sample_rate * 25 // 1000, sample_rate // 100, pad_mode="reflect")
    return MelSettings(sample_rate, frames, n_mels=n_mels, f_min=50.0, compression="none")


def load(rest: str, device: str = "cpu") -> AudioModel:
    """Return the network in ``FILE_OR_FOLDER[?length_s=...]``, in evaluation mode, on ``device``.

    Raises
    ------
    InputError
        If the file does not exist or is no such network, a folder holds no checkpoint or several, or an option is
        unknown.
    FormatError
        If it cannot be read.
    ModelError
        If its keys are not exactly those of the network, or a folder holds another one.
    """
    from otoscope.models.published import open_published

    name, length_s = with_length("m2d", rest)
    ours = (Path(name) / folder.MANIFEST).is_file()
    model = folder.load(name) if ours else open_published(_checkpoint(name), ("m2d",))
    if model.config["architecture"] != "vit":
        raise ModelError(f"{name} holds a {model.config['architecture']}, not a vit: open it without 'm2d:'")
    if length_s is not None:
        model.clip_length = replace(model.clip_length, length_s=length_s)
    return model.to(device).eval()


def _checkpoint(name: str) -> Path:
    """Return the file itself, or the one checkpoint in an unpacked release."""
    path = Path(name).expanduser()
    if not path.is_dir():
        return path
    found = sorted(one for one in path.rglob("*.pth"))
    if len(found) != 1:
        raise InputError(
            f"{name} holds {len(found)} files that end in .pth{': ' if found else ''}"
            f"{', '.join(one.name for one in found[:4])}: name the checkpoint itself"
        )
    return found[0]


def build(
    classes: tuple[str, ...],
    *,
    n_classes: int | None = None,
    dim: int = 96,
    hidden: int = 192,
    depth: int = 4,
    heads: int = 4,
    patch_frequency: int = 16,
    patch_time: int = 16,
    n_mels: int = 80,
    unit_frames: int = 608,
    pooling: str = "frames",
    sample_rate: int = 16000,
    clip_s: float | None = None,
    dropout: float = 0.1,
    seed: int = 0,
) -> AudioModel:
    """Return an untrained network.

    Parameters
    ----------
    classes : tuple of str
        Names of the output neurons.
    n_classes : int, optional
        Output neurons where they have no names; 0, or no classes either: an encoder without a head.
    dim, hidden, depth, heads, patch_frequency, patch_time, n_mels, unit_frames
        See :class:`otoscope.models.vit.Size`; the published size is :data:`PUBLISHED`.
    pooling : {"frames", "tokens", "cls"}
        How tokens become the embedding, which the head takes.
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
    >>> build(("dog", "rain"), depth=1)(torch.zeros(3, 1, 80000)).shape
    torch.Size([3, 2])
    """
    count = len(classes) if n_classes is None else n_classes
    if count < 0 or (classes and count != len(classes)):
        raise InputError(f"{len(classes)} class names for {count} output neurons")
    size = Size(dim, hidden, depth, heads, patch_frequency, patch_time, n_mels, unit_frames)
    settings = mel_settings(sample_rate, n_mels)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = VisionTransformer(count, size, pooling, dropout)
    options: dict[str, Any] = {"n_classes": n_classes, **asdict(size), "pooling": pooling}
    sound = {"sample_rate": sample_rate, "clip_s": clip_s, "dropout": dropout, "seed": seed}
    return AudioModel(
        M2dFrontEnd(settings),
        net,
        sample_rate=sample_rate,
        classes=classes,
        clip_length=ClipLength(clip_s),
        spec="vit",
        declared_layers=tuple(f"blocks.{i}{part}" for i in range(depth) for part in (".mlp.act", "")),
        geometry_rule=partial(geometry, settings, size),
        has_logits=count > 0,
        config={"architecture": "vit", "options": {**options, **sound}},
    )


def geometry(
    settings: MelSettings, size: Size, layer: str, output_shape: tuple[int, ...], n_samples: int
) -> Geometry | None:
    """Return the grid of a layer: a class token for each unit, then rows of patches with frequency outermost.

    Parameters
    ----------
    settings : MelSettings
        Of the front end.
    size : Size
        Of the network.
    layer, output_shape, n_samples
        As in :meth:`AudioModel.geometry`; vectors stand for the whole input.
    """
    if len(output_shape) == 2:
        return Geometry.vector(n_samples / settings.sample_rate)
    n_frames = settings.stft.n_frames(max(n_samples, settings.stft.n_fft))
    columns, n_units = size.grid(n_frames)
    patches = len(output_shape) == 4
    prefix = 0 if patches else output_shape[1] - size.n_rows * columns
    if (patches and output_shape[2:] != (size.n_rows, columns)) or prefix not in (0, n_units):
        return None
    hop_s, first_s = settings.stft.frame_times_s(settings.sample_rate)
    return Geometry(
        "BCFT" if patches else "BNC",
        n_prefix=prefix,
        n_frequency=size.n_rows,
        n_time=columns,
        order="frequency-major",
        stride_s=size.patch_time * hop_s,
        offset_s=first_s + (size.patch_time - 1) / 2 * hop_s,
        frequency_hz=middles_hz(
            MelSpectrogram(settings).frequency_hz, settings.scale, size.patch_frequency, size.patch_frequency
        ),
    )
