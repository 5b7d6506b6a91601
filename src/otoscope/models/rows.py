"""At which frequency does a row of a network's map stand? Rows join several mel bands each."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from otoscope.audio import mel_scale


def middles_hz(tips_hz: Sequence[float], scale: mel_scale.Scale, joined: int, step: int) -> tuple[float, ...]:
    """Return the middle in mel of each row, in hertz.

    Parameters
    ----------
    tips_hz : sequence of float
        Tips of the mel bands, lowest first.
    scale : str
        Of the mel bands.
    joined, step : int
        Bands of a row, and from one row to the next. Bands that fill no row are left out.

    Examples
    --------
    >>> [round(hz) for hz in middles_hz((100.0, 200.0, 300.0, 400.0, 500.0), "slaney", 2, 2)]
    [150, 350]
    """
    mels = mel_scale.hz_to_mel(torch.tensor(tuple(tips_hz), dtype=torch.float64), scale)
    rows = mels.unfold(0, joined, step).mean(1)
    return tuple(mel_scale.mel_to_hz(rows, scale).tolist())
