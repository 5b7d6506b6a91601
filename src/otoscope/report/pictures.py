"""A small grey picture of a sound: mel spectrogram, low at the bottom, as WebP.

Black is 70 dB (and more) below the clip's loudest cell, white is the loudest. Colour is left to the page, which
inks it dark on light or light on dark and keeps colour for the neuron. The vertical axis is the HTK mel scale
from 0 Hz to half the network's sample rate: what the network cannot hear is not shown, so

    height(f) = mel(f) / mel(sample_rate / 2),    mel(f) = 2595 log10(1 + f / 700).

WebP (lossy, through Pillow) is about 2 kB for 320 x 96 pixels, a quarter of the same picture as PNG.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from otoscope.audio import channels
from otoscope.audio.mel import MelSettings, MelSpectrogram
from otoscope.audio.resample import resample
from otoscope.audio.stft import StftSettings

WIDTH, HEIGHT = 320, 96
TYPE = "image/webp"
_RANGE_DB = 70.0
_QUALITY = 30


def height_of(hz: float, sample_rate: int) -> float:
    """Return where a frequency lies in a picture: 0 at its bottom, 1 at its top.

    Examples
    --------
    >>> height_of(8000.0, 16000)
    1.0
    """
    return min(1.0, math.log10(1 + hz / 700) / math.log10(1 + sample_rate / 1400))


def spectrogram(
    waveform: np.ndarray[Any, Any], from_hz: int, sample_rate: int
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the grey levels (frequency, frame), highest frequency first.

    Parameters
    ----------
    waveform : array (channel, time) float32
    from_hz : int
        Its sample rate.
    sample_rate : int
        The network's; the picture reaches up to half of it.
    """
    mono = resample(
        channels.apply(waveform, "mix"), from_hz, sample_rate, "QQ" if from_hz == sample_rate else "MQ"
    )
    mel = _mel(sample_rate)
    with torch.inference_mode():
        level_db = mel(torch.from_numpy(np.ascontiguousarray(mono)))[0].numpy()  # (mel, frame)
    loudest = level_db.max() if level_db.max() > -90 else 0.0
    grey = np.clip(1 + (level_db[::-1] - loudest) / _RANGE_DB, 0, 1) * 255
    return np.asarray(grey, dtype=np.uint8)


@lru_cache(maxsize=4)
def _mel(sample_rate: int) -> MelSpectrogram:
    n_fft = 2 ** round(math.log2(0.064 * sample_rate))  # twice the window: no mel band without a bin
    settings = StftSettings(n_fft, max(1, sample_rate // 125), win_length=n_fft // 2)
    return MelSpectrogram(MelSettings(sample_rate, settings, n_mels=64, scale="htk", area_normalised=False))


def encode(grey: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """Return grey levels (row, column) as a WebP of ``WIDTH`` x ``HEIGHT`` pixels."""
    image = Image.fromarray(grey).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, reducing_gap=2.0)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_QUALITY, method=4)
    return out.getvalue()
