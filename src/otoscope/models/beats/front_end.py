"""BEATs' filter bank and its padding mask, on torch, on any device, differentiable.

    y = (fbank(32768 x) - 15.41663) / (2 6.55582)        kaldi, 128 mel bands, 25 ms every 10 ms, Povey window

Which tokens are padding, for a waveform of n samples of which the first L are sound, with F frames and N tokens
(``rows`` = 8 bands of mel by time):

published  token j is padding where j (F // N) (n // F) >= L. The released code reduces the mask of samples to tokens in
           their flat order, as if tokens followed one another in time, though 8 of them share a time; so in the block
           in which the sound ends, low bands count as sound and high ones as padding.
blocks     token j is padding where its block of 16 frames begins at L or later: all bands alike.

The first token is never padding. Networks were trained with ``published``, which is the default.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.audio import mel_scale
from otoscope.audio.fbank import KaldiFbank, preset

PADDINGS = ("published", "blocks")


class BeatsFrontEnd(nn.Module):
    """Normalised filter bank ``(clip, frame, mel)`` and, where a clip is padded, the mask of its tokens.

    Parameters
    ----------
    patch : int
        Side of the network's patches.
    padding : {"published", "blocks"}
        How samples of padding become tokens of padding.
    """

    feature_axes = "BTF"

    def __init__(self, patch: int = 16, padding: str = "published") -> None:
        super().__init__()
        self.bank, self.patch, self.padding = KaldiFbank(preset("beats")), patch, padding

    @property
    def description(self) -> dict[str, Any]:
        """What is computed, for the weights hash."""
        return {"class": "BeatsFrontEnd", **asdict(self.bank.settings), "padding": self.padding}

    @property
    def rows(self) -> int:
        """Rows of patches."""
        return self.bank.settings.n_mels // self.patch

    @property
    def tips_hz(self) -> tuple[float, ...]:
        """Tips of the mel bands in hertz."""
        s = self.bank.settings
        return mel_scale.centres_hz(s.n_mels, s.sample_rate, s.f_min, s.f_max, scale="kaldi")

    @property
    def shortest(self) -> int:
        """Samples of one patch; shorter waveforms are padded to them."""
        settings = self.bank.settings
        return settings.frame_length + (self.patch - 1) * settings.hop_length

    def forward(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return features of waveforms ``(clip, channel, time)``, of which ``lengths`` samples are sound."""
        sound = self._mono(waveform)
        bands: Tensor = self.bank(sound).mT
        if lengths is None or bool((lengths >= waveform.shape[2]).all()):
            return bands
        return bands, self.padded(lengths, sound.shape[1], bands.shape[1])

    def magnitude(self, waveform: Tensor) -> Tensor:
        """Return the magnitudes ``(clip, 1, frequency, frame)`` of kaldi's pre-emphasised frames."""
        return self.bank.spectrum(self._mono(waveform)).abs().to(waveform.dtype)[:, None]

    def from_magnitude(self, magnitudes: Tensor) -> Tensor:
        """Return features of magnitudes ``(clip, 1, frequency, frame)`` of this front end's own spectrum."""
        return self.bank.from_magnitude(magnitudes[:, 0]).mT

    def padded(self, lengths: Tensor, n_samples: int, n_frames: int) -> Tensor:
        """Return which tokens are padding, bool ``(clip, token)``.

        Parameters
        ----------
        lengths : Tensor
            Samples of sound ``(clip,)``.
        n_samples, n_frames : int
            Of the padded waveform and of its filter bank.
        """
        n_tokens = n_frames // self.patch * self.rows
        at = torch.arange(n_tokens, device=lengths.device)
        if self.padding == "published":
            starts = at * ((n_frames // n_tokens) * (n_samples // n_frames))
        else:
            starts = at // self.rows * (self.patch * self.bank.settings.hop_length)
        return (starts[None] >= lengths[:, None]) & (at > 0)

    def _mono(self, waveform: Tensor) -> Tensor:
        sound = waveform.mean(1)
        return functional.pad(sound, (0, max(0, self.shortest - sound.shape[1])))
