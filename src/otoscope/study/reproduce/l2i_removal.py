"""What does the network lose when components are removed from the sound? L2I's faithfulness, beside random sets.

For each clip and named class the chosen components' mask is taken out, the rest becomes sound, and the network hears
it: drops of logit, probability and relative probability (:func:`otoscope.metrics.faithfulness.removal_drops`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError
from otoscope.explain.hearing import outputs
from otoscope.explain.l2i import ListenToInterpret
from otoscope.explain.listen import listen
from otoscope.explain.windows import explain
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.metrics.faithfulness import removal_drops
from otoscope.progress import track
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of
from otoscope.study.reproduce.l2i_bench import L2IBench

DROPS = ("logit", "probability", "relative")
Drops = dict[str, NDArray[np.float64]]


def drops(bench: L2IBench, explainer: ListenToInterpret) -> Drops:
    """Return the three drops and ``components``, how many were removed, per named (clip, class), each ``(pair,)``."""
    pairs = bench.named_pairs
    if not len(pairs.clips):
        raise EmptyDataError("the network names no class on any of the test clips")
    left, counts = [], []
    with lent(bench.model), torch.no_grad():
        for clip, target in track(
            list(zip(pairs.clips, pairs.targets, strict=True)), len(pairs), "removing components"
        ):
            waveform = torch.from_numpy(bench.sounds.waveforms[clip : clip + 1]).to(device_of(bench.model))
            found = explain(explainer, bench.model, waveform, int(target))
            left.append(outputs(bench.model, listen(found, waveform).remainder).double().cpu().numpy()[0])
            counts.append(float("nan") if found.parts is None else float(found.parts.chosen.sum()))
    before = bench.output[pairs.clips]
    made = removal_drops(before, np.stack(left), pairs.targets, activation=bench.config.activation)
    return {**made, "components": np.array(counts)}


def row(found: Drops, groups: NDArray[Any], seed: int = 0) -> Mapping[str, float]:
    """Return medians of the drops, quartiles and interval of the probability's, and the mean number of components.

    The interval (95 %) is of the median, over groups.
    """
    weights = group_weights(groups, 1000, seed)
    medians = np.array([_weighted_median(found["probability"], one) for one in weights])
    low, high = percentile_interval(medians)
    quartiles = np.quantile(found["probability"], [0.25, 0.75])
    return {
        **{f"median_{name}_drop": float(np.median(found[name])) for name in DROPS},
        "probability_low": float(low),
        "probability_high": float(high),
        "probability_q25": float(quartiles[0]),
        "probability_q75": float(quartiles[1]),
        "mean_probability_drop": float(found["probability"].mean()),
        "mean_components": float(np.nanmean(found["components"])),
        "n": float(len(found["probability"])),
    }


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float(np.median(np.repeat(values, weights.astype(np.int64)))) if weights.sum() else float("nan")
