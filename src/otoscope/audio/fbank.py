"""Kaldi's log-mel filter bank, as speech and audio transformers take it, on torch and differentiable.

For each frame of ``frame_length`` samples, one every ``hop_length`` (no padding, "snip edges", no dither):
subtract the frame's mean, pre-emphasise y[t] = x[t] - c x[t-1] (x[-1] := x[0]), multiply by a symmetric
window, pad with zeros to a power of two N, take the power spectrum P and the natural logarithm::

    out[b, m] = ln max( sum_k W[b, k] P[k, m], 2^-23 )          W: triangles straight in mel, height 1

Optionally ``n_frames`` cuts or pads with zeros and, after that, (out - mean) / divisor.

Precision: in bands that are almost silent beside others, a float32 transform leaves errors of 1e-3. The
frames are therefore transformed in float64 where the device has it (all but Apple's MPS), and the result
agrees with the exact one to 1e-6 of float32 rounding.

Output is ``(..., mel, frame)``; kaldi's own order is ``(frame, mel)``: use ``.mT``.

Reference: D. Povey et al. (2011), The Kaldi speech recognition toolkit, ASRU; its ``compute-fbank-feats``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.audio import taper
from otoscope.audio.blockwise import blockwise
from otoscope.audio.mel_scale import filterbank
from otoscope.errors import InputError, UnknownNameError

FLOAT32_EPSILON = 2.0**-23


@dataclass(frozen=True)
class FbankSettings:
    """What a kaldi filter bank is made of.

    Attributes
    ----------
    sample_rate : int
        In hertz.
    n_mels : int
        Number of bands.
    frame_length, hop_length : int
        In samples.
    window : str
        Symmetric; ``povey`` is kaldi's, ``hann`` is what AST calls hanning.
    gain : float
        What the waveform is multiplied by first; 32768 for networks that were trained on 16-bit integers.
    preemphasis : float
        The coefficient c.
    f_min, f_max : float
        Outer edges in hertz; ``f_max=None`` means half the sample rate.
    n_frames : int or None
        Cut or pad with zeros (before normalising) to this many frames.
    mean, divisor : float
        Subtracted from the logarithm, and divided by.
    """

    sample_rate: int = 16000
    n_mels: int = 128
    frame_length: int = 400
    hop_length: int = 160
    window: str = "povey"
    gain: float = 1.0
    preemphasis: float = 0.97
    f_min: float = 20.0
    f_max: float | None = None
    n_frames: int | None = None
    mean: float = 0.0
    divisor: float = 1.0

    @property
    def n_fft(self) -> int:
        """Length of the transform: the next power of two."""
        return 1 << (self.frame_length - 1).bit_length()

    def frame_times_s(self) -> tuple[float, float]:
        """Return (stride, offset): frame m is centred ``offset + m * stride`` seconds after the beginning."""
        return self.hop_length / self.sample_rate, self.frame_length / 2 / self.sample_rate


PRESETS: dict[str, FbankSettings] = {
    "kaldi": FbankSettings(n_mels=23, gain=32768.0),
    "beats": FbankSettings(gain=32768.0, mean=15.41663, divisor=2 * 6.55582),
    "ast": FbankSettings(window="hann", n_frames=1024, mean=-4.2677393, divisor=2 * 4.5689974),
}


def preset(name: str) -> FbankSettings:
    """Return the settings of a known network's front end: ``kaldi``, ``beats`` or ``ast``."""
    if name not in PRESETS:
        raise UnknownNameError.of("fbank preset", name, PRESETS)
    return PRESETS[name]


class KaldiFbank(nn.Module):
    """The filter bank with window and filters precomputed.

    Parameters
    ----------
    settings : FbankSettings
        What it is made of.

    Attributes
    ----------
    window, window_residual : Tensor of float32, shape (frame_length,)
        Buffers; their sum is the window to 48 bits, on devices and under ``.float()`` alike.
    weights : Tensor of float32, shape (mel, n_fft // 2 + 1)
        Buffer.
    """

    window: Tensor
    window_residual: Tensor
    weights: Tensor

    def __init__(self, settings: FbankSettings) -> None:
        super().__init__()
        self.settings = s = settings
        weights = filterbank(s.n_mels, s.n_fft, s.sample_rate, s.f_min, s.f_max, scale="kaldi")
        window = taper.window(s.window, s.frame_length, periodic=False, dtype=torch.float64)
        self.register_buffer("window", window.float(), persistent=False)
        self.register_buffer("window_residual", (window - window.float()).float(), persistent=False)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return log-mel energies ``(..., mel, frame)`` of a waveform ``(..., time)``.

        Raises
        ------
        InputError
            If the waveform is shorter than one frame.
        """
        self._check(waveform)
        return blockwise(lambda block: self._finish(self._power(block)), waveform)

    def from_magnitude(self, magnitudes: Tensor) -> Tensor:
        """Return log-mel energies of magnitudes ``(..., frequency, frame)`` of :meth:`spectrum`."""
        return self._finish(magnitudes.square().mT)

    def spectrum(self, waveform: Tensor) -> Tensor:
        """Return the complex spectrum ``(..., frequency, frame)`` that the energies are taken from."""
        self._check(waveform)
        return self._transform(waveform).mT

    def _check(self, waveform: Tensor) -> None:
        needed, have = self.settings.frame_length, waveform.shape[-1]
        if have < needed:
            raise InputError(f"a frame has {needed} samples, the waveform only {have}; pad the clip")

    def _power(self, waveform: Tensor) -> Tensor:
        """Return ``(item, frame, frequency)`` for ``(item, time)``."""
        spectrum = self._transform(waveform)
        power = torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)
        return power.to(waveform.dtype)

    def _transform(self, waveform: Tensor) -> Tensor:
        """Return the spectrum of the windowed frames, ``(..., frame, frequency)``.

        The whole waveform is pre-emphasised once; taking the mean m off a frame first takes (1 - c) m off
        after. Only the first sample of a frame needs a value of its own, as there x[-1] := x[0].
        """
        s, c = self.settings, self.settings.preemphasis
        exact = waveform.dtype if waveform.device.type == "mps" else torch.float64
        x = waveform.to(exact) * s.gain
        extra = s.n_fft - s.frame_length
        emphasised = functional.pad(x[..., 1:] - c * x[..., :-1], (1, extra))
        mean = (1 - c) * x.unfold(-1, s.frame_length, s.hop_length).mean(-1, keepdim=True)
        window = functional.pad(self.window.to(exact) + self.window_residual.to(exact), (0, extra))
        frames = (emphasised.unfold(-1, s.n_fft, s.hop_length) - mean) * window  # (..., frame, sample)
        first = (1 - c) * x[..., :: s.hop_length][..., : frames.shape[-2]] - mean[..., 0]
        frames[..., 0] = first * window[0]
        spectrum: Tensor = torch.fft.rfft(frames)
        return spectrum

    def _finish(self, power: Tensor) -> Tensor:
        s = self.settings
        bands = power @ self.weights.to(power.dtype).T  # (..., frame, mel)
        logs = bands.clamp_min(FLOAT32_EPSILON).log().mT  # (..., mel, frame)
        if s.n_frames is not None:
            logs = functional.pad(logs, (0, s.n_frames - logs.shape[-1]))  # cuts where negative
        return (logs - s.mean) / s.divisor


def kaldi_fbank(waveform: Tensor, settings: FbankSettings | str = "kaldi") -> Tensor:
    """Return kaldi's log-mel energies.

    Parameters
    ----------
    waveform : Tensor, shape (..., time)
        Full scale +-1.
    settings : FbankSettings or str
        Or the name of a preset.

    Returns
    -------
    Tensor, shape (..., mel, frame)
        Natural logarithms, normalised where the settings say so.
    """
    chosen = preset(settings) if isinstance(settings, str) else settings
    bank: Tensor = KaldiFbank(chosen).to(waveform.device)(waveform)
    return bank
