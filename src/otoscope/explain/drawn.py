"""Pictures of an explanation: the spectrogram, and the same with what the mask leaves out turned grey."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from otoscope.explain.spectrogram import Spectrogram

RANGE_DB = 70.0
_SIZE_IN, _DPI = (8.0, 3.2), 110
_GREY = 0.35


def pictures(magnitude: NDArray[Any], mask: NDArray[Any], on: Spectrogram, title: str) -> dict[str, bytes]:
    """Return ``spectrogram.png`` and ``overlay.png``, with hertz and seconds.

    Parameters
    ----------
    magnitude, mask : array (frequency, frame)
        Of the sound, and in [0, 1].
    on : Spectrogram
        What both lie on.
    title : str
        Of the overlay.
    """
    level = np.clip(1 + 20 * np.log10(magnitude / max(magnitude.max(), 1e-12) + 1e-12) / RANGE_DB, 0, 1)
    colour = colormaps["magma"](level)[..., :3]
    grey = _GREY * level[..., None].repeat(3, axis=2)
    mixed = mask[..., None] * colour + (1 - mask[..., None]) * grey
    return {
        "spectrogram.png": _png(colour, on, "spectrogram"),
        "overlay.png": _png(mixed, on, title),
    }


def _png(image: NDArray[Any], on: Spectrogram, title: str) -> bytes:
    figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    times = on.times_s(image.shape[1])
    extent = (float(times[0]), float(times[-1]), 0.0, on.sample_rate / 2000)
    axes.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation="nearest")
    axes.set_xlabel("time (s)")
    axes.set_ylabel("frequency (kHz)")
    axes.set_title(title, fontsize=10, loc="left")
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
