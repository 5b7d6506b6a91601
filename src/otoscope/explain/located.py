"""Where the truth is known: does what a mask passes lie where and when the target sounds?

*When*: the energy that a mask passes per frame against known onsets and offsets of the explained class
(:mod:`otoscope.metrics.localisation`). All-pass is the input's own energy, the control to beat.

*What*: of a mixture whose parts are known, the share of the passed energy that is the explained class's
(:mod:`otoscope.metrics.separation`); the rest of the mixture is the other sound.

Clips without such truth for the explained class have NaN, and are counted as dropped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope.explain.judge import Judge
from otoscope.explain.sounds import Sounds
from otoscope.metrics import localisation, separation

LOCALISED = ("localisation_auroc", "energy_in_events", "pointing_game")
SEPARATED = ("target_share", "input_share", "target_kept", "improvement_db")

Columns = dict[str, NDArray[np.float64]]


def localised(
    judge: Judge, sounds: Sounds, clip: int, name: str, masks: NDArray[Any], magnitude: NDArray[Any]
) -> Columns:
    """Return the measures of :data:`LOCALISED` per mask; empty where the set has no events.

    Parameters
    ----------
    judge : Judge
    sounds : Sounds
    clip : int
        Its place.
    name : str
        The explained class.
    masks : array (mask, frequency, frame)
    magnitude : array (frequency, frame)
        Of the clip.
    """
    if sounds.events is None:
        return {}
    own = [(onset, offset) for onset, offset, label in sounds.events[clip] if label == name]
    if not own:
        return {one: np.full(len(masks), np.nan) for one in LOCALISED}
    stride, first = judge.on.settings.frame_times_s(judge.on.sample_rate)
    onsets, offsets = np.array(own).T
    active = localisation.active_frames(onsets, offsets, masks.shape[2], stride, first)
    relevance = judge.passed(masks, magnitude).sum(axis=1)  # (mask, frame)
    found = localisation.evaluate(np.repeat(active[None], len(masks), axis=0), relevance)
    return {one: found[one] for one in LOCALISED}


def separated(
    judge: Judge, sounds: Sounds, clip: int, name: str, masks: NDArray[Any], magnitude: NDArray[Any]
) -> Columns:
    """Return the measures of :data:`SEPARATED` per mask; empty where the set is no mixture. Parameters as above."""
    if sounds.parts is None:
        return {}
    part = sounds.parts[clip].get(name)
    if part is None:
        return {one: np.full(len(masks), np.nan) for one in SEPARATED}
    own, other = (power(judge, one) for one in (part, sounds.waveforms[clip] - part))
    gains = judge.gains(masks, magnitude)
    stacks = (np.broadcast_to(one, gains.shape) for one in (own, other))
    found = separation.evaluate(gains, *stacks)
    return {one: found[one] for one in SEPARATED}


def power(judge: Judge, waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the power ``(frequency, frame)`` of a sound ``(channel, time)``, mean over channels."""
    spectrum = judge.on.spectrum(torch.from_numpy(np.ascontiguousarray(waveform)))
    return np.asarray(spectrum.abs().square().mean(0).double().numpy())
