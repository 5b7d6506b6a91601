"""From a network's hidden maps, of any shapes, to one picture on its linear spectrogram.

::

    h = entry_1(map_1)                                     deepest map first
    h = ReLU(norm(conv3x3(resize(h) + entry_i(map_i))))    at the size of each further map
    h = ReLU(norm(up(h)))                                  doublings: transposed convolution 4x4, stride 2
    picture = conv3x3(h)                                   (clip, output, row, column)

An entry is a 1x1 convolution to ``width`` neurons and a normalisation over neurons and positions, so that maps of any
scale count alike. Nothing is normalised over a batch: a clip's mask does not depend on its company. A map without
frequency rows gets eight, each a learnt mixture of its neurons.

The picture's rows and columns lie between those of the last map, whose hertz and seconds are known
(:func:`refined`); :class:`Placement` puts it on the spectrogram, where every bin takes the value at its own frequency
and moment. So every frame of the sound has a mask, whatever the hop of the network's layers.

*Where published decoders differ*: they are tied to one network's shapes and leave the last frames without a mask
(:mod:`otoscope.explain.decoder_published`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from otoscope.errors import InputError
from otoscope.explain.hidden import HiddenMaps
from otoscope.explain.maps import placing
from otoscope.explain.spectrogram import Spectrogram
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.record.probe import device_of

ROWS_WITHOUT_FREQUENCY = 8
FINE_ROWS = 40
"""A picture is doubled until it has so many rows, where the number of doublings is left open."""
MOST_ROWS = 64
"""Maps with more rows are not taken where the choice of layers is left open."""
_NARROWEST = 8
_NOTHING = -1e4


class FrameByFrame(nn.Module):
    """Puts a picture whose rows are the spectrogram's own on as many frames as the sound has.

    Frames beyond the picture's get a value whose sigmoid is 0: no mask; frames beyond the sound are dropped.

    Parameters
    ----------
    n_frequencies, n_frames : int
        Of the spectrogram.
    """

    def __init__(self, n_frequencies: int, n_frames: int) -> None:
        super().__init__()
        self.n_frequencies, self.n_frames = n_frequencies, n_frames

    def forward(self, picture: Tensor) -> Tensor:
        """Return ``(..., frequency, frame)`` of pictures ``(..., frequency, column)``."""
        if picture.shape[-2] != self.n_frequencies:
            raise InputError(
                f"the published decoder paints {picture.shape[-2]} rows, the spectrogram has {self.n_frequencies}; use "
                "architecture='any'"
            )
        missing = max(self.n_frames - picture.shape[-1], 0)
        return functional.pad(picture[..., : self.n_frames], (0, missing), value=_NOTHING)


class MapDecoder(nn.Module):
    """The decoder.

    Parameters
    ----------
    shapes : sequence of (neuron, frequency, frame)
        Of the maps, deepest first.
    width : int
        Neurons of the hidden maps; halved by each doubling, 8 at least.
    doublings : int or None
        How often the last map's grid is doubled; None: until it has 40 rows, at least once.
    outputs : int
        Pictures.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, int, int]],
        width: int = 32,
        doublings: int | None = None,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        if not shapes or width < 1 or outputs < 1 or (doublings is not None and doublings < 0):
            raise InputError(
                f"a decoder needs a map, a width and an output of 1 or more and no negative doublings; got "
                f"{len(shapes)} maps, width {width}, {outputs} outputs, {doublings} doublings"
            )
        self.entries = nn.ModuleList(_Entry(*shape[:2], width) for shape in shapes)
        self.merges = nn.ModuleList(_merge(width) for _ in shapes[1:])
        rows = grid_rows(shapes[-1])
        self.doublings = doublings_for(rows) if doublings is None else doublings
        widths = [max(width >> step, min(width, _NARROWEST)) for step in range(self.doublings + 1)]
        self.ups = nn.ModuleList(_double(before, after) for before, after in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], outputs, 3, padding=1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return pictures ``(clip, output, row, column)`` of maps, deepest first."""
        hidden = self.entries[0](maps[0])
        for entry, merge, one in zip(list(self.entries)[1:], self.merges, maps[1:]):
            fresh = entry(one)
            same = functional.interpolate(hidden, fresh.shape[2:], mode="bilinear", align_corners=False)
            hidden = merge(same + fresh)
        for up in self.ups:
            hidden = up(hidden)
        picture: Tensor = self.last(hidden)
        return picture


class _Entry(nn.Module):
    """A map of any network as ``width`` neurons."""

    def __init__(self, neurons: int, rows: int, width: int) -> None:
        super().__init__()
        self.rows = ROWS_WITHOUT_FREQUENCY if rows == 1 else 1
        self.mix = nn.Conv2d(neurons, width * self.rows, 1)
        self.norm = nn.GroupNorm(1, width)

    def forward(self, maps: Tensor) -> Tensor:
        mixed = self.mix(maps)
        if self.rows > 1:
            clips, _, _, columns = mixed.shape
            mixed = mixed.reshape(clips, -1, self.rows, columns)  # (clip, width, row, frame)
        normed: Tensor = self.norm(mixed)
        return normed


def _merge(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(1, width), nn.ReLU())


def _double(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(before, after, 4, 2, 1), nn.GroupNorm(1, after), nn.ReLU())


def grid_rows(shape: tuple[int, int, int]) -> int:
    """Return the rows that a map ``(neuron, frequency, frame)`` has in the decoder."""
    return ROWS_WITHOUT_FREQUENCY if shape[1] == 1 else shape[1]


def doublings_for(rows: int) -> int:
    """Return how often a grid of so many rows is doubled: until it has 40, at least once.

    Examples
    --------
    >>> [doublings_for(rows) for rows in (4, 5, 32, 64)]
    [4, 3, 1, 1]
    """
    return next(step for step in range(1, 64) if rows << step >= FINE_ROWS)


def refined(geometry: Geometry, doublings: int) -> Geometry:
    """Return the grid after so many doublings, in seconds and, where they are known, hertz.

    The rows of a map without frequencies, and those that a map of one row gets, have none: they are spread evenly.
    """
    factor = 2**doublings
    stride = geometry.stride_s / factor
    rows = (ROWS_WITHOUT_FREQUENCY if geometry.n_frequency == 1 else geometry.n_frequency) * factor
    return replace(
        geometry,
        axes="BCFT",
        n_prefix=0,
        n_folds=1,
        n_frequency=rows,
        n_time=geometry.n_time * factor,
        stride_s=stride,
        offset_s=geometry.offset_s - geometry.stride_s / 2 + stride / 2,
        frequency_hz=_between(geometry.frequency_hz, factor),
    )


def _between(frequencies: tuple[float, ...] | None, factor: int) -> tuple[float, ...] | None:
    """Return the frequencies of rows cut into ``factor`` each, continued evenly beyond the first and last."""
    if frequencies is None or len(frequencies) == 1:
        return None
    places = (np.arange(len(frequencies) * factor) + 0.5) / factor - 0.5
    known = np.asarray(frequencies)
    below = known[0] + np.minimum(places, 0) * (known[1] - known[0])
    above = np.maximum(places - (len(known) - 1), 0) * (known[-1] - known[-2])
    inside = np.interp(places, np.arange(len(known)), known)
    return tuple(np.where(places < 0, below, inside + above).tolist())


class Placement(nn.Module):
    """Puts pictures on a spectrogram: every bin takes the value at its frequency and moment, linearly.

    Parameters
    ----------
    geometry : Geometry
        Of the picture.
    on : Spectrogram
        Where it goes.
    n_frames : int
        Frames of the spectrogram.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, geometry: Geometry, on: Spectrogram, n_frames: int) -> None:
        super().__init__()
        rows, columns = placing(geometry, on, n_frames)
        self.register_buffer("rows", rows.float(), persistent=False)
        self.register_buffer("columns", columns.float(), persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        """Return ``(..., frequency, frame)`` of pictures ``(..., row, column)``."""
        return self.rows @ (picture @ self.columns.mT)


@dataclass(frozen=True)
class Canvas:
    """What a picture of sounds of one length is made from and goes on.

    Attributes
    ----------
    hidden : HiddenMaps
        Of the classifier, deepest first.
    placement : Placement or FrameByFrame
        Of the picture.
    n_samples : int
        Length of the sounds.
    """

    hidden: HiddenMaps
    placement: nn.Module
    n_samples: int

    @classmethod
    def of(
        cls, model: AudioModel, layers: Sequence[str], n_samples: int, on: Spectrogram, doublings: int | None
    ) -> Self:
        """Return the canvas of sounds of ``n_samples``.

        Parameters
        ----------
        model : AudioModel
            The classifier.
        layers : sequence of str
            Deepest first.
        n_samples : int
        on : Spectrogram
        doublings : int or None
            Of the decoder; None: its pictures have the spectrogram's own rows.
        """
        hidden = HiddenMaps.of(model, layers, n_samples)
        n_frames = on.n_frames(n_samples)
        if doublings is None:
            return cls(hidden, FrameByFrame(on.settings.n_frequencies, n_frames), n_samples)
        placement = Placement(refined(hidden.geometries[-1], doublings), on, n_frames)
        return cls(hidden, placement.to(device_of(model)), n_samples)


def deepest_first(model: AudioModel, layers: Sequence[str] | None, n_samples: int) -> HiddenMaps:
    """Return the maps of these layers, or of all declared ones with a map, deepest first.

    Layers that are named keep their order. Of unnamed ones, a transformer's inner layers (``mlp.act``) are left out
    where the blocks that hold them are declared, too, and so are maps of more than 64 rows, unless there are no others.
    """
    if layers is not None:
        return HiddenMaps.of(model, layers, n_samples)
    found = HiddenMaps.of(model, None, n_samples)
    outer = [name for name in found.layers if not any(name.startswith(f"{other}.") for other in found.layers)]
    rows = {name: shape[1] for name, shape in zip(found.layers, found.shapes)}
    coarse = [name for name in outer if rows[name] <= MOST_ROWS]
    return HiddenMaps.of(model, (coarse or outer)[::-1], n_samples)
