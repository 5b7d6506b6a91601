"""How alike do two layers hear the same clips, and which neuron of one answers to which of the other?

Definitions, for activations x ``(clip, neuron)`` and y ``(clip, other neuron)`` of the same clips in the same order:

- *matching*: the one-to-one assignment of neurons of x to neurons of y with the largest sum of Pearson correlations
  (Hungarian method); a neuron that does not vary correlates 0 with everything;
- *linear CKA, debiased*: with K = x x', L = y y', their diagonals set to 0 and 1 a vector of ones,

      HSIC(K, L) = [tr(K L) + 1'K1 1'L1 / ((n-1)(n-2)) - 2 1'K L 1 / (n-2)] / (n (n-3)),
      CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)).

Conventions: CKA is 1 for layers that differ by a rotation and a factor, 0 on average for unrelated ones (so it may
be a little below 0); at least 4 clips. The usual, biased CKA goes to 1 as neurons outnumber clips, whatever they hear.
A matching chosen on the clips on which it is scored is too good by chance: choose on one half, score on the other.

Reference: S. Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019; L. Song et al.,
"Feature Selection via Dependence Maximization", JMLR 13, 2012, equation 5 (the unbiased HSIC); T. Nguyen, M. Raghu,
S. Kornblith, ICLR 2021 (its use in CKA); Y. Li et al., "Convergent Learning", ICLR 2016 (one-to-one matching).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.classification import Floats

_LEAST = 4


def validate(x: Floats, y: Floats) -> None:
    """Raise if the two are not finite activations of the same clips."""
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise InputError(f"expected activations (clip, neuron) of the same clips, got {x.shape}, {y.shape}")
    if x.shape[1] == 0 or y.shape[1] == 0:
        raise EmptyDataError(f"a layer without neurons cannot be compared, got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("activations hold NaN or infinities; leave failed clips out before comparing")


def correlations(x: Floats, y: Floats) -> NDArray[np.float64]:
    """Return the Pearson correlation of every neuron of x with every neuron of y, ``(neuron, other neuron)``.

    A neuron that does not vary has NaN. Cost O(clip x neuron x other neuron).
    """
    validate(x, y)
    return np.asarray(_standard(x).T @ _standard(y) / len(x), dtype=np.float64)


def _standard(x: Floats) -> NDArray[np.float64]:
    exact = np.asarray(x, dtype=np.float64)
    centred, spread = exact - exact.mean(axis=0), exact.std(axis=0)
    flat = ~(spread > 1e-7 * np.abs(exact).max(axis=0, initial=0))
    return np.asarray(np.where(flat, np.nan, centred / np.where(flat, 1.0, spread)), dtype=np.float64)


def matching(x: Floats, y: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the matched neurons of x and of y, as many as the smaller layer has, ascending in x.

    Parameters
    ----------
    x, y : array (clip, neuron)

    Notes
    -----
    O(neuron^3): 3072 neurons against 3072 take some ten seconds.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])
    >>> [one.tolist() for one in matching(x, x[:, ::-1])]
    [[0, 1], [1, 0]]
    """
    rows, columns = linear_sum_assignment(-np.nan_to_num(correlations(x, y)))
    return np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)


def linear_cka(x: Floats, y: Floats) -> float:
    """Return the debiased linear CKA of two layers, at most 1; NaN where a layer does not vary.

    Parameters
    ----------
    x, y : array (clip, neuron)

    Raises
    ------
    EmptyDataError
        If there are fewer than 4 clips.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> round(linear_cka(x, 2 * x[:, ::-1]), 6)
    1.0
    """
    validate(x, y)
    return cka_of(gram(x), gram(y))


def gram(x: Floats) -> NDArray[np.float64]:
    """Return the Gram matrix ``(clip, clip)`` of centred activations, its diagonal 0; for :func:`cka_of`."""
    if len(x) < _LEAST:
        raise EmptyDataError(f"CKA needs at least {_LEAST} clips, got {len(x)}")
    exact = np.asarray(x, dtype=np.float64)
    exact = exact - exact.mean(axis=0)
    products = np.asarray(exact @ exact.T, dtype=np.float64)
    np.fill_diagonal(products, 0.0)
    return products


def cka_of(first: Floats, second: Floats) -> float:
    """Return the debiased linear CKA of two layers' Gram matrices; see :func:`gram`."""
    own = _hsic(first, first) * _hsic(second, second)
    return float(_hsic(first, second) / np.sqrt(own)) if own > 0 else float("nan")


def _hsic(first: Floats, second: Floats) -> float:
    n = len(first)
    rows, others = first.sum(axis=0), second.sum(axis=0)
    whole = (first * second).sum() + rows.sum() * others.sum() / ((n - 1) * (n - 2))
    return float((whole - 2 * (rows @ others) / (n - 2)) / (n * (n - 3)))
