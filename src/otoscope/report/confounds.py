r"""Does a neuron merely follow level, brightness, duration, silence or pitch?

Spearman's rank correlation between a neuron's pooled activation and one number per clip,

    r = Pearson(rank(activation), rank(measure))        over the clips that have both,

with ties given their mean rank. It is a warning sign beside a description, not a test: a neuron described as
"rain" that correlates with level at 0.9 may be a loudness meter.

Reference: C. Spearman, The proof and measurement of association between two things, American Journal of
Psychology 15(1), 1904.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import rankdata

from otoscope.store.run import Run

MAX_CLIPS = 4096
_COLUMNS = 512

Array = np.ndarray[Any, np.dtype[np.float64]]


def spearman(activations: np.ndarray[Any, Any], measure: np.ndarray[Any, Any]) -> tuple[Array, int]:
    """Return the rank correlation of each neuron with a measure, and how many clips it rests on.

    Parameters
    ----------
    activations : array (clip, neuron)
        Pooled activations; a clip with NaN is left out.
    measure : array (clip,)
        One number per clip; NaN where it has none.

    Returns
    -------
    r : array (neuron,) float64
        In [-1, 1]; NaN where either side is constant or fewer than 3 clips remain.
    n : int
        Clips used.

    Notes
    -----
    O(clip log clip) per neuron.

    Examples
    --------
    >>> r, n = spearman(np.array([[1.0], [2.0], [9.0]]), np.array([10.0, 20.0, 30.0]))
    >>> r.tolist(), n
    ([1.0], 3)
    """
    usable = np.isfinite(measure) & np.isfinite(activations).all(axis=1)
    n = int(usable.sum())
    if n < 3:
        return np.full(activations.shape[1], np.nan), n
    left, right = rankdata(activations[usable], axis=0), rankdata(measure[usable])
    left, right = left - left.mean(axis=0), right - right.mean()
    scale = np.sqrt((left**2).sum(axis=0) * (right**2).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip((right @ left) / scale, -1.0, 1.0), n


def layer_confounds(
    run: Run, layer: str, measures: Mapping[str, np.ndarray[Any, Any]]
) -> dict[str, tuple[Array, int]]:
    """Return ``{measure: (r (neuron,), n)}`` for a recorded layer.

    At most ``MAX_CLIPS`` clips are used, evenly spaced over the rows. Neurons are read in blocks of columns, so
    memory is O(clip x 512). A run that keeps no pooled activations gives NaN over 0 clips.
    """
    n_clips = run.clips().height
    rows = np.unique(np.linspace(0, n_clips - 1, min(n_clips, MAX_CLIPS)).astype(np.int64))
    width = run.layer(layer).n_neurons
    if not run.has_activations(layer):
        return {name: (np.full(width, np.nan), 0) for name in measures}
    found: dict[str, list[Array]] = {name: [] for name in measures}
    counts = dict.fromkeys(measures, 0)
    for first in range(0, width if measures else 0, _COLUMNS):
        block = run.activations(layer, slice(first, min(first + _COLUMNS, width)), rows)
        for name, measure in measures.items():
            r, counts[name] = spearman(block, measure[rows])
            found[name].append(r)
    return {name: (np.concatenate(parts), counts[name]) for name, parts in found.items()}
