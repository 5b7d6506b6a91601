"""CLAP's audio tower (HTSAT) as a network that listens: front end, output, and where its tokens lie.

Front end, as ClapFeatureExtractor makes it, on torch, differentiable, for clips up to ``max_length_s`` (10 s; longer
ones are heard in windows of that length)::

    sound shorter than n samples: repeated a whole number of times, then zeros (the checkpoint may say otherwise)
    power spectrogram (periodic Hann, centred, reflected) -> mel bands -> 10 log10 max(m, 1e-10)

features ``(clip, channel, frame, mel)``; with HTK bands of height 1 and four equal channels for ``truncation =
fusion``, Slaney bands of area 1 otherwise. Equal to the extractor to 1e-4 wherever it draws nothing at random. *Not
drawn here*: its random crop of a longer clip, its three random crops for fusion, and the clip of a batch that it
declares longer at random when none is: no window is ever ``longer``, so a fused network hears its global branch.

Tokens: 1001 frames are stretched to 1024 (corner to corner), cut into ``spec_size / mel`` stretches of time, and
these are stacked along frequency to a square picture; a patch is 4 mel bands by 4 stretched frames, and every stage
joins 2 x 2. Hence :attr:`~otoscope.models.geometry.Geometry.n_folds`.

The output is the projected embedding, not normalised (a checkpoint without projection: the pooled last tokens).

Reference: Y. Wu et al. (2023), Large-scale contrastive language-audio pretraining with feature fusion and
keyword-to-caption augmentation, ICASSP; K. Chen et al. (2022), HTS-AT, ICASSP.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.audio.mel import MelSettings, MelSpectrogram, compress
from otoscope.audio.stft import StftSettings, magnitude, stft
from otoscope.errors import UnknownNameError
from otoscope.models.audio_model import Adapter, GeometryRule
from otoscope.models.geometry import Geometry
from otoscope.models.hf_front_ends import mono
from otoscope.models.rows import middles_hz

PADDINGS = ("repeatpad", "repeat", "pad")
CHANNELS_FUSED = 4
_STAGE = re.compile(r"(?:^|\.)audio_encoder\.layers\.(\d+)(?:\.(.+?))?(?:\[(\d)\])?$")
_WINDOWED = ("attention",)


class ClapFrontEnd(nn.Module):
    """Log-mel features ``(clip, channel, frame, mel)``.

    Parameters
    ----------
    extractor : object
        Settings of the checkpoint's feature extractor.
    """

    def __init__(self, extractor: Any) -> None:
        super().__init__()
        if extractor.padding not in PADDINGS:
            raise UnknownNameError.of("padding of a CLAP feature extractor", str(extractor.padding), PADDINGS)
        self.fused = extractor.truncation == "fusion"
        self.padding, self.n_samples = (
            extractor.padding,
            int(extractor.max_length_s * extractor.sampling_rate),
        )
        settings = MelSettings(
            int(extractor.sampling_rate),
            StftSettings(extractor.fft_window_size, extractor.hop_length, pad_mode="reflect"),
            n_mels=extractor.feature_size,
            f_min=float(extractor.frequency_min),
            f_max=float(extractor.frequency_max),
            scale="htk" if self.fused else "slaney",
        )
        self.mel = MelSpectrogram(settings)

    @property
    def stft_settings(self) -> StftSettings:
        """Frames and window of the complex spectrogram whose magnitude :meth:`from_magnitude` takes."""
        return self.mel.settings.stft

    @property
    def description(self) -> dict[str, Any]:
        """What is computed, for the weights hash."""
        fitted = {"n_samples": self.n_samples, "padding": self.padding, "fused": self.fused}
        return {"class": "ClapFrontEnd", **asdict(self.mel.settings), **fitted}

    def forward(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return features of waveforms ``(clip, channel, time)``, of which ``lengths`` samples are sound."""
        exact = waveform.dtype if waveform.device.type == "mps" else torch.float64
        spectrum = stft(self.fitted(waveform, lengths).to(exact), self.stft_settings)  # with an exact window
        bands = self.mel.weights.to(exact) @ magnitude(spectrum, power=2.0)
        return self._channels(compress(bands).to(waveform.dtype))

    def magnitude(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the magnitude spectrogram ``(clip, 1, frequency, frame)`` of the fitted sound."""
        return magnitude(stft(self.fitted(waveform, lengths), self.stft_settings))[:, None]

    def from_magnitude(self, magnitudes: Tensor) -> Tensor:
        """Return features of a magnitude spectrogram ``(clip, 1, frequency, frame)``."""
        return self._channels(self.mel.from_magnitude(magnitudes[:, 0]))

    def fitted(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return exactly ``n_samples`` of sound ``(clip, time)``: repeated, padded or cut."""
        sound = functional.pad(mono(waveform), (0, max(0, self.n_samples - waveform.shape[2])))[
            :, : self.n_samples
        ]
        whole = torch.full((len(sound),), waveform.shape[2], device=sound.device)
        length = (whole if lengths is None else lengths).clamp(1, self.n_samples)[:, None]  # (clip, 1)
        at = torch.arange(self.n_samples, device=sound.device)[None]
        if self.padding == "pad":
            return sound * (at < length)
        last = length * (self.n_samples // length) if self.padding == "repeatpad" else at + 1
        return sound.gather(1, at % length) * (at < last)

    def _channels(self, bands: Tensor) -> Tensor:
        features = bands.mT[:, None]  # (clip, 1, frame, mel)
        return features.expand(-1, CHANNELS_FUSED, -1, -1) if self.fused else features


class ClapTower(Adapter):
    """The audio tower, giving its embedding ``(clip, dimension)``."""

    def __init__(self, inner: nn.Module, fused: bool) -> None:
        super().__init__()
        self.inner, self.fused = inner, fused

    def forward(self, features: Tensor) -> Tensor:
        """Return the embedding of features of which no clip is longer than the network takes."""
        longer = (
            torch.zeros(len(features), 1, dtype=torch.bool, device=features.device) if self.fused else None
        )
        output = self.inner(input_features=features, is_longer=longer)
        embedding = getattr(output, "audio_embeds", None)
        pooled: Tensor = output.pooler_output if embedding is None else embedding
        return pooled


def folded_patches(config: Any, front_end: ClapFrontEnd) -> GeometryRule:
    """Return the rule of the tower: tokens of each stage, folded in time.

    Parameters
    ----------
    config : object
        The audio part of the checkpoint's configuration.
    front_end : ClapFrontEnd
        Its frames and bands are what patches are made of.
    """
    patch = config.patch_size if isinstance(config.patch_size, int) else config.patch_size[0]
    settings = front_end.mel.settings
    folds = config.spec_size // config.num_mel_bins
    frames = settings.stft.n_frames(front_end.n_samples)
    hop_s = settings.stft.hop_length / settings.sample_rate
    stretched = config.spec_size * folds
    column_s = hop_s * (frames - 1) / (stretched - 1) if frames < stretched else hop_s
    return partial(_folded, front_end, patch, folds, column_s, config.spec_size, len(config.depths))


def _folded(
    front_end: ClapFrontEnd,
    patch: int,
    folds: int,
    column_s: float,
    side: int,
    n_stages: int,
    layer: str,
    output_shape: tuple[int, ...],
    n_samples: int,
) -> Geometry | None:
    settings = front_end.mel.settings
    if len(output_shape) == 2:
        return Geometry.vector(n_samples / settings.sample_rate)
    depth = _depth(layer, n_stages)
    if depth is None:
        return None
    joined = patch * 2**depth
    across = side // joined  # patches along the picture's side
    axes = {3: "BNC", 4: "BCFT"}.get(len(output_shape), "")
    if axes == "" or output_shape[1 if axes == "BNC" else 2] != (across**2 if axes == "BNC" else across):
        return None
    return Geometry(
        axes,
        n_frequency=across // folds,
        n_time=across * folds,
        order="frequency-major",
        stride_s=joined * column_s,
        offset_s=(joined - 1) / 2 * column_s,
        frequency_hz=middles_hz(front_end.mel.frequency_hz, settings.scale, joined, joined),
        n_folds=folds,
    )


def _depth(layer: str, n_stages: int) -> int | None:
    """Return how often patches were joined before this output, None where it is no picture of the sound."""
    if re.search(r"(?:^|\.)audio_encoder\.patch_embed(?:\.proj|\.norm)?$", layer):
        return 0
    if re.search(r"(?:^|\.)audio_encoder\.norm$", layer):
        return n_stages - 1
    inside = _STAGE.search(layer)
    if inside is None:
        return None
    stage, part, selector = int(inside[1]), inside[2] or "", inside[3]
    if part.startswith("blocks."):
        windowed = any(word in part for word in _WINDOWED)
        return None if windowed else stage
    joined = (
        part == "downsample" or part.startswith("downsample.reduction") or (part == "" and selector == "0")
    )
    return stage + int(joined and stage < n_stages - 1) if joined or part == "" else None
