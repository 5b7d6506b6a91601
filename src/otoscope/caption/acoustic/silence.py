"""How much of the clip is silent, and into how many stretches of sound does it fall?

============================ =========================================================================
``duration_s``               length of the clip
``silence_share``            share of frames below -65 dBFS
``pause_share``              share of frames that do not sound (silence, and 30 dB or more below the loudest frame)
``event_count``              stretches of sound that stand out
``event_length_s``           median length of them
``event_gap_s``              median length of the gaps between them
============================ =========================================================================

An event is a stretch above ``loudest - min(20, half of (loudest - background))`` dB, the background being the 10th
percentile of the levels above silence; gaps shorter than 60 ms are closed. Where the loudest frame is less than
:data:`STANDS_OUT_DB` above the background, the whole sounding part is one event. A median level over 30 ms is used,
so that a single frame neither makes nor ends an event.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from otoscope.caption.acoustic.frames import (
    ANALYSIS_RATE,
    FLOOR_DB,
    HOP,
    SILENCE_DB,
    Frames,
    runs,
)

COLUMNS = (
    "duration_s",
    "silence_share",
    "pause_share",
    "event_count",
    "event_length_s",
    "event_gap_s",
)

STANDS_OUT_DB = 10.0
"""The loudest frame must be this far above the background for events to stand out."""

_CLOSED_GAP = 6
_FRAME_S = HOP / ANALYSIS_RATE


def measure(frames: Frames) -> dict[str, float]:
    """Return the columns of silence and events; those of events are absent for a silent clip."""
    found = {
        "duration_s": frames.duration_s,
        "silence_share": float(np.mean(frames.level_db < SILENCE_DB)),
        "pause_share": 1.0 - float(frames.sounding.mean()),
    }
    if frames.silent:
        return found
    stretches = events(frames)
    found["event_count"] = float(len(stretches))
    found["event_length_s"] = float(np.median(stretches[:, 1] - stretches[:, 0])) * _FRAME_S
    if len(stretches) > 1:
        found["event_gap_s"] = float(np.median(stretches[1:, 0] - stretches[:-1, 1])) * _FRAME_S
    return found


def events(frames: Frames) -> NDArray[np.int64]:
    """Return (event, 2): first frame and the one after the last of each stretch of sound; at least one."""
    level = (
        ndimage.median_filter(frames.level_db, 3, mode="nearest")
        if frames.level_db.size > 2
        else frames.level_db
    )
    level = np.maximum(level, FLOOR_DB)
    above = level[level > SILENCE_DB]
    loudest, background = float(level.max()), float(np.percentile(above, 10)) if above.size else FLOOR_DB
    if (level < SILENCE_DB).mean() > 0.1:
        background = SILENCE_DB
    if loudest - background < STANDS_OUT_DB:
        return _outer(frames.sounding)
    mask = level > loudest - min(20.0, (loudest - background) / 2)
    return _joined(runs(mask)) if mask.any() else _outer(frames.sounding)


def _outer(sounding: NDArray[np.bool_]) -> NDArray[np.int64]:
    place = np.flatnonzero(sounding)
    return np.array([[place[0], place[-1] + 1]])


def _joined(stretches: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the stretches with short gaps closed."""
    far = stretches[1:, 0] - stretches[:-1, 1] >= _CLOSED_GAP
    starts = np.concatenate([[True], far])
    ends = np.concatenate([far, [True]])
    return np.stack([stretches[starts, 0], stretches[ends, 1]], axis=1)  # (event, 2)
