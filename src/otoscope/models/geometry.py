"""Where in a recording does position i of a layer's output lie?

A layer's output is a tensor whose dimensions are named by ``axes``: ``B`` clip, ``C`` neuron, ``F``
frequency, ``T`` time, ``N`` token. A convolution map is ``"BCFT"``, a transformer block ``"BNC"``, a
vector ``"BC"``, a recurrent net that puts time first ``"TBC"``. The ``n_tokens = n_prefix + n_frequency
* n_time`` tokens of an ``N`` axis are first the special ones (CLS, distillation), then the grid:
``time-major`` means that token ``n_prefix + n_frequency * t + f`` stands at time t and frequency row f,
``frequency-major`` that token ``n_prefix + n_time * f + t`` does.

A network may cut time into ``n_folds`` stretches of equal length and stack them along frequency (HTSAT). Its picture
then has ``n_folds * n_frequency`` rows and ``n_time / n_folds`` columns, and row ``n_frequency * r + f`` is frequency
row f of stretch r; :meth:`Geometry.grid` unfolds it.

The centre of position t lies ``offset_s + t * stride_s`` seconds after the start of the waveform that
was given to the network, and frequency row f is centred on ``frequency_hz[f]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from otoscope.errors import InputError

ORDERS = ("time-major", "frequency-major")
_AXES = frozenset("BCFTN")


@dataclass(frozen=True)
class Geometry:
    """The axes of a layer's output and its grid in seconds and hertz.

    Attributes
    ----------
    axes : str
        One letter per dimension of the output, of ``B`` clip, ``C`` neuron, ``F`` frequency, ``T`` time,
        ``N`` token.
    n_prefix : int
        Special tokens before the grid; they have no place in time.
    n_frequency, n_time : int
        Size of the grid.
    order : {"time-major", "frequency-major"}
        How tokens run through the grid; without meaning where there is no ``N``.
    stride_s, offset_s : float
        Seconds from one centre to the next, and from the waveform's start to the first centre.
    frequency_hz : tuple of float or None
        Centre of each frequency row, low index first as in the tensor; None where rows have no
        frequency.
    approximate : bool
        True where the grid was inferred in proportion and not declared.
    n_folds : int
        Stretches of time that are stacked along frequency; 1 = none. Tokens of a folded picture run frequency-major.
    """

    axes: str
    n_prefix: int = 0
    n_frequency: int = 1
    n_time: int = 1
    order: str = "time-major"
    stride_s: float = 0.0
    offset_s: float = 0.0
    frequency_hz: tuple[float, ...] | None = None
    approximate: bool = False
    n_folds: int = 1

    def __post_init__(self) -> None:
        if len(set(self.axes)) != len(self.axes) or not set(self.axes) <= _AXES or "B" not in self.axes:
            raise InputError(
                f"axes {self.axes!r}: expected B (clip) and at most once each of C (neuron), F (frequency), "
                "T (time), N (token)"
            )
        if "N" in self.axes and set(self.axes) & {"F", "T"}:
            raise InputError(f"axes {self.axes!r}: N (token) already stands for frequency and time")
        if self.order not in ORDERS:
            raise InputError(f"order {self.order!r}: expected one of {', '.join(ORDERS)}")
        if self.n_folds < 1 or (
            self.n_folds > 1 and (self.n_time % self.n_folds or self.order == "time-major")
        ):
            raise InputError(
                f"{self.n_folds} folds of {self.n_time} frames, {self.order}: folds divide the frames, and tokens of "
                "folds run frequency-major"
            )
        if self.frequency_hz is not None and len(self.frequency_hz) != self.n_frequency:
            raise InputError(f"{len(self.frequency_hz)} frequencies for {self.n_frequency} frequency rows")

    @property
    def n_positions(self) -> int:
        """Positions of the grid, special tokens not counted."""
        return self.n_frequency * self.n_time

    def times_s(self) -> npt.NDArray[np.float64]:
        """Return the centres of the frames in seconds from the waveform's start, ``(frame,)``."""
        return self.offset_s + self.stride_s * np.arange(self.n_time, dtype=np.float64)

    def n_neurons(self, shape: tuple[int, ...]) -> int:
        """Return how many neurons an output of this ``shape`` has (1 where there is no neuron axis)."""
        self._check(shape)
        return shape[self.axes.index("C")] if "C" in self.axes else 1

    def n_frames_within(self, duration_s: float) -> int:
        """Return how many frames have their centre before ``duration_s``, at least 1."""
        if self.stride_s <= 0.0:
            return self.n_time
        return int(np.clip(math.ceil((duration_s - self.offset_s) / self.stride_s - 1e-9), 1, self.n_time))

    def grid(self, output: Tensor) -> Tensor:
        """Return the output as ``(clip, neuron, frequency, frame)`` without the special tokens.

        A view where the tensor's memory allows it.

        Parameters
        ----------
        output : Tensor
            A layer's output with the dimensions ``axes``.

        Examples
        --------
        >>> import torch
        >>> Geometry("BNC", n_prefix=2, n_frequency=3, n_time=4).grid(torch.zeros(5, 14, 7)).shape
        torch.Size([5, 7, 3, 4])
        """
        tokens = self._ordered(output)
        if "N" not in self.axes:
            return self._unfolded(tokens)  # (clip, neuron, frequency, frame)
        body = tokens[:, :, self.n_prefix :]  # (clip, neuron, token)
        if self.n_folds > 1:
            return self._unfolded(body.reshape(*body.shape[:2], self.n_folds * self.n_frequency, -1))
        if self.order == "frequency-major":
            return body.reshape(*body.shape[:2], self.n_frequency, self.n_time)
        return body.reshape(*body.shape[:2], self.n_time, self.n_frequency).transpose(2, 3)

    def prefix(self, output: Tensor) -> Tensor:
        """Return the special tokens as ``(clip, neuron, token)``, with no token where there are none."""
        if "N" not in self.axes:
            return self._ordered(output).flatten(2)[:, :, :0]
        return self._ordered(output)[:, :, : self.n_prefix]

    def _unfolded(self, picture: Tensor) -> Tensor:
        """Return ``(clip, neuron, frequency, frame)`` of a picture whose stretches of time are stacked."""
        if self.n_folds == 1:
            return picture
        clips, neurons, _, columns = picture.shape
        stretches = picture.reshape(clips, neurons, self.n_folds, self.n_frequency, columns)
        return stretches.transpose(2, 3).flatten(3)  # (clip, neuron, frequency, frame)

    def _ordered(self, output: Tensor) -> Tensor:
        self._check(tuple(output.shape))
        wanted = "BCN" if "N" in self.axes else "BCFT"
        present = [self.axes.index(axis) for axis in wanted if axis in self.axes]
        ordered = output.permute(present)
        for position, axis in enumerate(wanted):
            if axis not in self.axes:
                ordered = ordered.unsqueeze(position)
        return ordered

    def _check(self, shape: tuple[int, ...]) -> None:
        rows, columns = self.n_frequency * self.n_folds, self.n_time // self.n_folds
        expected = {"F": rows, "T": columns, "N": self.n_prefix + self.n_positions}
        fits = len(shape) == len(self.axes) and all(
            expected.get(axis, size) == size for axis, size in zip(self.axes, shape, strict=True)
        )
        if not fits:
            raise InputError(f"an output of shape {tuple(shape)} does not fit its declared geometry {self}")

    def to_json(self) -> dict[str, Any]:
        """Return the geometry as a JSON-able dict; ``n_folds`` only where there are several."""
        fields = asdict(self)
        fields["frequency_hz"] = None if self.frequency_hz is None else list(self.frequency_hz)
        if self.n_folds == 1:
            del fields["n_folds"]
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the geometry written by :meth:`to_json`."""
        frequency_hz = fields.get("frequency_hz")
        return cls(**{**fields, "frequency_hz": None if frequency_hz is None else tuple(frequency_hz)})

    @classmethod
    def vector(cls, duration_s: float, *, approximate: bool = False) -> Self:
        """Return the geometry of ``(clip, neuron)``: one position stands for the whole input."""
        return cls("BC", stride_s=duration_s, offset_s=duration_s / 2, approximate=approximate)

    @classmethod
    def in_proportion(cls, axes: str, shape: tuple[int, ...], duration_s: float) -> Self:
        """Return the geometry of an undeclared layer: its time axis divides the input evenly.

        Parameters
        ----------
        axes : str
            Names of the output's dimensions; ``N`` is read as time.
        shape : tuple of int
            The output's shape.
        duration_s : float
            Length of the waveform that was given to the network, in seconds.
        """
        axes = axes.replace("N", "T")
        if len(axes) != len(shape):
            raise InputError(
                f"axes {axes!r} name {len(axes)} dimensions, the output has shape {tuple(shape)}"
            )
        sizes = dict(zip(axes, shape, strict=True))
        n_time = sizes.get("T", 1)
        stride_s = duration_s / max(n_time, 1)
        return cls(
            axes,
            n_frequency=sizes.get("F", 1),
            n_time=n_time,
            stride_s=stride_s,
            offset_s=stride_s / 2,
            approximate=True,
        )
