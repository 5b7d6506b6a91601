"""Does an explanation point to the moments at which the sound is known to be there?

Definitions, for the relevance r ``(clip, frame)`` of each frame and whether the sound is active in it:

- *localisation AUROC*: probability that an active frame has more relevance than an inactive one (a tie: one half);
- *energy in events*: sum of r over active frames / sum of r over all frames;
- *pointing game*: 1 where the most relevant frame is active.

Conventions: one value per clip; a clip that is active in no frame or in all of them has none (NaN). The relevance of a
frame is the energy that the mask passes there, or the mean of the mask; the energy of the *input* per frame is the
control to beat.
Reference: J. Zhang et al., "Top-Down Neural Attention by Excitation Backprop", ECCV 2016 (pointing game).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError
from otoscope.metrics.classification import Floats, ratio
from otoscope.metrics.ranking import auroc, validate


def active_frames(
    onsets_s: Floats, offsets_s: Floats, n_frames: int, stride_s: float, offset_s: float = 0.0
) -> NDArray[np.bool_]:
    """Return whether each frame's centre lies in one of the events ``[onset, offset)``, ``(frame,)``.

    Raises
    ------
    InputError
        If an event has no end, or ends before it begins.
    """
    if onsets_s.shape != offsets_s.shape or not (offsets_s >= onsets_s).all():
        raise InputError(f"each event ends after it begins, got onsets {onsets_s} and offsets {offsets_s}")
    centres = offset_s + stride_s * np.arange(n_frames)
    inside = (centres[None] >= onsets_s[:, None]) & (centres[None] < offsets_s[:, None])
    return np.asarray(inside.any(axis=0))


def localisation_auroc(active: NDArray[Any], relevance: Floats) -> NDArray[np.float64]:
    """Return the AUROC of frames within each clip, ``(clip,)``; 0.5 by chance, higher is better."""
    return auroc(active.T, relevance.T)


def energy_in_events(active: NDArray[Any], relevance: Floats) -> NDArray[np.float64]:
    """Return the share of the relevance that falls on active frames, ``(clip,)``, in [0, 1], higher is better."""
    validate(active, relevance)
    return _where_both(active, ratio((relevance * active).sum(axis=1), relevance.sum(axis=1)))


def pointing_game(active: NDArray[Any], relevance: Floats) -> NDArray[np.float64]:
    """Return 1 where the most relevant frame is active, else 0; tied frames count by their share, ``(clip,)``."""
    validate(active, relevance)
    highest = relevance == relevance.max(axis=1, keepdims=True)
    return _where_both(active, ratio((highest & active).sum(axis=1), highest.sum(axis=1)))


def evaluate(active: NDArray[Any], relevance: Floats) -> dict[str, NDArray[np.float64]]:
    """Return all measures per clip by name."""
    return {
        "localisation_auroc": localisation_auroc(active, relevance),
        "energy_in_events": energy_in_events(active, relevance),
        "pointing_game": pointing_game(active, relevance),
    }


def _where_both(active: NDArray[Any], values: Floats) -> NDArray[np.float64]:
    share = active.mean(axis=1)
    return np.where((share > 0) & (share < 1), values, np.nan)
