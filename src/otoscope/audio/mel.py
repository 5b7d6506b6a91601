"""Log-mel spectrograms as a module: waveform ``(..., time)`` in, ``(..., mel, frame)`` out, differentiable.

    S = |STFT(x)| ^ power                    (eps added to the squared magnitude)
    M = filterbank @ S
    out = compress(M)

The window and the filterbank are buffers (moved by ``.to(device)``, not in the state dict: they follow from
the settings). ``from_magnitude`` enters after the STFT, so that a masked magnitude can be heard by a network
directly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from otoscope.audio.blockwise import blockwise
from otoscope.audio.mel_scale import Scale as Scale
from otoscope.audio.mel_scale import centres_hz as centres_hz
from otoscope.audio.mel_scale import filterbank as filterbank
from otoscope.audio.stft import StftSettings, magnitude, make_window, stft
from otoscope.errors import InputError, UnknownNameError

Compression = Literal["none", "db", "ln", "log10", "log1p"]
COMPRESSIONS: tuple[Compression, ...] = ("none", "db", "ln", "log10", "log1p")


@dataclass(frozen=True)
class MelSettings:
    """What a mel spectrogram is made of.

    Attributes
    ----------
    sample_rate : int
        In hertz.
    stft : StftSettings
        Frames and window; one-sided.
    n_mels : int
        Number of bands.
    f_min, f_max : float
        Outer edges in hertz; ``f_max=None`` means half the sample rate.
    scale : str
        Variant of the filterbank, see :mod:`otoscope.audio.mel_scale`.
    area_normalised : bool or None
        Area 1 instead of height 1; None = as is usual for the scale.
    power : float
        1 = magnitude, 2 = power.
    eps : float
        Added to the squared magnitude.
    compression : {"none", "db", "ln", "log10", "log1p"}
        Nothing, 10 log10, natural or decimal logarithm of max(M, floor), or ln(1 + M).
    floor : float
        Smallest value before a logarithm.
    top_db : float or None
        With ``db``: nothing lies further than this below the loudest cell of the same channel.
    """

    sample_rate: int
    stft: StftSettings
    n_mels: int
    f_min: float = 0.0
    f_max: float | None = None
    scale: Scale = "slaney"
    area_normalised: bool | None = None
    power: float = 2.0
    eps: float = 0.0
    compression: Compression = "db"
    floor: float = 1e-10
    top_db: float | None = None

    def __post_init__(self) -> None:
        """Refuse settings that contradict one another."""
        if self.compression not in COMPRESSIONS:
            raise UnknownNameError.of("compression", self.compression, COMPRESSIONS)
        if not self.stft.one_sided:
            raise InputError("a mel spectrogram needs a one-sided STFT")
        if self.top_db is not None and self.compression != "db":
            raise InputError(f"top_db needs compression='db', got {self.compression!r}")


PANNS_32K = MelSettings(32000, StftSettings(1024, 320, pad_mode="reflect"), n_mels=64, f_min=50, f_max=14000)
PANNS_16K = MelSettings(16000, StftSettings(512, 160, pad_mode="reflect"), n_mels=64, f_min=50, f_max=8000)
SPEECHBRAIN_ESC50 = MelSettings(
    16000,
    StftSettings(1024, 186, 372, window="hamming"),
    n_mels=80,
    scale="speechbrain",
    power=1.0,
    eps=1e-14,
    compression="log1p",
)


class MelSpectrogram(nn.Module):
    """A (log-)mel spectrogram with fixed window and filters.

    Parameters
    ----------
    settings : MelSettings
        What it is made of.

    Attributes
    ----------
    window : Tensor, shape (win_length,)
        Buffer.
    weights : Tensor, shape (mel, frequency)
        Buffer; a published network's own matrix may be copied into it.
    """

    window: Tensor
    weights: Tensor

    def __init__(self, settings: MelSettings) -> None:
        super().__init__()
        self.settings = settings
        weights = filterbank(
            settings.n_mels,
            settings.stft.n_fft,
            settings.sample_rate,
            settings.f_min,
            settings.f_max,
            scale=settings.scale,
            area_normalised=settings.area_normalised,
        )
        self.register_buffer("window", make_window(settings.stft), persistent=False)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the mel spectrogram ``(..., mel, frame)`` of a waveform ``(..., time)``."""
        return blockwise(self._transform, waveform)

    def _transform(self, waveform: Tensor) -> Tensor:
        settings = self.settings
        spectrum = stft(waveform, settings.stft, self.window.to(waveform.dtype))
        return self._bands(magnitude(spectrum, settings.power, settings.eps))

    def from_magnitude(self, magnitudes: Tensor) -> Tensor:
        """Return the mel spectrogram of an STFT magnitude ``(..., frequency, frame)``."""
        power = self.settings.power
        return self._bands(magnitudes if power == 1 else magnitudes**power)

    def _bands(self, powered: Tensor) -> Tensor:
        bands = torch.matmul(self.weights.to(powered.dtype), powered)
        return compress(bands, self.settings.compression, self.settings.floor, self.settings.top_db)

    @property
    def frequency_hz(self) -> tuple[float, ...]:
        """The tip of each band in hertz, lowest first."""
        s = self.settings
        return centres_hz(s.n_mels, s.sample_rate, s.f_min, s.f_max, scale=s.scale)


def compress(bands: Tensor, kind: str = "db", floor: float = 1e-10, top_db: float | None = None) -> Tensor:
    """Return bands on a logarithmic scale.

    Parameters
    ----------
    bands : Tensor, shape (..., mel, frame)
        Not negative.
    kind : {"none", "db", "ln", "log10", "log1p"}
        ``db`` is 10 log10: bands are taken as powers.
    floor : float
        Smallest value before a logarithm (not for ``log1p``).
    top_db : float or None
        With ``db``: largest distance below the loudest cell of the same (mel, frame) map.

    Returns
    -------
    Tensor, same shape
    """
    if kind not in COMPRESSIONS:
        raise UnknownNameError.of("compression", kind, COMPRESSIONS)
    if kind == "none":
        return bands
    if kind == "log1p":
        return bands.log1p()
    limited = bands.clamp_min(floor)
    if kind == "ln":
        return limited.log()
    scaled = limited.log10() * (10.0 if kind == "db" else 1.0)
    if top_db is None:
        return scaled
    return torch.maximum(scaled, scaled.amax((-2, -1), keepdim=True) - top_db)
