"""Where does a layer say that a click was, and at which pitch a tone? The geometry, measured.

A short click is added to faint noise at two instants, a tone at two pitches. A layer's response is the mean absolute
change of its activations, over neurons. The frame where a click changes it most, refined by a parabola through the
neighbouring frames, gives stride and offset in seconds; the row that a tone changes most gives its frequency. The
measure does not use the declared geometry, so the two can disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import capturing, lent, tensor_of
from otoscope.record.layers import Layer, modules_of
from otoscope.record.probe import ProbedLayer, noise, probe_samples, run

CLICK_S = 0.005
CLICKS = (0.3, 0.7)
TONES_HZ = (600.0, 2400.0)
_LEVEL = 0.02


@dataclass(frozen=True)
class Placed:
    """What was measured of one layer.

    Attributes
    ----------
    layer : str
        Its name.
    stride_s, offset_s : float
        From two clicks; NaN where the layer has no time axis or does not react.
    error_s : float
        Largest difference between a click's instant and the time that the declared geometry gives its frame.
    tolerance_s : float
        What is allowed: one and a half strides, at least 30 ms.
    tones : tuple of (float, float, int)
        Pitch of each tone, centre frequency of the row that it changed most, and how many rows that is from the
        nearest one; empty without frequency rows.
    """

    layer: str
    stride_s: float
    offset_s: float
    error_s: float
    tolerance_s: float
    tones: tuple[tuple[float, float, int], ...]

    @property
    def time_agrees(self) -> bool | None:
        """Whether the clicks are found where they were put; None without a time axis."""
        return None if np.isnan(self.error_s) else bool(self.error_s <= self.tolerance_s)

    @property
    def frequency_agrees(self) -> bool | None:
        """Whether each tone changed most a row next to its own; None without frequency rows."""
        return all(off <= 1 for *_, off in self.tones) if self.tones else None


def place_layers(model: AudioModel, layers: tuple[ProbedLayer, ...]) -> tuple[Placed, ...]:
    """Return, for each layer, where clicks and tones were found."""
    n_samples = probe_samples(model)
    base = noise(model, 1, n_samples) * _LEVEL
    seconds = [share * n_samples / model.sample_rate for share in CLICKS]
    pitches = [pitch for pitch in TONES_HZ if pitch < 0.45 * model.sample_rate]
    with lent(model):
        silent = _grids(model, layers, base)
        clicks = [_grids(model, layers, _clicked(base, at, model.sample_rate)) for at in seconds]
        tones = [_grids(model, layers, _toned(base, pitch, model.sample_rate)) for pitch in pitches]
    return tuple(
        _placed(
            one,
            [_change(silent[one.layer], grids[one.layer]) for grids in clicks],
            [_change(silent[one.layer], grids[one.layer]) for grids in tones],
            seconds,
            pitches,
        )
        for one in layers
    )


def _clicked(base: Tensor, at_s: float, sample_rate: int) -> Tensor:
    length = max(2, round(CLICK_S * sample_rate))
    start = round(at_s * sample_rate) - length // 2
    click = base.clone()
    click[..., start : start + length] += (
        0.9 * torch.hann_window(length, device=base.device) * _alternating(length, base)
    )
    return click


def _alternating(length: int, like: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.sign(torch.randn(length, generator=generator)).to(like.device)


def _toned(base: Tensor, pitch_hz: float, sample_rate: int) -> Tensor:
    seconds = torch.arange(base.shape[-1], device=base.device) / sample_rate
    return base + 0.3 * torch.sin(2 * torch.pi * pitch_hz * seconds)


def _grids(model: AudioModel, layers: tuple[ProbedLayer, ...], waveform: Tensor) -> dict[Layer, Tensor]:
    geometry = {one.layer: one.geometry for one in layers}
    grids: dict[Layer, Tensor] = {}

    def listen(layer: Layer, output: Any) -> None:
        grids[layer] = geometry[layer].grid(tensor_of(layer, output)).float().cpu()

    with capturing(modules_of(model), geometry, listen):
        logits = run(model, waveform)
    for layer in geometry:
        if layer.module is None:
            listen(layer, logits)
    return grids


def _change(before: Tensor, after: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the mean absolute change ``(frequency, frame)``."""
    return (after - before).abs().mean(dim=(0, 1)).double().numpy()


def _placed(
    one: ProbedLayer,
    clicks: list[np.ndarray[Any, Any]],
    tones: list[np.ndarray[Any, Any]],
    seconds: list[float],
    pitches: list[float],
) -> Placed:
    geometry = one.geometry
    rows: tuple[tuple[float, float, int], ...] = ()
    if geometry.frequency_hz is not None and geometry.n_frequency > 1:
        hertz = np.asarray(geometry.frequency_hz)
        rows = tuple(_row(hertz, pitch, change) for pitch, change in zip(pitches, tones, strict=True))
    tolerance = max(1.5 * geometry.stride_s, 0.03)
    if geometry.n_time < 4 or not all(change.any() for change in clicks):
        return Placed(one.name, np.nan, np.nan, np.nan, tolerance, rows)
    frames = [_refined(change.mean(axis=0)) for change in clicks]
    stride = (seconds[1] - seconds[0]) / (frames[1] - frames[0]) if frames[1] != frames[0] else np.inf
    errors = [
        abs(geometry.offset_s + frame * geometry.stride_s - at)
        for frame, at in zip(frames, seconds, strict=True)
    ]
    return Placed(
        one.name, float(stride), float(seconds[0] - frames[0] * stride), max(errors), tolerance, rows
    )


def _row(
    hertz: np.ndarray[Any, Any], pitch_hz: float, change: np.ndarray[Any, Any]
) -> tuple[float, float, int]:
    found, nearest = int(change.mean(axis=1).argmax()), int(np.abs(hertz - pitch_hz).argmin())
    return pitch_hz, float(hertz[found]), abs(found - nearest)


def _refined(response: np.ndarray[Any, Any]) -> float:
    """Return the frame of the largest response, refined by a parabola through its neighbours."""
    peak = int(response.argmax())
    if peak in (0, len(response) - 1):
        return float(peak)
    left, middle, right = response[peak - 1 : peak + 2]
    curvature = left - 2 * middle + right
    return float(peak) if curvature == 0 else peak + 0.5 * float(left - right) / float(curvature)
