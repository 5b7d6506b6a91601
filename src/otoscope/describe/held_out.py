"""Does a description hold on clips it was not chosen on?

Definition, for a neuron's activations x and the affinities y of its described concept, both on the scoring clips:

- *Pearson* correlation of x and y, with a bootstrap interval over groups;
- *AUPRC minus prevalence*: clips ranked by y; a clip is positive where the neuron is active, x above the quantile
  that was fixed on the describing clips;
- *AUROC* of the same ranking, for comparison with others' work only: it fails sanity tests for concepts;
- *control*: Pearson with the description of another random neuron of the layer, the score of a description that was
  not made for this neuron.

Conventions: NaN where a number is not defined (a constant column, no active clip, no other neuron). The activity
threshold is strict, so a ReLU's zeros are never active.

Reference: T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating Neuron Explanations: A Unified Framework with Sanity
Checks", ICML 2025.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.metrics.bootstrap import pearson_interval
from otoscope.metrics.classification import Floats
from otoscope.metrics.correlation import pearson
from otoscope.metrics.ranking import auprc, auroc, prevalence

Values = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """Scores of the descriptions of some neurons, each ``(neuron,)``.

    Attributes
    ----------
    pearson, low, high : array
        Correlation and its 95 % interval, in [-1, 1].
    auprc_gain, auroc : array
        Average precision minus prevalence; area under the ROC curve.
    control : array
        Correlation with another neuron's description.
    """

    pearson: Values
    low: Values
    high: Values
    auprc_gain: Values
    auroc: Values
    control: Values


def score_descriptions(
    activations: Floats,
    affinities: Floats,
    concept: NDArray[np.int64],
    control: NDArray[np.int64],
    threshold: Floats,
    groups: NDArray[Any],
    *,
    n_replicates: int = 1000,
    seed: int = 0,
) -> HeldOut:
    """Return the scores of some neurons' descriptions on the scoring clips.

    Parameters
    ----------
    activations : array (clip, neuron)
        Of the scoring clips, without NaN.
    affinities : array (clip, concept)
        Of the same clips; best of another family than the describing ones.
    concept : array of int (neuron,)
        The described concept, -1 for none.
    control : array of int (neuron,)
        The concept of another neuron, -1 for none.
    threshold : array (neuron,)
        A neuron is active above it.
    groups : array (clip,)
    n_replicates, seed
        Of the bootstrap.

    Notes
    -----
    O(replicate x clip x neuron).
    """
    described, other = affinities[:, concept], affinities[:, control]  # (clip, neuron)
    active = activations > threshold
    low, high = pearson_interval(activations, described, groups, n_replicates=n_replicates, seed=seed)
    found = HeldOut(
        pearson(activations, described),
        low,
        high,
        auprc(active, described) - prevalence(active),
        auroc(active, described),
        np.where(control < 0, np.nan, pearson(activations, other)),
    )
    return _without(found, concept < 0)


def another_neuron(concept: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return, for each described neuron, the concept of another random one, ``(neuron,)``; -1 where there is none.

    Parameters
    ----------
    concept : array of int (neuron,)
        -1 for a neuron without description; it neither gives nor gets a control.
    seed : int

    Notes
    -----
    The described neurons are put in a random circle and each takes the description of the next, so every description
    serves once, and descriptions that are frequent in the layer are as frequent among the controls.
    """
    described = np.flatnonzero(concept >= 0)
    control = np.full(len(concept), -1, dtype=np.int64)
    if len(described) > 1:
        circle = np.random.default_rng(seed).permutation(described)
        control[circle] = concept[np.roll(circle, -1)]
    return control


def _without(found: HeldOut, missing: NDArray[np.bool_]) -> HeldOut:
    return HeldOut(**{name: np.where(missing, np.nan, values) for name, values in vars(found).items()})
