"""A mask on the axes of the report's pictures: mel heights, seconds along, as a grey WebP."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 480, 144
_QUALITY = 60


def spectrogram(grey: NDArray[np.uint8]) -> bytes:
    """Return grey levels (row, column), highest frequency first, as a WebP of ``WIDTH`` x ``HEIGHT`` pixels."""
    image = Image.fromarray(grey).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return _webp(image)


def mask(values: NDArray[Any], sample_rate: int, duration_s: float, frames_s: NDArray[Any]) -> bytes:
    """Return a mask ``(frequency, frame)`` in [0, 1] on the picture's axes, white where it passes.

    Parameters
    ----------
    values : array (frequency, frame)
        Rows from 0 Hz to half the rate, evenly.
    sample_rate : int
        Of the mask.
    duration_s : float
        Seconds that the picture's width stands for.
    frames_s : array (frame,)
        Centre of each frame.
    """
    rows = _rows(values.shape[0], sample_rate)
    moments = (np.arange(WIDTH) + 0.5) / WIDTH * duration_s
    columns = np.searchsorted((frames_s[1:] + frames_s[:-1]) / 2, moments)
    picture = np.stack([values[low:high].mean(axis=0) for low, high in rows])[:, columns]
    return _webp(Image.fromarray(np.asarray(np.clip(picture, 0, 1) * 255, np.uint8)))


def _rows(n_rows: int, sample_rate: int) -> list[tuple[int, int]]:
    """Return, for each row of the picture from the top, the rows of the mask that it shows."""
    top = np.log10(1 + sample_rate / 1400)
    heights = 1 - np.arange(HEIGHT + 1) / HEIGHT
    edges_hz = 700 * (10 ** (heights * top) - 1)
    bins = edges_hz / (sample_rate / 2) * (n_rows - 1)
    return [
        (low := min(round(below), n_rows - 1), max(round(above), low + 1))
        for above, below in pairwise(bins.tolist())
    ]


def _webp(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_QUALITY, method=4)
    return out.getvalue()
