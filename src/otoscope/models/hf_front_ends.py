"""The feature extractors of Hugging Face networks, on torch, on any device, differentiable.

==========  ===========================================================================================
AST         kaldi log-mel of the sound, zeros after its last frame up to ``max_length`` frames, then
            (y - mean) / (2 std); features (clip, frame, mel)
Whisper     zeros up to 30 s, log10 of slaney mel power (floor 1e-10), the last frame dropped, limited to 8 below
            the clip's maximum, (y + 4) / 4; features (clip, mel, frame)
wav2vec2    (x - mean) / sqrt(variance + 1e-7) over the sound, zeros after it; waveforms (clip, time) and, where the
HuBERT      checkpoint asks for it, a mask (clip, time) that is 1 where there is sound
WavLM
==========  ===========================================================================================

Equal to the extractors of transformers to 1e-4. Differences by intention: AST frames are transformed in float64,
as exact as the extractor's NumPy path (its torchaudio path differs from that by up to 1.7e-4 in near-silent bands);
wav2vec2 checkpoints without a mask are standardised over the sound alone, also where a clip is padded.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.audio.fbank import FbankSettings, KaldiFbank
from otoscope.audio.mel import MelSettings, MelSpectrogram
from otoscope.audio.stft import StftSettings, magnitude, stft

FRAME_LENGTH, HOP_LENGTH = 400, 160


def mono(waveform: Tensor) -> Tensor:
    """Return ``(clip, time)``: the mean over channels of ``(clip, channel, time)``."""
    return waveform.mean(1)


class AstFrontEnd(nn.Module):
    """Log-mel features ``(clip, frame, mel)`` as ASTFeatureExtractor makes them.

    Parameters
    ----------
    sample_rate, n_mels : int
        Of the checkpoint.
    n_frames : int
        The extractor's ``max_length``.
    mean, std : float
        Of the training set; features are divided by twice ``std``.
    """

    def __init__(self, sample_rate: int, n_mels: int, n_frames: int, mean: float, std: float) -> None:
        super().__init__()
        self.bank = KaldiFbank(FbankSettings(sample_rate=sample_rate, n_mels=n_mels, window="hann"))
        self.n_frames, self.mean, self.std = n_frames, mean, std

    @property
    def description(self) -> dict[str, Any]:
        """What is computed, for the weights hash."""
        normalised = {"n_frames": self.n_frames, "mean": self.mean, "std": self.std}
        return {"class": "AstFrontEnd", **asdict(self.bank.settings), **normalised}

    def forward(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return features of waveforms ``(clip, channel, time)``, of which ``lengths`` samples are sound."""
        sound = mono(waveform)
        if sound.shape[1] < FRAME_LENGTH:
            sound = functional.pad(sound, (0, FRAME_LENGTH - sound.shape[1]))
        return self._finish(self.bank(sound), lengths)

    def magnitude(self, waveform: Tensor) -> Tensor:
        """Return the magnitudes ``(clip, 1, frequency, frame)`` of kaldi's pre-emphasised frames."""
        return self.bank.spectrum(mono(waveform)).abs().to(waveform.dtype)[:, None]

    def from_magnitude(self, magnitudes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return features of magnitudes ``(clip, 1, frequency, frame)`` of this front end's own spectrum."""
        return self._finish(self.bank.from_magnitude(magnitudes[:, 0]), lengths)

    def _finish(self, bands: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is not None:
            frames = ((lengths - FRAME_LENGTH) // HOP_LENGTH + 1).clamp_min(0)
            sounding = (
                torch.arange(bands.shape[2], device=bands.device)[None] < frames[:, None]
            )  # (clip, frame)
            bands = bands * sounding[:, None]
        fitted = functional.pad(bands, (0, self.n_frames - bands.shape[2]))  # cuts where negative
        return ((fitted - self.mean) / (2.0 * self.std)).mT


class WhisperFrontEnd(nn.Module):
    """Log-mel features ``(clip, mel, frame)`` of 30 s as WhisperFeatureExtractor makes them.

    Parameters
    ----------
    sample_rate, n_mels, n_fft, hop_length : int
        Of the checkpoint.
    n_samples : int
        What waveforms are padded or cut to.
    """

    def __init__(self, sample_rate: int, n_mels: int, n_fft: int, hop_length: int, n_samples: int) -> None:
        super().__init__()
        settings = MelSettings(
            sample_rate,
            StftSettings(n_fft, hop_length, pad_mode="reflect"),
            n_mels=n_mels,
            f_max=8000.0,
            compression="log10",
            floor=1e-10,
        )
        self.mel, self.n_samples = MelSpectrogram(settings), n_samples

    @property
    def stft_settings(self) -> StftSettings:
        """Frames and window of the complex spectrogram whose magnitude :meth:`from_magnitude` takes."""
        return self.mel.settings.stft

    @property
    def description(self) -> dict[str, Any]:
        """What is computed, for the weights hash."""
        return {"class": "WhisperFrontEnd", **asdict(self.mel.settings), "n_samples": self.n_samples}

    def forward(self, waveform: Tensor) -> Tensor:
        """Return features of waveforms ``(clip, channel, time)``."""
        return self._finish(self.mel(self._fitted(waveform)))

    def magnitude(self, waveform: Tensor) -> Tensor:
        """Return the magnitude spectrogram ``(clip, 1, frequency, frame)`` of 30 s."""
        return magnitude(stft(self._fitted(waveform), self.stft_settings))[:, None]

    def from_magnitude(self, magnitudes: Tensor) -> Tensor:
        """Return features of a magnitude spectrogram ``(clip, 1, frequency, frame)``."""
        return self._finish(self.mel.from_magnitude(magnitudes[:, 0]))

    def _fitted(self, waveform: Tensor) -> Tensor:
        return functional.pad(mono(waveform), (0, self.n_samples - waveform.shape[2]))  # cuts where negative

    def _finish(self, bands: Tensor) -> Tensor:
        kept = bands[..., :-1]
        limited = torch.maximum(kept, kept.amax((1, 2), keepdim=True) - 8.0)
        return (limited + 4.0) / 4.0


class WaveformFrontEnd(nn.Module):
    """Standardised waveforms as Wav2Vec2FeatureExtractor makes them.

    Parameters
    ----------
    standardise : bool
        The extractor's ``do_normalize``.
    masked : bool
        The extractor's ``return_attention_mask``: the features are then ``(waveform, mask)``.
    """

    def __init__(self, standardise: bool, masked: bool) -> None:
        super().__init__()
        self.standardise, self.masked = standardise, masked

    @property
    def description(self) -> dict[str, Any]:
        """What is computed, for the weights hash."""
        return {"class": "WaveformFrontEnd", "standardise": self.standardise, "masked": self.masked}

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor | None]:
        """Return features of waveforms ``(clip, channel, time)``, of which ``lengths`` samples are sound."""
        sound = mono(waveform)
        if lengths is None or bool((lengths >= sound.shape[1]).all()):
            values = self._standardised(sound, torch.ones_like(sound)) if self.standardise else sound
            return (values, None) if self.masked else values
        mask = (torch.arange(sound.shape[1], device=sound.device)[None] < lengths[:, None]).to(sound)
        values = (self._standardised(sound, mask) if self.standardise else sound) * mask
        return (values, mask.long()) if self.masked else values

    @staticmethod
    def _standardised(sound: Tensor, mask: Tensor) -> Tensor:
        count = mask.sum(1, keepdim=True).clamp_min(1.0)
        centred = sound - (sound * mask).sum(1, keepdim=True) / count
        variance = (centred.square() * mask).sum(1, keepdim=True) / count
        return centred / (variance + 1e-7).sqrt()
