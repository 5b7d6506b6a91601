"""The acoustic captioner: hears the waveform, measures it, and says what it measured.

It sees nothing else: no label, no file name, no spectrogram of any network. Clips are mixed to one channel and
resampled to :data:`~otoscope.caption.acoustic.frames.ANALYSIS_RATE`; of a clip longer than
:attr:`AcousticCaptioner.longest_s` its beginning is described, and ``analysed_s`` says how much. Beside the text
stand all measurements, one column each, null where a clip has none (the pitch of noise).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.caption.acoustic import (
    level,
    likeness,
    modulation,
    onsets,
    pitch,
    sentences,
    silence,
    spectrum,
    words,
)
from otoscope.caption.acoustic.frames import ANALYSIS_RATE, analyse
from otoscope.caption.captioner import Rows, chosen, table
from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.errors import InputError
from otoscope.progress import track
from otoscope.store.hashing import hash8

FAMILIES = (level, silence, pitch, spectrum, onsets, modulation)
"""One module a family: ``COLUMNS`` and ``measure(frames) -> {column: value}``."""

COLUMNS = ("analysed_s", *(name for family in FAMILIES for name in family.COLUMNS))
"""All measurements, in the order of the table."""

_VERSION = 1


@dataclass(frozen=True)
class AcousticCaptioner:
    """Measured sound in plain English.

    Attributes
    ----------
    longest_s : float
        Seconds from the beginning of a clip that are described.
    """

    longest_s: float = 60.0

    @property
    def id(self) -> str:
        """``acoustic-`` and a hash of version, rate and longest clip."""
        return f"acoustic-{hash8(['acoustic', _VERSION, ANALYSIS_RATE, self.longest_s])}"

    @property
    def circular(self) -> bool:
        """False: the captioner hears the waveform only."""
        return False

    def captions(self, clips: Clips, *, rows: Rows | None = None, workers: int | None = 0) -> pl.DataFrame:
        """Return the table of captions with the measurements; a clip that cannot be decoded is ``failed``.

        Cost: about 25 ms a clip of 5 s on one core, decoding not counted.
        """
        wanted = chosen(clips, rows)
        ids = clips.table["id"].to_list()
        texts: dict[int, str] = {}
        reasons: dict[int, str] = {}
        measured: dict[int, dict[str, float]] = {}
        stream = batches(clips, Decoding(ANALYSIS_RATE), rows=wanted, batch_size=1, workers=workers)
        for batch in track(stream, len(wanted), "caption"):
            reasons.update((failure.row, failure.reason) for failure in batch.failures)
            for row, waveform in zip(batch.rows.tolist(), batch.waveforms, strict=True):
                measured[row] = self.measure(waveform[0])
                texts[row] = self.describe(measured[row], ids[row])
        return table(clips, wanted, texts, reasons).hstack(_columns(wanted, measured))

    def measure(self, waveform: NDArray[np.float32]) -> dict[str, float]:
        """Return the measurements of a waveform float32 (time,) at the analysis rate, absent where undefined."""
        heard = waveform[: max(1, round(self.longest_s * ANALYSIS_RATE))]
        frames = analyse(heard)
        found = {"analysed_s": heard.size / ANALYSIS_RATE}
        for family in FAMILIES:
            found |= family.measure(frames)
        return found | {"duration_s": waveform.size / ANALYSIS_RATE}

    def describe(self, measured: Mapping[str, float], clip_id: str) -> str:
        """Return the caption for the measurements of a clip."""
        seen = words.impression(measured)
        return sentences.compose(seen, likeness.called(seen, measured), clip_id)

    def notes(self, clips: Clips) -> Mapping[str, Any]:
        """Return the analysis rate and how much of a clip is described."""
        return {"analysis_rate_hz": ANALYSIS_RATE, "longest_s": self.longest_s}


def _columns(rows: list[int], measured: Mapping[int, Mapping[str, float]]) -> list[pl.Series]:
    """Return one Float64 column a measurement, null where it is not defined."""
    found = []
    for name in COLUMNS:
        values = [measured.get(row, {}).get(name) for row in rows]
        kept = [one if one is not None and math.isfinite(one) else None for one in values]
        found.append(pl.Series(name, kept, dtype=pl.Float64))
    return found


def load(rest: str = "") -> AcousticCaptioner:
    """Return the captioner ``acoustic``; it takes no further words.

    Raises
    ------
    InputError
        If ``rest`` is not empty.
    """
    if rest:
        raise InputError(f"the captioner 'acoustic' takes nothing after its name, got {rest!r}")
    return AcousticCaptioner()
