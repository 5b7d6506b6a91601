"""A few logarithms that stand for many: log(S + c) for every c of a list, as mixtures of the same at a few nodes.

Definition: for offsets c_1 .. c_k and any S in a range,

    log(S + c_r)  ~  sum_q shares[r, q] log(S + nodes[q])  +  constants[r].

As a function of log c, log(S + c) is analytic in a strip of half-width pi around the real line, whatever S; so the
error of interpolating it between Chebyshev nodes falls geometrically with their number: 7 serve 100 offsets
between 0.002 and 0.03 to six digits. The shares are the least-squares ones over the range of S that occurs, and the
number of nodes is the smallest whose measured error, the largest over S summed over all offsets, is below a bound.

Reference: L. N. Trefethen, "Approximation Theory and Approximation Practice", 2013, chapter 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_GRID = 64
_MOST_NODES = 16


@dataclass(frozen=True)
class Mixture:
    """How the logarithms at all offsets follow from those at the nodes.

    Attributes
    ----------
    nodes : array (node,)
        Offsets at which logarithms are taken.
    shares : array (offset, node)
    constants : array (offset,)
    error : float
        Largest error over S of one offset, summed over the offsets: a bound on the error of any sum that takes each
        offset once.
    """

    nodes: Floats
    shares: Floats
    constants: Floats
    error: float


def mixture(offsets: Floats, lowest: float, highest: float, bound: float) -> Mixture:
    """Return the smallest mixture whose error stays below a bound.

    Parameters
    ----------
    offsets : array (offset,)
        c, positive.
    lowest, highest : float
        Range of S, in [0, 1].
    bound : float
        Largest allowed :attr:`Mixture.error`.

    Returns
    -------
    Mixture
        The offsets themselves, without error, where no mixture of fewer than 16 nodes is good enough.

    Examples
    --------
    >>> found = mixture(np.linspace(0.002, 0.03, 100), 1e-6, 1.0, 1e-4)
    >>> len(found.nodes) < 10, found.error < 1e-4
    (True, True)
    """
    distinct, place = np.unique(offsets, return_inverse=True)
    exact = Mixture(distinct, np.eye(len(distinct))[place], np.zeros(len(offsets)), 0.0)
    if len(distinct) == 1:
        return exact
    values = _range(distinct, lowest, highest)
    target = np.log(values[:, None] + distinct)  # (value, offset)
    for n_nodes in range(1, min(len(distinct), _MOST_NODES)):
        nodes = _chebyshev(distinct, n_nodes)
        basis = np.column_stack([np.log(values[:, None] + nodes), np.ones(len(values))])
        fit = np.linalg.lstsq(basis, target, rcond=None)[0]
        error = float(np.abs(basis @ fit - target).max(axis=0)[place].sum())
        if error <= bound:
            return Mixture(nodes, fit[:-1].T[place], fit[-1][place], error)
    return exact


def _range(offsets: Floats, lowest: float, highest: float) -> Floats:
    """Return values of S, evenly spaced in the logarithm; far below the offsets S makes no difference."""
    low = max(lowest, 1e-6 * offsets[0])
    return np.geomspace(low, max(highest, low), _GRID)


def _chebyshev(offsets: Floats, n_nodes: int) -> Floats:
    centre, half = np.log(offsets[0] * offsets[-1]) / 2, np.log(offsets[-1] / offsets[0]) / 2
    angles = (np.arange(n_nodes) + 0.5) * np.pi / n_nodes
    return np.asarray(np.exp(centre + half * np.cos(angles)), dtype=np.float64)
