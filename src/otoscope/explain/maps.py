"""How does a network's map of relevance become a mask on the linear spectrogram?

*Placing.* A layer's map has rows at known frequencies (mel bands, patches of bands) and columns at known seconds. By
``geometry`` each bin of the spectrogram takes the value at its own frequency and moment, linearly between rows and
columns, the nearest one outside. ``stretch`` resizes the picture to the spectrogram bilinearly, as published: it
puts the rows of a mel map at wrong frequencies, and is right where the network hears a linear spectrogram.

*Threshold.* ``quantile``: bins at or above the q-quantile (linear interpolation) of the clip's map are 1, the others 0;
a bin at the map's lowest value is never kept, so a constant map (silence) explains nothing. ``as-published`` keeps it:
there a constant map keeps everything. ``soft``: the positive part divided by its maximum.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain.spectrogram import Spectrogram
from otoscope.models.geometry import Geometry

Threshold = Literal["quantile", "as-published", "soft"]
THRESHOLDS: tuple[Threshold, ...] = ("quantile", "as-published", "soft")


def mask_of(relevance: Tensor, threshold: str = "quantile", quantile: float = 0.9) -> Tensor:
    """Return the mask of a relevance ``(clip, frequency, frame)``, in [0, 1], same shape.

    Parameters
    ----------
    relevance : Tensor
        Finite; higher is more relevant.
    threshold : {"quantile", "as-published", "soft"}
        See the module.
    quantile : float
        Share of the bins that is left out.

    Raises
    ------
    InputError
        If the relevance is not finite.

    Examples
    --------
    >>> mask_of(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), quantile=0.5)
    tensor([[[0., 0., 1., 1.]]])
    """
    if threshold not in THRESHOLDS:
        raise UnknownNameError.of("threshold of a map", threshold, THRESHOLDS)
    if not bool(relevance.isfinite().all()):
        raise InputError(
            "the relevance holds NaN or infinity: the network's gradient or map is broken on this sound"
        )
    flat = relevance.detach().flatten(1)
    if threshold == "soft":
        positive = flat.clamp_min(0)
        return (
            (positive / positive.amax(1, keepdim=True).clamp_min(1e-30)).clamp(0, 1).reshape(relevance.shape)
        )
    edge = quantile_of(flat, quantile)
    kept = flat >= edge
    if threshold == "quantile":
        kept &= flat > flat.amin(1, keepdim=True)
    return kept.to(relevance.dtype).reshape(relevance.shape)


def quantile_of(flat: Tensor, quantile: float) -> Tensor:
    """Return the quantile of each row ``(clip, 1)``, linear between values, for rows of any length."""
    place = quantile * (flat.shape[1] - 1)
    low = int(place)
    below = flat.kthvalue(low + 1, dim=1, keepdim=True).values
    if low == place:
        return below
    above = flat.kthvalue(low + 2, dim=1, keepdim=True).values
    return torch.lerp(below, above, place - low)


def placed(
    grid: Tensor, geometry: Geometry, on: Spectrogram, n_frames: int, placement: str = "geometry"
) -> Tensor:
    """Return a map ``(clip, row, column)`` on the spectrogram ``(clip, frequency, frame)``.

    Parameters
    ----------
    grid : Tensor
        Values of the layer's positions, low frequencies first.
    geometry : Geometry
        Of the layer: seconds of its columns and, where known, hertz of its rows.
    on : Spectrogram
        Where the map goes.
    n_frames : int
        Frames of the spectrogram.
    placement : {"geometry", "stretch"}
        See the module. Rows without a frequency are spread evenly from 0 Hz to half the rate.
    """
    size = on.settings.n_frequencies, n_frames
    if placement == "stretch":
        return functional.interpolate(grid[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    if placement != "geometry":
        raise UnknownNameError.of("placement of a map", placement, ("geometry", "stretch"))
    by_row, by_column = placing(geometry, on, n_frames, (grid.shape[1], grid.shape[2]))
    return by_row.to(grid) @ grid @ by_column.to(grid).mT


def placing(
    geometry: Geometry, on: Spectrogram, n_frames: int, size: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """Return the matrices ``(frequency, row)`` and ``(frame, column)`` that place a map by its geometry.

    Parameters
    ----------
    geometry, on, n_frames
        As in :func:`placed`.
    size : (int, int), optional
        Rows and columns of the map; None: those of the geometry.
    """
    n_rows, n_columns = (geometry.n_frequency, geometry.n_time) if size is None else size
    stride = geometry.stride_s if geometry.stride_s > 0 else 1.0
    columns = (on.times_s(n_frames).numpy() - geometry.offset_s) / stride
    return _between(_row_places(geometry, on, n_rows), n_rows), _between(columns, n_columns)


def _row_places(geometry: Geometry, on: Spectrogram, n_rows: int) -> np.ndarray:
    frequencies = on.frequencies_hz().numpy()
    if geometry.frequency_hz is None:
        return (frequencies / (on.sample_rate / 2) * n_rows) - 0.5
    return np.asarray(np.interp(frequencies, np.asarray(geometry.frequency_hz), np.arange(n_rows)))


def _between(places: np.ndarray, n: int) -> Tensor:
    """Return the matrix ``(place, n)`` that takes each place's value linearly from its two neighbours."""
    held = np.clip(places, 0, n - 1)
    low = np.minimum(held.astype(np.int64), max(n - 2, 0))
    share = held - low
    matrix = np.zeros((len(held), n))
    np.add.at(matrix, (np.arange(len(held)), low), 1 - share)
    np.add.at(matrix, (np.arange(len(held)), np.minimum(low + 1, n - 1)), share)
    return torch.from_numpy(matrix)
