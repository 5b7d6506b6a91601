"""Method ``logistic``: logistic regression by scikit-learn, its regularisation chosen on the validation part.

For each C of the config a probe is trained on the training clips; the one with the lowest cross-entropy on the
validation clips (the smaller C of equal ones) is trained again on both parts together. Several labels: one binary
regression a class; a class that all training clips have, or none, keeps its log odds as bias.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.ablate.probe.config import ProbeConfig
from otoscope.ablate.probe.fitted import Doubles, Fitted, Material, cross_entropy, standardisation
from otoscope.metrics.classification import Floats

_ITERATIONS = 2000


def fit(material: Material, config: ProbeConfig, seed: int) -> Fitted:
    """Return the probe; ``seed`` decides nothing, the optimum is unique.

    Parameters
    ----------
    material : Material
    config : ProbeConfig
    seed : int
    """
    losses = {}
    for strength in sorted(config.strengths):
        found = _trained(material.train, material.train_labels, material.n_classes, strength)
        losses[strength] = cross_entropy(found.logits(material.valid), material.valid_labels)
    chosen = min(losses, key=lambda one: losses[one])
    both = np.concatenate([material.train, material.valid])
    labels = np.concatenate([material.train_labels, material.valid_labels])
    found = _trained(both, labels, material.n_classes, chosen)
    account = {"C": chosen, "valid_cross_entropy": {str(one): loss for one, loss in losses.items()}}
    return Fitted(found.mean, found.scale, found.weight, found.bias, account)


def _trained(embeddings: Floats, labels: NDArray[Any], n_classes: int, strength: float) -> Fitted:
    mean, scale = standardisation(embeddings)
    standard = (np.asarray(embeddings, dtype=np.float64) - mean) / scale
    if labels.ndim == 2:
        parts = [_binary(standard, labels[:, one], strength) for one in range(n_classes)]
        return Fitted(mean, scale, np.stack([one for one, _ in parts]), np.array([two for _, two in parts]))
    return Fitted(mean, scale, *_multinomial(standard, labels, n_classes, strength))


def _multinomial(
    standard: Doubles, labels: NDArray[np.int64], n_classes: int, strength: float
) -> tuple[Doubles, Doubles]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=_ITERATIONS).fit(standard, labels)
    weight, bias = np.zeros((n_classes, standard.shape[1])), np.full(n_classes, -np.inf)
    if len(model.classes_) == 2:  # one row for the second class: half of it for, half against
        weight[model.classes_] = np.concatenate([-model.coef_, model.coef_]) / 2
        bias[model.classes_] = np.concatenate([-model.intercept_, model.intercept_]) / 2
    else:
        weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    there = np.isfinite(bias)
    return weight, np.where(there, bias, bias[there].min() - 20.0)


def _binary(standard: Doubles, member: NDArray[np.bool_], strength: float) -> tuple[Doubles, float]:
    from sklearn.linear_model import LogisticRegression

    if member.all() or not member.any():
        rate = (member.sum() + 0.5) / (len(member) + 1)
        return np.zeros(standard.shape[1]), float(np.log(rate / (1 - rate)))
    model = LogisticRegression(C=strength, max_iter=_ITERATIONS).fit(standard, member)
    return model.coef_[0], float(model.intercept_[0])
