"""Does the test hold what it promises? Simulated neurons on the real clips' groups and labels.

Null neurons fire with a *group effect* (clips of one recording or speaker are alike) that has nothing to do with the
labels; they are tested under the true labels, where validity does not hold by construction. Selective neurons
have, beside it, a shift for one class.

Definition, on the scale of log odds per position: activity = a + group_sd g(group) + clip_sd e(clip) + shift [class],
a ~ N(-1, 1), g and e ~ N(0, 1); counts are binomial of ``positions``.

Reported for each group effect: *size*, the share of null neurons with p <= 0.05 (0.05 is right), beside that of
permuting clips; *size at 0.001*, for the tail that false discovery rates live from; *power*, the share of selective
neurons assigned to their class; *false*, the share of the selected neurons that are null.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.firing import from_arrays
from otoscope.selectivity.labels import Labelling
from otoscope.selectivity.measure import measure

CLIP_SD = 0.5
_LEVEL, _TAIL = 0.05, 0.001


def simulate(
    task: Labelling,
    n_null: int,
    n_selective: int,
    *,
    group_sd: float,
    shift: float,
    positions: int,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return counts ``(clip, neuron)``, null neurons first, and the class of each selective one."""
    rng = np.random.default_rng(seed)
    codes = np.unique(task.groups, return_inverse=True)[1].reshape(-1)
    n, n_classes = n_null + n_selective, len(task.classes)
    activity = rng.normal(-1, 1, n) + group_sd * rng.normal(size=(int(codes.max()) + 1, n))[codes]
    activity += CLIP_SD * rng.normal(size=(len(codes), n))
    classes = np.arange(n_selective) % n_classes
    activity[:, n_null:] += shift * task.weights[:, classes]
    return rng.binomial(positions, 1 / (1 + np.exp(-activity))).astype(np.float32), classes


def calibrate(
    task: Labelling,
    config: SelectConfig,
    *,
    group_sds: tuple[float, ...] = (0.0, 0.5, 1.0),
    n_null: int = 500,
    n_selective: int = 50,
    shift: float = 2.0,
    positions: int = 200,
) -> list[dict[str, Any]]:
    """Return size, power and false findings, a row a group effect.

    Parameters
    ----------
    task : Labelling
        The real labels and groups.
    config : SelectConfig
        Method, rule and null that are judged.
    group_sds : tuple of float
        Group effects in log odds.
    n_null, n_selective : int
        Simulated neurons.
    shift : float
        Of a selective neuron in its class, in log odds.
    positions : int
        Positions a clip.
    """
    clipwise = replace(task, groups=np.array([str(one) for one in range(len(task.rows))]), strata=None)
    rows = []
    for place, group_sd in enumerate(group_sds):
        counts, classes = simulate(
            task,
            n_null,
            n_selective,
            group_sd=group_sd,
            shift=shift,
            positions=positions,
            seed=config.seed + place,
        )
        layers = from_arrays({"simulated": counts}, np.full(len(counts), positions, np.float32))
        found = measure(layers, task, config, tell=False)
        naive = measure(layers, clipwise, config, tell=False)
        assigned, selected = found.choice.assigned, found.choice.selected
        null_p = found.evidence.p[:n_null]
        own = assigned[classes, n_null + np.arange(n_selective)]
        rows.append(
            {
                "group_sd": group_sd,
                "size": float((null_p <= _LEVEL).mean()),
                "size_by_clip": float((naive.evidence.p[:n_null] <= _LEVEL).mean()),
                "size_at_0.001": float((null_p <= _TAIL).mean()),
                "power": float(own.mean()) if n_selective else float("nan"),
                "false": float(selected[:n_null].sum() / max(1, selected.sum())),
                "attainable_p": found.attainable,
            }
        )
    return rows
