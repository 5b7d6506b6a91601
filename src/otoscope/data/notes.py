"""Synthetic notes of one instrument: ``notes:organ`` or ``notes:pluck?low=24&high=107&takes=4&seed=0``.

Every note from ``low`` to ``high`` (MIDI numbers, 60 = middle C = 261.6 Hz) is played ``takes`` times, each time a
little different in timbre, tuning (5 cents) and level. Label sets ``note`` (the MIDI number, primary) and ``octave``
(MIDI number // 12 - 1, so that middle C begins octave 4); the group is the note, since all takes of a note share it:
twelve groups an octave. Folds 1-5 are dealt out in turn within each octave, notes whole.

Two instruments on one network ask what octaves have in common across timbres, as Surge and NSynth do in T. Kawamura,
D. Niizumi, N. Ono, arXiv 2602.15307.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.audio.synthesis.instruments import find_instrument
from otoscope.audio.synthesis.signals import fade_edges, true_peak
from otoscope.data.clips import Clips, LabelSet
from otoscope.data.table import assemble, class_names
from otoscope.errors import InputError

_EXPECTED = "notes:INSTRUMENT?low=24&high=107&takes=4&duration_s=2&seed=0&sample_rate=16000"
_N_FOLDS = 5
_TUNING_CENTS = 5.0
_LEVELS_DB = (-24.0, -6.0)


@dataclass(frozen=True)
class NoteSource:
    """Plays the note of a row.

    Attributes
    ----------
    instrument : str
    sample_rate : int
        Hz.
    duration_s : float
    """

    instrument: str
    sample_rate: int
    duration_s: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that :meth:`read` needs."""
        return ("pitch_hz", "level_db", "seed")

    def read(self, record: Mapping[str, Any]) -> tuple[NDArray[np.float32], int]:
        """Return (waveform float32 (1, time), sample_rate)."""
        rng = np.random.default_rng(record["seed"])
        play = find_instrument(self.instrument)
        raw = fade_edges(play(rng, self.sample_rate, self.duration_s, record["pitch_hz"]), self.sample_rate)
        gain = 10 ** (record["level_db"] / 20) / true_peak(raw)
        return (raw * np.float32(gain)).astype(np.float32)[None, :], self.sample_rate

    def size(self, record: Mapping[str, Any]) -> int:
        """Return the number of bytes of the rendered samples."""
        return 4 * round(self.duration_s * self.sample_rate)


def load(
    rest: str,
    *,
    low: int = 24,
    high: int = 107,
    takes: int = 4,
    duration_s: float = 2.0,
    seed: int = 0,
    sample_rate: int = 16000,
) -> Clips:
    """Return synthetic notes of one instrument: notes:organ.

    Parameters
    ----------
    rest : str
        Name of the instrument.
    low, high : int
        First and last MIDI number, 12 to 119.
    takes : int
        How often each note is played.
    duration_s : float
        Length of every note.
    seed : int
        Equal seeds give equal sounds.
    sample_rate : int
        Hz; the highest note must lie below 0.95 of half of it.

    Raises
    ------
    UnknownNameError
        If there is no such instrument.
    InputError
        If a number cannot be used.
    """
    find_instrument(rest)
    if not 12 <= low <= high <= 119 or takes < 1 or seed < 0 or duration_s <= 0:
        raise InputError(
            f"expected {_EXPECTED} with 12 <= low <= high <= 119, takes >= 1, duration_s > 0 and seed >= 0; "
            f"got low={low}, high={high}, takes={takes}, duration_s={duration_s}, seed={seed}"
        )
    if pitch_hz(high + _TUNING_CENTS / 100) > 0.95 * sample_rate / 2:
        raise InputError(f"note {high} is {pitch_hz(high):.0f} Hz, too high for a rate of {sample_rate} Hz")
    frame = _table(rest, low, high, takes, seed)
    sets = [LabelSet(one, class_names(frame[one].to_list())) for one in ("note", "octave")]
    return assemble(
        frame,
        sets,
        NoteSource(rest, sample_rate, duration_s),
        name="notes",
        spec=f"notes:{rest}",
        expected=_EXPECTED,
        group_declared=True,
    )


def pitch_hz(midi: float) -> float:
    """Return the frequency of a MIDI number in equal temperament, A4 = 69 = 440 Hz.

    Examples
    --------
    >>> round(pitch_hz(60), 1), pitch_hz(81)
    (261.6, 880.0)
    """
    return float(440.0 * 2.0 ** ((midi - 69) / 12))


def _table(instrument: str, low: int, high: int, takes: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng([seed, *instrument.encode()])
    rows = []
    for note in range(low, high + 1):
        for take in range(takes):
            cents = rng.uniform(-_TUNING_CENTS, _TUNING_CENTS)
            rows.append(
                {
                    "path": f"{note:03d}-{take}",
                    "group": f"note {note}",
                    "fold": note % 12 % _N_FOLDS + 1,
                    "note": str(note),
                    "octave": str(note // 12 - 1),
                    "pitch_hz": pitch_hz(note + cents / 100),
                    "level_db": float(rng.uniform(*_LEVELS_DB)),
                    "seed": int(rng.integers(2**31)),
                }
            )
    return pl.DataFrame(rows)
