"""Logarithmic magnitude spectrograms, linear or in mel bands: what SpeechBrain's ESC-50 classifiers and L2I's take.

    x (clip, channel, time) -> mean over channels -> level -> STFT -> |X| = (re^2 + im^2 + eps)^(1/2)
    linear   ln(1 + |X|)                                                        (clip, 1, frame, frequency)
    mel      ln(1 + M |X|), or 10 log10 max(M |X|, 1e-10) no further than 80 dB below the clip's loudest cell

``level``: ``none`` takes the sound as it is; ``peak`` divides it by its largest absolute value; ``max`` divides it by
its largest value, sign and all, as both published recipes do (a clip whose deepest trough is deeper than its peak then
exceeds 1). Where that value is not positive the sound is left as it is; published code divides by 0. A magnitude that
re-enters by ``from_magnitude`` is taken at its own level, as published.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.audio.mel import SPEECHBRAIN_ESC50, MelSettings, MelSpectrogram
from otoscope.audio.stft import StftSettings, magnitude, make_window, stft
from otoscope.errors import UnknownNameError

LEVELS = ("none", "peak", "max")
#: seconds of window and hop in SpeechBrain's recipes, and what keeps a magnitude's gradient finite
WINDOW_S, HOP_S, EPS = 23.2199e-3, 11.6099e-3, 1e-14
N_FFT = 1024


def speechbrain_stft(sample_rate: int) -> StftSettings:
    """Return SpeechBrain's frames at a rate: Hamming windows of 23.2 ms every 11.6 ms, transforms of 1,024 samples.

    Examples
    --------
    >>> settings = speechbrain_stft(16000)
    >>> settings.hop_length, settings.win_length, settings.n_frames(80000)
    (186, 372, 431)
    """
    window, hop = round(sample_rate * WINDOW_S), round(sample_rate * HOP_S)
    return StftSettings(max(N_FFT, window), hop, window, window="hamming")


def speechbrain_mel(sample_rate: int, n_mels: int = 80) -> MelSettings:
    """Return SpeechBrain's mel bands of its own frames: symmetric triangles, ln(1 + m)."""
    frames = speechbrain_stft(sample_rate)
    return replace(SPEECHBRAIN_ESC50, sample_rate=sample_rate, stft=frames, n_mels=n_mels)


class LogMagnitude(nn.Module):
    """Features ``(clip, 1, frame, frequency)`` or ``(clip, 1, frame, mel)``.

    Parameters
    ----------
    settings : StftSettings or MelSettings
        Frames, or frames and bands.
    level : {"none", "peak", "max"}
        What a waveform is divided by.
    fewest : int
        Frames that the network needs; shorter waveforms are padded with zeros.
    """

    feature_axes = "BCTF"
    window: Tensor

    def __init__(self, settings: StftSettings | MelSettings, level: str = "none", fewest: int = 1) -> None:
        super().__init__()
        if level not in LEVELS:
            raise UnknownNameError.of("level", level, LEVELS)
        self.level, self.fewest = level, fewest
        self.mel = MelSpectrogram(settings) if isinstance(settings, MelSettings) else None
        self.stft_settings = settings.stft if isinstance(settings, MelSettings) else settings
        self.eps = settings.eps if isinstance(settings, MelSettings) else EPS
        self.register_buffer("window", make_window(self.stft_settings), persistent=False)

    @property
    def description(self) -> dict[str, Any]:
        """What is computed, for the weights hash."""
        settings = self.stft_settings if self.mel is None else self.mel.settings
        return {"class": "LogMagnitude", "level": self.level, "eps": self.eps, **asdict(settings)}

    def forward(self, waveform: Tensor) -> Tensor:
        """Return features of waveforms ``(clip, channel, time)``."""
        return self.from_magnitude(self.magnitude(waveform))

    def magnitude(self, waveform: Tensor) -> Tensor:
        """Return the magnitude spectrogram ``(clip, 1, frequency, frame)`` of waveforms, at their level."""
        spectrum = stft(self._mono(waveform), self.stft_settings, self.window.to(waveform.dtype))
        return magnitude(spectrum, eps=self.eps)

    def from_magnitude(self, magnitudes: Tensor) -> Tensor:
        """Return features of a magnitude spectrogram ``(clip, 1, frequency, frame)``."""
        if self.mel is None:
            return magnitudes.log1p().mT
        bands: Tensor = self.mel.from_magnitude(magnitudes)
        return bands.mT

    def _mono(self, waveform: Tensor) -> Tensor:
        sound = levelled(waveform.mean(1, keepdim=True), self.level)
        needed = (self.fewest - 1) * self.stft_settings.hop_length + 1
        return functional.pad(sound, (0, max(0, needed - sound.shape[2])))


def levelled(sound: Tensor, level: str) -> Tensor:
    """Return waveforms ``(clip, 1, time)`` divided by their level; where it is not positive they stay.

    Examples
    --------
    >>> levelled(torch.tensor([[[0.5, -2.0]]]), "max")
    tensor([[[ 1., -4.]]])
    """
    if level == "none":
        return sound
    highest = (sound.abs() if level == "peak" else sound).amax((1, 2), keepdim=True)
    return sound / torch.where(highest > 0, highest, torch.ones_like(highest))


def bins_hz(settings: StftSettings, sample_rate: int, n_rows: int, joined: float) -> tuple[float, ...]:
    """Return the middle in hertz of each row that joins ``joined`` bins of a linear spectrogram."""
    step = sample_rate / settings.n_fft
    return tuple(((row + 0.5) * joined - 0.5) * step for row in range(n_rows))
