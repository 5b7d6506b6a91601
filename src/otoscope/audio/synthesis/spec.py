"""Hold the synthesiser's nouns: a parameter's range, a kind of sound, one sound with everything fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError

Waveform = NDArray[np.floating[Any]]
Params = dict[str, Any]


MakeSound = Callable[..., Waveform]


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, evenly spread on a linear or logarithmic axis.

    Attributes
    ----------
    low, high : float
        The ends, in the unit of the parameter's name.
    scale : str
        ``"linear"``, ``"log"`` or ``"integer"`` (both ends included).
    """

    low: float
    high: float
    scale: str = "linear"

    def at(self, position: float) -> float | int:
        """Return the value at ``position`` in [0, 1): 0 is ``low``, 1 is ``high``."""
        if self.scale == "integer":
            return int(self.low + np.floor(position * (self.high - self.low + 1)))
        if self.scale == "log":
            return float(self.low * (self.high / self.low) ** position)
        return float(self.low + position * (self.high - self.low))


@dataclass(frozen=True)
class Choice:
    """One of a few named values."""

    values: tuple[Any, ...]

    def at(self, position: float) -> Any:
        """Return the value at ``position`` in [0, 1)."""
        return self.values[int(position * len(self.values))]


def nothing_to_add(rng: np.random.Generator, duration_s: float, params: Params) -> Params:
    """Return no further parameters: the drawn ones say everything."""
    return {}


@dataclass(frozen=True)
class Kind:
    """A recipe for sounds, with the ranges of its parameters.

    Attributes
    ----------
    name, label : str
        The name in the table (``"am_tone"``) and the class label in plain English (``"tremolo tone"``).
    make : MakeSound
        ``make(rng, sample_rate, duration_s, **params)`` -> waveform ``(time,)`` at any level.
    ranges : mapping of str to Range or Choice
        What :func:`~otoscope.audio.synthesis.catalogue.catalogue` spreads over; names end in their unit.
    complete : callable
        ``complete(rng, duration_s, params)`` -> further parameters that follow from the drawn ones or need
        randomness of their own, such as the times of irregular onsets.
    level_db : Range
        True peak level, decibels of full scale.
    onset_s : tuple of float, or None
        Times at which something starts, for kinds without a parameter ``onset_s``; None = not known.
    """

    name: str
    label: str
    make: MakeSound
    ranges: Mapping[str, Range | Choice]
    complete: Callable[[np.random.Generator, float, Params], Params] = nothing_to_add
    level_db: Range = Range(-24.0, -3.0)
    onset_s: tuple[float, ...] | None = (0.0,)


@dataclass(frozen=True)
class SoundSpec:
    """One sound with every parameter fixed; equal specs give equal samples.

    Attributes
    ----------
    kind, label : str
        Name of the kind in ``KINDS``, and its label in plain English.
    params : dict of str to JSON value
        Every known property: numbers, strings or lists of numbers, units in the names.
    seed : int
        Seeds what the parameters leave open (the noise's samples), >= 0.
    duration_s : float
        Length, seconds, > 0.
    level_db : float
        True peak level of the rendered sound, decibels of full scale, <= 0.
    """

    kind: str
    label: str
    params: Params
    seed: int
    duration_s: float = 2.0
    level_db: float = -6.0

    def __post_init__(self) -> None:
        if not self.duration_s > 0:
            raise InputError(f"duration_s must be > 0 seconds, got {self.duration_s!r}")
        if not self.level_db <= 0:
            raise InputError(
                f"level_db must be <= 0 dB of full scale (more would clip), got {self.level_db!r}"
            )
