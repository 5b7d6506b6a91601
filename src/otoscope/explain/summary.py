"""What does a table of scores say, and how far could it be off?

Means over clips with 95 % percentile intervals over groups (:mod:`otoscope.metrics.bootstrap`). Beside each control
stands ``difference``: the explanation minus the control on the clips that have both, with its own interval, so that
"better than chance" is read from paired numbers and not from two intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.explain.located import LOCALISED, SEPARATED
from otoscope.explain.score import CURVES, MEASURES, OF_MASK
from otoscope.metrics.bootstrap import group_weights, percentile_interval

KEYS = ("method", "control", "removal")
ALL = (*MEASURES, *OF_MASK, *CURVES, *LOCALISED, *SEPARATED)
"""Every measure that a table may have, in the order of the summary."""


def summarise(
    table: pl.DataFrame, groups: Sequence[Any], *, replicates: int = 1000, seed: int = 0
) -> pl.DataFrame:
    """Return mean, interval and counts of every measure per method, control and removal.

    Parameters
    ----------
    table : polars.DataFrame
        Of :func:`otoscope.explain.score.score`.
    groups : sequence
        Group of each clip, by the column ``clip``.
    replicates, seed : int
        Of the bootstrap over groups.

    Returns
    -------
    polars.DataFrame
        method, control, removal, measure, mean, low, high (95 %), difference, difference_low, difference_high (the
        explanation minus this control, over cases that have both), n, n_dropped (cases without a value).
    """
    code = np.unique(np.asarray(groups), return_inverse=True)[1]
    weights = group_weights(code, replicates, seed)
    cells = {key: part.sort("clip", "target") for key, part in table.partition_by(KEYS, as_dict=True).items()}
    rows = []
    for (method, name, removal), part in cells.items():
        own = cells[method, None, removal]
        drawn = weights[:, part["clip"].to_numpy()]  # (replicate, case)
        for measure in (one for one in ALL if one in table.columns):
            values, reference = (_column(one, measure) for one in (part, own))
            mean, low, high, n = _mean(values, drawn)
            gap = _mean(reference - values, drawn) if name is not None else (None, None, None, 0)
            counts = {"n": n, "n_dropped": len(values) - n}
            row = {"method": method, "control": name, "removal": removal, "measure": measure}
            differences = dict(zip(("difference", "difference_low", "difference_high"), gap[:3]))
            rows.append({**row, "mean": mean, "low": low, "high": high, **differences, **counts})
    return pl.DataFrame(rows, infer_schema_length=None)


def _column(part: pl.DataFrame, measure: str) -> NDArray[np.float64]:
    return part[measure].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float, float, int]:
    """Return mean, 95 % interval over groups and the number of clips with a value."""
    there = np.isfinite(values)
    if not there.any():
        return float("nan"), float("nan"), float("nan"), 0
    filled, used = np.where(there, values, 0.0), weights * there
    total = used.sum(axis=1)
    means = np.where(total > 0, used @ filled / np.where(total > 0, total, 1.0), np.nan)
    low, high = percentile_interval(means)
    return float(values[there].mean()), float(low), float(high), int(there.sum())
