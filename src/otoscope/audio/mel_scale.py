"""How strong is each band of hearing? Mel filterbanks in four published variants.

With f the frequency in hertz and edges z_0 < ... < z_{M+1} equally spaced in mel from ``f_min`` to ``f_max``,
filter i is a triangle of height 1 over [z_i, z_{i+2}] with its tip at z_{i+1}. The variants differ in mel(f)
and in the triangle:

===============  =====================================================  =====================================
``scale``        mel(f)                                                 triangle
===============  =====================================================  =====================================
``slaney``       3 f / 200 below 1 kHz, 15 + 27 ln(f / 1000) / ln 6.4   straight in hertz
``htk``          2595 log10(1 + f / 700)                                straight in hertz
``kaldi``        1127 ln(1 + f / 700)                                   straight in mel; the Nyquist bin is 0
``speechbrain``  2595 log10(1 + f / 700)                                straight in hertz and *symmetric*: its
                                                                        half-width is the distance to the
                                                                        previous tip
===============  =====================================================  =====================================

``area_normalised`` divides by half the width in hertz, so that every filter has area 1 (``slaney`` and
``htk`` only). A narrow filter may fall between two bins of a short transform and be empty;
:func:`empty_filters` names them.

References: M. Slaney (1998), Auditory Toolbox, TR 1998-010; S. Young et al., The HTK Book, section 5.4; D.
Povey et al. (2011), The Kaldi speech recognition toolkit; M. Ravanelli et al. (2021), SpeechBrain.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from otoscope.errors import InputError, UnknownNameError

Scale = Literal["slaney", "htk", "kaldi", "speechbrain"]
SCALES: tuple[Scale, ...] = ("slaney", "htk", "kaldi", "speechbrain")

_BREAK_HZ, _BREAK_MEL = 1000.0, 15.0  # where Slaney's scale turns from linear to logarithmic
_LOG_STEP = math.log(6.4) / 27.0


def hz_to_mel(hz: Tensor, scale: Scale = "slaney") -> Tensor:
    """Return mel for hertz, same shape."""
    _check_scale(scale)
    if scale == "slaney":
        above = _BREAK_MEL + (hz.clamp_min(_BREAK_HZ) / _BREAK_HZ).log() / _LOG_STEP
        return torch.where(hz < _BREAK_HZ, hz * 3 / 200, above)
    return _log_factor(scale) * torch.log1p(hz / 700)


def mel_to_hz(mel: Tensor, scale: Scale = "slaney") -> Tensor:
    """Return hertz for mel, same shape."""
    _check_scale(scale)
    if scale == "slaney":
        above = _BREAK_HZ * ((mel - _BREAK_MEL) * _LOG_STEP).exp()
        return torch.where(mel < _BREAK_MEL, mel * 200 / 3, above)
    return 700 * torch.expm1(mel / _log_factor(scale))


def filterbank(
    n_mels: int,
    n_fft: int,
    sample_rate: int,
    f_min: float = 0.0,
    f_max: float | None = None,
    *,
    scale: Scale = "slaney",
    area_normalised: bool | None = None,
) -> Tensor:
    """Return the weight of every frequency in every mel band.

    Parameters
    ----------
    n_mels : int
        Number of bands.
    n_fft : int
        Length of the transform in samples; its ``n_fft // 2 + 1`` frequencies run from 0 to half the rate.
    sample_rate : int
        In hertz.
    f_min, f_max : float
        Outer edges in hertz; ``f_max=None`` means half the sample rate.
    scale : {"slaney", "htk", "kaldi", "speechbrain"}
        Variant, see the module.
    area_normalised : bool, optional
        Area 1 in hertz instead of height 1; by default only for ``slaney``.

    Returns
    -------
    Tensor of float32, shape (mel, frequency)
        Not negative; computed in float64.

    Raises
    ------
    UnknownNameError
        If there is no such scale.
    InputError
        If the edges do not fit the sample rate, or the scale knows no area normalisation.

    Examples
    --------
    >>> filterbank(40, 512, 16000, scale="htk").shape
    torch.Size([40, 257])
    """
    top = _check_edges(n_mels, sample_rate, f_min, f_max)
    normalised = scale == "slaney" if area_normalised is None else area_normalised
    edges = _edges_hz(n_mels, f_min, top, scale)
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * (sample_rate / n_fft)
    weights = _triangles(bins, edges, scale)
    if scale == "kaldi":
        weights[:, n_fft // 2 :] = 0.0
    if normalised:
        if scale in ("kaldi", "speechbrain"):
            raise InputError(
                f"filters of scale {scale!r} have height 1; area_normalised is for slaney and htk"
            )
        weights = weights * (2 / (edges[2:] - edges[:-2]))[:, None]
    return weights.float()


def centres_hz(
    n_mels: int, sample_rate: int, f_min: float = 0.0, f_max: float | None = None, *, scale: Scale = "slaney"
) -> tuple[float, ...]:
    """Return the frequency in hertz at the tip of each mel band, lowest first."""
    top = _check_edges(n_mels, sample_rate, f_min, f_max)
    return tuple(_edges_hz(n_mels, f_min, top, scale)[1:-1].tolist())


def empty_filters(weights: Tensor) -> tuple[int, ...]:
    """Return the indices of the bands of ``weights`` (mel, frequency) that hear nothing."""
    return tuple(torch.nonzero(weights.sum(1) == 0).flatten().tolist())


def _edges_hz(n_mels: int, f_min: float, f_max: float, scale: Scale) -> Tensor:
    """Return the M + 2 edges in hertz."""
    low, high = hz_to_mel(torch.tensor([f_min, f_max], dtype=torch.float64), scale).tolist()
    return mel_to_hz(torch.linspace(low, high, n_mels + 2, dtype=torch.float64), scale)


def _triangles(bins: Tensor, edges: Tensor, scale: Scale) -> Tensor:
    """Return the unnormalised filters ``(mel, frequency)``."""
    if scale == "kaldi":
        bins, edges = hz_to_mel(bins, scale), hz_to_mel(edges, scale)
    lower, tip, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    if scale == "speechbrain":
        upper = 2 * tip - lower
    rising = (bins - lower) / (tip - lower)
    falling = (upper - bins) / (upper - tip)
    return torch.minimum(rising, falling).clamp_min(0.0)


def _log_factor(scale: Scale) -> float:
    return 1127.0 if scale == "kaldi" else 2595.0 / math.log(10)


def _check_scale(scale: str) -> None:
    if scale not in SCALES:
        raise UnknownNameError.of("mel scale", scale, SCALES)


def _check_edges(n_mels: int, sample_rate: int, f_min: float, f_max: float | None) -> float:
    top = sample_rate / 2 if f_max is None else f_max
    if n_mels < 1:
        raise InputError(f"need at least one mel band, got {n_mels}")
    if not 0 <= f_min < top <= sample_rate / 2:
        raise InputError(
            f"need 0 <= f_min < f_max <= half the rate ({sample_rate / 2:g} Hz), got {f_min:g} and {top:g}"
        )
    return top
