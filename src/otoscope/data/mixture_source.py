"""Renders a mixture from its parts: each read, cut to its stretch, brought to its level, added at its onset.

    mix(t) = c sum over parts of 10^((level_db + gain_db) / 20) x(t - onset) / rms(x),   c = min(1, 1 / peak)

with x the part's stretch in mono at the mixture's rate, faded over ``FADE_S`` at both ends, its RMS over the stretch,
and peak that of the sum without c: a sum beyond full scale is turned down as a whole, so gains between parts stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.audio import channels
from otoscope.audio.resample import resample
from otoscope.data.source import Source
from otoscope.errors import AudioFileError

FADE_S = 0.005
"""Fade in and out of every part."""

QUIET_DB = -60.0
"""What lies this far below a sound's peak, before its first and after its last louder sample, is cut off."""


def stretch_of(waveform: NDArray[np.float32], sample_rate: int) -> tuple[float, float] | None:
    """Return start and length in seconds of what sounds in ``(channel, time)``; None for digital silence.

    Examples
    --------
    >>> stretch_of(np.array([[0.0, 0.0, 0.5, 0.0, -0.5, 0.0]], np.float32), 2)
    (1.0, 1.5)
    """
    level = np.abs(channels.apply(waveform, "mix")[0])
    loud = np.flatnonzero(level > level.max(initial=0.0) * 10 ** (QUIET_DB / 20))
    if not loud.size:
        return None
    return int(loud[0]) / sample_rate, (int(loud[-1]) + 1 - int(loud[0])) / sample_rate


@dataclass(frozen=True)
class MixtureSource:
    """Renders mixtures.

    Attributes
    ----------
    inner : Source
        Reads the parts.
    sample_rate : int
        Hz.
    length_s : float
        Length of every mixture.
    level_db : float
        RMS level of a part of gain 0 dB, dBFS; lower where the sum would exceed full scale.
    """

    inner: Source
    sample_rate: int
    length_s: float
    level_db: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that :meth:`read` needs."""
        return ("parts",)

    def read(self, record: Mapping[str, Any]) -> tuple[NDArray[np.float32], int]:
        """Return (waveform float32 (1, time), sample_rate).

        Raises
        ------
        AudioFileError
            If a part cannot be read, or its sound has changed so that nothing is heard in its stretch.
        """
        return sum_of(self.parts(record)), self.sample_rate

    def parts(self, record: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return every part as it stands in the mixture, float32 (part, time); their sum is the mixture."""
        parts = json.loads(record["parts"])
        made = np.zeros((len(parts), round(self.length_s * self.sample_rate)), np.float32)
        for place, part in enumerate(parts):
            sound = self._part(part)
            first = round(part["onset_s"] * self.sample_rate)
            room = made.shape[1] - first
            made[place, first : first + len(sound)] = sound[:room]
        return made / max(1.0, float(np.abs(sum_of(made)).max()))

    def size(self, record: Mapping[str, Any]) -> int:
        """Return the number of bytes of the rendered samples."""
        return 4 * round(self.length_s * self.sample_rate)

    def duration_s(self, record: Mapping[str, Any]) -> float:
        """Return how long the mixture lasts."""
        return self.length_s

    def _part(self, part: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return a part's stretch at its level, float32 (time,)."""
        waveform, rate = self.inner.read(part["record"])
        first = round(part["start_s"] * rate)
        last = first + round((part["offset_s"] - part["onset_s"]) * rate)
        cut = channels.apply(waveform, "mix")[:, first:last]
        if not cut.any():
            raise AudioFileError(f"{part['source']}: nothing is heard from {part['start_s']:g} s on")
        sound = _faded(resample(cut, rate, self.sample_rate)[0], self.sample_rate)
        rms = float(np.sqrt(np.square(sound, dtype=np.float64).mean()))
        level = 10 ** ((self.level_db + part["gain_db"]) / 20)
        return np.asarray(sound * (level / rms), np.float32)


def sum_of(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum of parts (part, time) as (1, time), added up in double precision."""
    return np.asarray(parts.sum(axis=0, dtype=np.float64, keepdims=True), np.float32)


def _faded(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Return the sound with both ends faded by a raised cosine; a very short one less."""
    n = min(round(FADE_S * sample_rate), len(sound) // 4)
    ramp = np.ones(len(sound))
    ramp[:n] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(n, 1))
    return np.asarray(sound * ramp * ramp[::-1], np.float32)
