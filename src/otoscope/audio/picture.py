"""What does a sound look like? Its log-mel spectrogram as bytes, for an image.

Each cell is the level of a mel band (HTK scale, height-1 triangles) in a 40 ms Hann window, in dB relative to
a full-scale sine in that band. ``range_db`` of levels, ending at the clip's loudest cell or at full scale,
become 0 .. 255; what is softer is 0. Columns average power over equal stretches of time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from otoscope.arrays import to_tensor
from otoscope.audio.channels import apply
from otoscope.audio.mel import MelSettings, MelSpectrogram
from otoscope.audio.stft import StftSettings
from otoscope.errors import InputError, UnknownNameError

Image = np.ndarray[Any, np.dtype[np.uint8]]
REFERENCES = ("loudest", "full-scale")
_SILENT_DB = -140.0  # a clip whose loudest cell is softer is shown as silence


def log_mel_image(
    waveform: np.ndarray[Any, Any],
    sample_rate: int,
    *,
    n_mels: int = 96,
    n_columns: int | None = None,
    range_db: float = 80.0,
    reference: str = "loudest",
    f_max: float | None = None,
) -> Image:
    """Return a log-mel spectrogram as grey levels.

    Parameters
    ----------
    waveform : ndarray, shape (channel, time) or (time,)
        Channels are averaged.
    sample_rate : int
        In hertz.
    n_mels : int
        Rows, from 0 Hz to ``f_max``.
    n_columns : int, optional
        Columns; one per 10 ms where not given.
    range_db : float
        Levels shown, in decibels below the reference.
    reference : {"loudest", "full-scale"}
        What 255 stands for: the clip's loudest cell, or 0 dBFS.
    f_max : float, optional
        Upper edge in hertz; half the sample rate where not given.

    Returns
    -------
    ndarray of uint8, shape (frequency, frame)
        Row 0 is the lowest band (an image wants ``[::-1]``). All 0 for digital silence.

    Raises
    ------
    InputError
        If the waveform is empty or the range not positive.
    UnknownNameError
        If the reference has another name.
    """
    if reference not in REFERENCES:
        raise UnknownNameError.of("reference level", reference, REFERENCES)
    if not range_db > 0 or np.size(waveform) == 0:
        raise InputError(f"need samples and range_db > 0, got shape {np.shape(waveform)} and {range_db:g} dB")
    mono = apply(np.atleast_2d(np.asarray(waveform, np.float32)), "mix")
    front_end = _front_end(sample_rate, n_mels, f_max)
    with torch.inference_mode():
        power = front_end(to_tensor(mono))  # (1, mel, frame)
        if n_columns is not None:
            power = functional.adaptive_avg_pool1d(power, n_columns)
        level_db = (10 * power[0].clamp_min(1e-20).log10()).numpy()
    top = float(level_db.max()) if reference == "loudest" else 0.0
    if level_db.max() < _SILENT_DB:
        return np.zeros(level_db.shape, np.uint8)
    shown: Image = np.rint(255 * np.clip(1 + (level_db - top) / range_db, 0, 1)).astype(np.uint8)
    return shown


@lru_cache(maxsize=8)
def _front_end(sample_rate: int, n_mels: int, f_max: float | None) -> MelSpectrogram:
    """Return mel power in which a full-scale sine has 1; the transform is long, so that no band is empty."""
    win_length = max(2, sample_rate // 25)
    n_fft = 1 << (4 * win_length - 1).bit_length()
    stft = StftSettings(n_fft, max(1, sample_rate // 100), win_length)
    settings = MelSettings(sample_rate, stft, n_mels, f_max=f_max, scale="htk", compression="none")
    mel = MelSpectrogram(settings)
    mel.window *= 2 / (n_fft * mel.window.square().sum()).sqrt()  # by Parseval, one side only
    return mel
