"""What does a fresh linear probe still recover from the ablated network?

A class that the network no longer names may still be there in its embeddings. For each set a logistic regression is
trained on the ablated network's embeddings (a layer's mean over positions), by cross-validation in which no group is
in training and in test; its accuracy on the concept's class and on the rest stands beside that of the same probe on
the network as it is, and on matched random sets. Only evaluated clips are used, none that the network was trained on
if those are held out.

Features are standardised within each training part; C = 1. Recall is NaN for a class without clips.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.classification import Floats

Integers = NDArray[np.int64]


def probed(
    embeddings: Floats, targets: Integers, groups: NDArray[Any], *, n_folds: int, seed: int
) -> NDArray[np.bool_]:
    """Return whether a fresh probe, trained on the other folds, names each clip, ``(clip,)``.

    Parameters
    ----------
    embeddings : array (clip, neuron)
    targets : array of int (clip,)
    groups : array (clip,)
    n_folds : int
    seed : int
        Of the folds, which are balanced by class and never cut a group.

    Raises
    ------
    InputError
        If there are fewer groups than folds, or one class only.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(targets) == 0:
        raise EmptyDataError("there is no clip to train a probe on")
    n_groups, n_classes = len(np.unique(groups)), len(np.unique(targets))
    most = np.unique(targets, return_counts=True)[1].max()
    if min(n_groups, most) < n_folds or n_classes < 2:
        raise InputError(
            f"a probe needs two classes, and at least as many groups as folds, and clips of a class; got {n_classes} "
            f"classes, {n_groups} groups, at most {most} clips of a class for {n_folds} folds: lower probe_folds, or "
            "switch the probe off (probe=False)"
        )
    right = np.zeros(len(targets), dtype=np.bool_)
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "The least populated class", UserWarning
        )  # it is then not in every fold
        parts = list(folds.split(embeddings, targets, groups))
    for train, test in parts:
        if len(np.unique(targets[train])) < 2 or not len(test):
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        model.fit(embeddings[train], targets[train])
        right[test] = model.predict(embeddings[test]) == targets[test]
    return right
