"""Which frequencies sound when? The short-time Fourier transform and its inverse, on torch, differentiable.

With frame m beginning at sample m h (h = ``hop_length``), window w of N_w = ``win_length`` samples in the
middle of N = ``n_fft``::

    X[k, m] = sum_{t=0}^{N-1} w[t] x[m h + t] exp(-2 pi i k t / N)            k = 0 .. N/2 (one-sided)

``center=True`` first pads both ends by N / 2 (``pad_mode``), so that frame m is centred on sample m h.
Nothing is normalised. The inverse is the least-squares one: overlap-add of the windowed inverse transforms
divided by the sum of squared windows (D. Griffin and J. Lim, 1984, Signal estimation from modified short-time
Fourier transform, IEEE TASSP 32, equation 6). Samples that no window covers come back as 0.

Axes: waveform ``(..., time)``, spectrogram ``(..., frequency, frame)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from otoscope.audio import taper
from otoscope.errors import InputError, UnknownNameError

PadMode = Literal["constant", "reflect", "replicate"]
PAD_MODES: tuple[PadMode, ...] = ("constant", "reflect", "replicate")
_COVERED = 1e-10  # below this sum of squared windows a sample counts as not covered


@dataclass(frozen=True)
class StftSettings:
    """How a waveform is cut into frames and what is done to each of them.

    Attributes
    ----------
    n_fft : int
        Length of the transform in samples.
    hop_length : int
        Samples from one frame to the next.
    win_length : int or None
        Length of the window, centred in the transform; None = ``n_fft``.
    window : str
        Name of the window, see :mod:`otoscope.audio.taper`.
    periodic : bool
        Periodic rather than symmetric window.
    center : bool
        Pad both ends by ``n_fft // 2``, so that frame m is centred on sample m * hop_length.
    pad_mode : {"constant", "reflect", "replicate"}
        With what to pad: zeros, the mirrored sound, the first and last sample.
    one_sided : bool
        Only frequencies 0 .. n_fft // 2.
    """

    n_fft: int
    hop_length: int
    win_length: int | None = None
    window: str = "hann"
    periodic: bool = True
    center: bool = True
    pad_mode: PadMode = "constant"
    one_sided: bool = True

    def __post_init__(self) -> None:
        """Refuse settings that no waveform could be transformed by."""
        if self.n_fft < 2 or self.hop_length < 1:
            raise InputError(f"need n_fft >= 2 and hop_length >= 1, got {self.n_fft} and {self.hop_length}")
        if not 1 <= self.frame_length <= self.n_fft:
            raise InputError(f"win_length must be in 1 .. n_fft = {self.n_fft}, got {self.win_length}")
        if self.window not in taper.NAMES:
            raise UnknownNameError.of("window", self.window, taper.NAMES)
        if self.pad_mode not in PAD_MODES:
            raise UnknownNameError.of("pad mode", self.pad_mode, PAD_MODES)

    @property
    def frame_length(self) -> int:
        """Samples under the window."""
        return self.n_fft if self.win_length is None else self.win_length

    @property
    def n_frequencies(self) -> int:
        """Rows of the spectrogram."""
        return self.n_fft // 2 + 1 if self.one_sided else self.n_fft

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames a waveform of that length gives."""
        padded = n_samples + (2 * (self.n_fft // 2) if self.center else 0)
        return 1 + (padded - self.n_fft) // self.hop_length if padded >= self.n_fft else 0

    def frame_times_s(self, sample_rate: int) -> tuple[float, float]:
        """Return (stride, offset): frame m is centred ``offset + m * stride`` seconds after the beginning."""
        first = 0.0 if self.center else self.n_fft / 2
        return self.hop_length / sample_rate, first / sample_rate


def make_window(settings: StftSettings, like: Tensor | None = None) -> Tensor:
    """Return the window of ``win_length`` samples, on the device and of the real type of ``like``."""
    made = taper.window(
        settings.window, settings.frame_length, periodic=settings.periodic, dtype=torch.float64
    )
    if like is None:
        return made.float()
    return made.to(device=like.device, dtype=like.real.dtype) if like.is_complex() else made.to(like)


def stft(waveform: Tensor, settings: StftSettings, window: Tensor | None = None) -> Tensor:
    """Return the complex spectrogram.

    Parameters
    ----------
    waveform : Tensor, shape (..., time)
        Real, floating point.
    settings : StftSettings
        Frames and window.
    window : Tensor, shape (win_length,), optional
        Precomputed by :func:`make_window`.

    Returns
    -------
    Tensor, complex, shape (..., frequency, frame)
        Unnormalised.

    Raises
    ------
    InputError
        If the waveform is too short for a frame or for the padding.
    """
    n_samples = waveform.shape[-1]
    _check_length(n_samples, settings)
    flat = waveform.reshape(-1, n_samples)  # (item, time)
    spectrum = torch.stft(
        flat,
        settings.n_fft,
        settings.hop_length,
        settings.frame_length,
        make_window(settings, waveform) if window is None else window,
        center=settings.center,
        pad_mode=settings.pad_mode,
        onesided=settings.one_sided,
        return_complex=True,
    )
    return spectrum.reshape(*waveform.shape[:-1], *spectrum.shape[-2:])  # (..., frequency, frame)


def _check_length(n_samples: int, settings: StftSettings) -> None:
    half = settings.n_fft // 2
    if settings.center and settings.pad_mode == "reflect" and n_samples <= half:
        raise InputError(
            f"reflect padding by {half} samples needs a longer waveform, got {n_samples} samples; "
            "pad the clip or use pad_mode='constant'"
        )
    if settings.n_frames(n_samples) < 1 or n_samples < 1:
        raise InputError(f"{n_samples} samples are too few for one frame of {settings.n_fft}; pad the clip")


def istft(
    spectrum: Tensor, settings: StftSettings, length: int | None = None, window: Tensor | None = None
) -> Tensor:
    """Return the waveform whose spectrogram is nearest, in the least-squares sense.

    Parameters
    ----------
    spectrum : Tensor, complex, shape (..., frequency, frame)
        As :func:`stft` returns it, or edited.
    settings : StftSettings
        The settings it was made with.
    length : int, optional
        Samples to return, cut or padded with zeros; ``(frame - 1) * hop_length`` where not given and
        ``center``, else all that the frames cover.
    window : Tensor, shape (win_length,), optional
        Precomputed by :func:`make_window`.

    Returns
    -------
    Tensor, real, shape (..., time)
        Differentiable with respect to ``spectrum``.

    Raises
    ------
    InputError
        If the number of frequencies does not belong to the settings.
    """
    *outer, n_frequencies, n_frames = spectrum.shape
    if n_frequencies != settings.n_frequencies:
        raise InputError(f"expected {settings.n_frequencies} frequencies, got {n_frequencies}")
    w = _full_window(settings, spectrum, window)
    flat = spectrum.reshape(-1, n_frequencies, n_frames)
    frames = _frames(flat, settings) * w  # (item, frame, n_fft)
    signal = _overlap_add(frames, settings.hop_length)  # (item, time)
    weight = _envelope(w * w, settings.hop_length, n_frames)
    signal = torch.where(weight > _COVERED, signal / weight.clamp_min(_COVERED), 0.0)
    start = settings.n_fft // 2 if settings.center else 0
    end = start + length if length is not None else signal.shape[-1] - start
    part = signal[:, start:end]
    missing = 0 if length is None else length - part.shape[-1]
    return functional.pad(part, (0, missing)).reshape(*outer, -1) if missing else part.reshape(*outer, -1)


def _frames(flat: Tensor, settings: StftSettings) -> Tensor:
    if settings.one_sided:
        frames: Tensor = torch.fft.irfft(flat.mT, n=settings.n_fft)
        return frames
    both: Tensor = torch.fft.ifft(flat.mT, n=settings.n_fft)
    return both.real


def _full_window(settings: StftSettings, like: Tensor, window: Tensor | None) -> Tensor:
    """Return the window padded to ``n_fft``, as :func:`torch.stft` pads it."""
    made = make_window(settings, like) if window is None else window
    left = (settings.n_fft - settings.frame_length) // 2
    return functional.pad(made, (left, settings.n_fft - settings.frame_length - left))


def _overlap_add(frames: Tensor, hop_length: int) -> Tensor:
    """Sum frames ``(item, frame, sample)`` at their places: ``(item, time)``.

    Every frame is cut into stretches of a hop; the j-th stretches of all frames are added at once, j hops later.
    """
    n_items, n_frames, n_fft = frames.shape
    n_stretches = -(-n_fft // hop_length)
    padded = functional.pad(frames, (0, n_stretches * hop_length - n_fft))
    stretches = padded.reshape(n_items, n_frames, n_stretches, hop_length)
    summed = frames.new_zeros(n_items, n_frames + n_stretches - 1, hop_length)
    for j in range(n_stretches):
        summed[:, j : j + n_frames] += stretches[:, :, j]
    return summed.reshape(n_items, -1)[:, : n_fft + hop_length * (n_frames - 1)]


def _envelope(squared: Tensor, hop_length: int, n_frames: int) -> Tensor:
    """Return the sum of ``n_frames`` squared windows ``(sample,)`` at their places: ``(1, time)``.

    Stretches of a hop are sums of the window's stretches, by one product with a matrix of zeros and ones.
    """
    n_stretches = -(-squared.numel() // hop_length)
    padded = functional.pad(squared, (0, n_stretches * hop_length - squared.numel()))
    places = torch.arange(n_frames + n_stretches - 1, device=squared.device)[:, None]
    frame = places - torch.arange(n_stretches, device=squared.device)  # (stretch of time, stretch of window)
    there = ((frame >= 0) & (frame < n_frames)).to(squared)
    summed = (there @ padded.reshape(n_stretches, hop_length)).reshape(1, -1)
    return summed[:, : squared.numel() + hop_length * (n_frames - 1)]


def magnitude(spectrum: Tensor, power: float = 1.0, eps: float = 0.0) -> Tensor:
    """Return ``(re^2 + im^2 + eps) ^ (power / 2)``.

    Parameters
    ----------
    spectrum : Tensor, complex
        Any shape.
    power : float
        1 for the magnitude, 2 for the power.
    eps : float
        Added to the power; a positive value keeps the gradient of the magnitude finite where it is 0.

    Returns
    -------
    Tensor, real, same shape
        Not negative.
    """
    squared = torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)
    if eps:
        squared = squared + eps
    return squared if power == 2 else squared.sqrt() if power == 1 else squared ** (power / 2)
