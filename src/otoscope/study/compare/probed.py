"""What does a linear probe read from each layer of each run, clip by clip on the same clips?

Logistic regressions on pooled activations, cross-validated with the same folds by group in every run
(:mod:`otoscope.ablate.relearn`), so each clip is named once by a probe that heard none of its group. A difference of
two runs is paired: interval over groups, sign flips of whole groups, McNemar. Beside it: 1 / classes, probes trained on
labels dealt to other groups, and by how much two halves of the clips differ within a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.ablate.relearn import probed
from otoscope.errors import OtoscopeError
from otoscope.metrics.bootstrap import interval
from otoscope.metrics.paired import lost_and_gained, mcnemar_p, sign_flip_p
from otoscope.metrics.permutation import donor_maps
from otoscope.progress import track
from otoscope.selectivity.labels import Labelling
from otoscope.study.compare.config import CompareConfig
from otoscope.study.compare.halving import split
from otoscope.study.compare.sides import Shared, Side

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Read:
    """What the probes of a side's layers name rightly.

    Attributes
    ----------
    right : dict of str to array of bool (clip,)
        By layer.
    shuffled : dict of str to float
        Accuracy of a probe trained on dealt labels.
    """

    right: dict[str, Bools]
    shuffled: dict[str, float]


def reads(shared: Shared, task: Labelling, config: CompareConfig) -> tuple[dict[str, Read], str | None]:
    """Return what each side's probes read, and why there is none where there is none."""
    if (task.weights > 0).sum(axis=1).max() > 1:
        return {}, "clips carry several labels: a probe names one"
    groups = shared.groups[task.rows]
    targets = task.weights.argmax(axis=1).astype(np.int64)
    alone = [name for at, name in enumerate(task.classes) if len(np.unique(groups[targets == at])) < 2]
    if alone:
        return {}, (
            f"classes of one group cannot be trained on and tested ({', '.join(alone[:3])}): whole groups are held out "
            "(group='row' holds out clips)"
        )
    dealt = targets[donor_maps(groups, 1, seed=config.seed + 2)[0]]
    found = {}
    try:
        for side in shared.sides:
            found[side.name] = _read(side, task, targets, dealt, groups, config)
    except OtoscopeError as error:
        return {}, str(error)
    return found, None


def _read(
    side: Side,
    task: Labelling,
    targets: NDArray[np.int64],
    dealt: NDArray[np.int64],
    groups: NDArray[Any],
    config: CompareConfig,
) -> Read:
    right, shuffled = {}, {}
    for layer in track(side.layers, len(side.layers), f"probing {side.name}"):
        vectors = side.activations(layer.name)[task.rows]
        options: dict[str, int] = {"n_folds": config.probe_folds, "seed": config.seed}
        right[layer.name] = probed(vectors, targets, groups, **options)
        shuffled[layer.name] = float(probed(vectors, dealt, groups, **options).mean())
    return Read(right, shuffled)


def compared(
    first: tuple[Read, str],
    second: tuple[Read, str],
    groups: NDArray[Any],
    n_classes: int,
    config: CompareConfig,
) -> dict[str, Any]:
    """Return the row of two layers' probes.

    Parameters
    ----------
    first, second : (Read, str)
        A side's probes, and the layer.
    groups : array (clip,)
    n_classes : int
    config : CompareConfig
    """
    (read_a, a), (read_b, b) = first, second
    one, two = read_a.right[a], read_b.right[b]
    change = two.astype(np.float64) - one
    low, high = interval(
        lambda w: w @ change / w.sum(axis=1), groups, n_replicates=config.replicates, seed=config.seed
    )
    lost, gained = lost_and_gained(one, two)
    halves = [split(groups, seed) for seed in range(config.splits)]
    apart = [abs(right[h1].mean() - right[h2].mean()) for right in (one, two) for h1, h2 in halves]
    return {
        "accuracy_first": float(one.mean()),
        "accuracy_second": float(two.mean()),
        "difference": float(change.mean()),
        "low": float(low),
        "high": float(high),
        "group_p": sign_flip_p(change, groups, seed=config.seed),
        "lost": lost,
        "gained": gained,
        "mcnemar_p": mcnemar_p(one, two),
        "halves_differ": float(np.mean(apart)),
        "chance": 1 / n_classes,
        "shuffled_first": read_a.shuffled[a],
        "shuffled_second": read_b.shuffled[b],
    }
