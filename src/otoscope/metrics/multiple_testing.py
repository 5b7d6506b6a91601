"""Which of many findings stand, when thousands were looked for?

Definitions.

- *q-value* (Benjamini-Hochberg): with p sorted, q_(i) = min over j >= i of p_(j) m / j; declaring q <= alpha keeps
  the expected share of false findings at or below alpha.
- *pooled null*: B permutations of each of T neurons cannot give p below 1 / (B + 1) neuron by neuron, which no
  correction over T survives. Each neuron's statistics are standardised by its own permutations, and the T x B
  standardised values form one null: p = (b + 1) / (T B + 1). Needs the nulls to have the same shape.
- *tail*: the highest tenth (at least 25 values) of a neuron's own null is continued by a generalised Pareto
  distribution, fitted by probability-weighted moments; its shape is kept in [0, 0.5] (exponential or heavier), which
  can only raise p.

Conventions: higher statistics are more extreme; NaN in, NaN out, and not counted among the m tests. A null value is
standardised by the mean and spread of the *other* permutations, so that it stands exactly where the observed one
stands.

Reference: Y. Benjamini, Y. Hochberg, "Controlling the False Discovery Rate", JRSS B 57, 1995; T. Knijnenburg et al.,
"Fewer permutations, more accurate P-values", Bioinformatics 25, 2009; J. Hosking, J. Wallis, "Parameter and Quantile
Estimation for the Generalized Pareto Distribution", Technometrics 29, 1987.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError
from otoscope.metrics.classification import Floats
from otoscope.metrics.permutation import permutation_p

_TAIL_SHARE, _LEAST_TAIL = 0.1, 25
_LEAST_PERMUTATIONS = 3


def benjamini_hochberg(p: Floats) -> NDArray[np.float64]:
    """Return the q-value of each test.

    Parameters
    ----------
    p : array (...)
        In [0, 1]; NaN is no test.

    Returns
    -------
    array (...)
        In [0, 1], NaN where p is.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5])).round(3)
    array([0.04 , 0.053, 0.053, 0.5  ])
    """
    q = np.full(np.shape(p), np.nan)
    tested = ~np.isnan(p)
    values = np.asarray(p)[tested]
    if values.size == 0:
        return q
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"p-values lie in [0, 1], got {values.min()} .. {values.max()}")
    falling = np.argsort(-values, kind="stable")
    rank = np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[falling] = np.minimum.accumulate(np.minimum(values[falling] * len(values) / rank, 1.0))
    q[tested] = adjusted
    return q


def counted_p(observed: Floats, null: Floats) -> NDArray[np.float64]:
    """Return each neuron's p from its own permutations; see :func:`pooled_p` for the arrays."""
    _validate(observed, null)
    return permutation_p(observed, null)


def pooled_p(observed: Floats, null: Floats) -> NDArray[np.float64]:
    """Return each neuron's p against the pooled null of all neurons.

    Parameters
    ----------
    observed : array (neuron,)
    null : array (permutation, neuron)

    Returns
    -------
    array (neuron,)
        In [1 / (T B + 1), 1], NaN where the observed value is.

    Notes
    -----
    O(T B log(T B)). A neuron whose null does not vary has p = 1.
    """
    _validate(observed, null)
    used = ~np.isnan(observed)
    centre, spread = null[:, used].mean(axis=0), null[:, used].std(axis=0, ddof=1)
    flat = ~(spread > 0)
    z = (observed[used] - centre) / np.where(flat, 1, spread)
    pool = np.sort(_left_out(null[:, used] - centre)[:, ~flat], axis=None)
    beyond = len(pool) - np.searchsorted(pool, z, side="left")
    p = np.full(len(observed), np.nan)
    p[used] = np.where(flat, 1.0, (beyond + 1) / (len(pool) + 1))
    return p


def tail_p(observed: Floats, null: Floats) -> NDArray[np.float64]:
    """Return each neuron's p from its own permutations, their tail continued by a generalised Pareto distribution.

    Parameters
    ----------
    observed, null
        See :func:`pooled_p`.

    Returns
    -------
    array (neuron,)
        Counted where at least 10 null values lie beyond, from the fitted tail elsewhere.
    """
    _validate(observed, null)
    return Tail.of(null).p(observed)


@dataclass(frozen=True)
class Tail:
    """Each neuron's null and the distribution fitted to its tail, to look up any number of observed values.

    Attributes
    ----------
    null : array (permutation, neuron)
    n_tail : int
        How many of the highest values the tail is fitted to.
    threshold, shape, scale : array (neuron,)
        Where the tail begins, and its generalised Pareto distribution.
    """

    null: Floats
    n_tail: int
    threshold: Floats
    shape: Floats
    scale: Floats

    @classmethod
    def of(cls, null: Floats) -> Tail:
        """Return the tails of ``null (permutation, neuron)``."""
        n = len(null)
        n_tail = min(n - 1, max(_LEAST_TAIL, int(_TAIL_SHARE * n)))
        first = n - n_tail - 1
        rising = np.partition(null, first, axis=0)[first:]
        rising[1:].sort(axis=0)
        values = rising.astype(np.float64)
        threshold = (values[1] + values[0]) / 2
        return cls(null, n_tail, threshold, *_pareto(values[1:] - threshold))

    def p(self, observed: Floats) -> NDArray[np.float64]:
        """Return p of observed values ``(neuron,)``, see :func:`tail_p`."""
        n = len(self.null)
        excess = np.maximum(observed - self.threshold, 0)
        fitted = self.n_tail / n * _pareto_survival(excess, self.shape, self.scale)
        beyond = (self.null >= observed).sum(axis=0)
        p = np.where(beyond >= 10, (beyond + 1) / (n + 1), fitted)
        return np.where(np.isnan(observed), np.nan, p)


NULLS = {"pooled": pooled_p, "tail": tail_p, "counted": counted_p}
"""The named ways from observed and permuted statistics to p."""


def _validate(observed: Floats, null: Floats) -> None:
    if null.ndim != 2 or observed.shape != null.shape[1:]:
        raise InputError(
            f"expected (neuron,) and (permutation, neuron), got {observed.shape} and {null.shape}"
        )
    if len(null) < _LEAST_PERMUTATIONS:
        raise InputError(f"at least {_LEAST_PERMUTATIONS} permutations are needed, got {len(null)}")


def _left_out(deviation: Floats) -> NDArray[np.float64]:
    """Return each value's deviation from the others' mean in units of the others' spread, over the first axis."""
    n = len(deviation)
    others = (deviation**2).sum(axis=0) - deviation**2 * n / (n - 1)
    spread = np.sqrt(np.maximum(others, np.finfo(np.float64).tiny) / (n - 2))
    return np.asarray(deviation * n / (n - 1) / spread, dtype=np.float64)


def _pareto(excess: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shape and scale of a generalised Pareto distribution, fitted to rising columns ``(value, neuron)``."""
    n = len(excess)
    upper_share = (n - np.arange(1, n + 1) + 0.35) / n
    mean, weighted = excess.mean(axis=0), (upper_share[:, None] * excess).mean(axis=0)
    gap = mean - 2 * weighted
    ratio = np.divide(mean, gap, out=np.full_like(mean, 2.0), where=gap > 0)
    shape = np.clip(2 - ratio, 0, 0.5)
    return shape, mean * (1 - shape)


def _pareto_survival(excess: Floats, shape: Floats, scale: Floats) -> NDArray[np.float64]:
    scaled = np.divide(excess, scale, out=np.full_like(excess, np.inf), where=scale > 0)
    bent = np.where(shape > 1e-6, shape, 1.0)
    heavy = (1 + bent * scaled) ** (-1 / bent)
    return np.where(excess <= 0, 1.0, np.where(shape > 1e-6, heavy, np.exp(-scaled)))
