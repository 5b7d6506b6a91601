"""Which neurons fire for few classes only? Activation-probability entropy (LAPE, AAPE), from counts.

Definition. With ``counts[l, n, c]`` positive positions of neuron n of layer l among the ``n_observations[c]`` positions
of class c:

- p = counts / n_observations, the conditional activation probability; q = p / sum over classes of p;
- entropy H = - sum over classes of q log q (natural logarithm, 0 log 0 = 0), in [0, log C]; low is selective;
- *bar*: the k-th smallest of all probabilities of all neurons and classes, k = round(0.95 x how many), counted from 1;
- *eligible* (``lape``): some p exceeds the bar; (``drop-lowest``): the neuron is not among the 5 % whose highest p
  is lowest;
- *selected*: the round(top_rate x neurons) eligible neurons of lowest entropy;
- *assigned*: a selected neuron belongs to each class whose p exceeds the bar. It may belong to several, or to none.

Conventions. Probabilities and the bar are float32 and rounding is half to even, as in the reference, so that sets are
equal to the last neuron. All C lists are returned; the reference drops those after the last non-empty one. What it
leaves open is defined here: *ties at the cut* go to the lower layer, then the lower index; a *dead* neuron (no p above
0) has entropy 0 and is never eligible; where *fewer are eligible* than asked, all of those are selected; a class
*without observations* takes no part in entropy, bar and assignment; with *one class* (observed) nothing is selective,
and none is selected.

Reference: T. Tang et al., "Language-Specific Neurons: The Key to Multilingual Capabilities in Large Language Models",
ACL 2024, section 2.2 (LAPE); T. Kawamura, D. Niizumi, N. Ono, "What Do Neurons Listen To?", arXiv 2602.15307 (AAPE),
which speaks of dropping the least active 5 %: its counts per class fit ``lape``, so that is the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError, UnknownNameError
from otoscope.selectivity.firing import UNITS, Unit

Eligibility = Literal["lape", "drop-lowest"]
ELIGIBILITY: tuple[str, ...] = ("lape", "drop-lowest")


@dataclass(frozen=True)
class EntropySelection:
    """Neurons by class, and how they were found. Neurons lie in one row, layer after layer.

    Attributes
    ----------
    triples : array of int64 (m, 3)
        Class, layer, neuron of every assignment, sorted.
    layers : tuple
        Name (or number) of each layer.
    widths : tuple of int
        Neurons of each layer.
    probabilities : array of float32 (neuron, class)
        p; NaN for a class without observations.
    entropy : array of float64 (neuron,)
        H in nats, 0 for a dead neuron.
    eligible, selected : array of bool (neuron,)
    assigned : array of bool (neuron, class)
    bar : float
        Activation bar (NaN where there is no probability).
    entropy_cut : float
        Highest entropy that was selected; NaN where none was.
    n_asked : int
        round(top_rate x neurons); more than are selected where fewer are eligible.
    unit : str
        What was counted.
    """

    triples: NDArray[np.int64]
    layers: tuple[Any, ...]
    widths: tuple[int, ...]
    probabilities: NDArray[np.float32]
    entropy: NDArray[np.float64]
    eligible: NDArray[np.bool_]
    selected: NDArray[np.bool_]
    assigned: NDArray[np.bool_]
    bar: float
    entropy_cut: float
    n_asked: int
    unit: str = "token"

    def neurons(self, index: int) -> NDArray[np.int64]:
        """Return layer and neuron ``(m, 2)`` of the class of this index; empty where it has none."""
        return self.triples[self.triples[:, 0] == index, 1:]

    @property
    def lists(self) -> list[list[NDArray[np.int64]]]:
        """Return the neurons of every class and layer: C lists of L arrays."""
        return [
            [found[found[:, 0] == layer, 1] for layer in range(len(self.layers))]
            for found in (self.neurons(one) for one in range(self.probabilities.shape[1]))
        ]


def select(
    counts: NDArray[Any] | Mapping[Any, NDArray[Any]],
    n_observations: NDArray[Any] | Mapping[Any, NDArray[Any]],
    *,
    top_rate: float = 0.01,
    eligibility: Eligibility = "lape",
    bar_rate: float = 0.95,
    drop_rate: float = 0.05,
    unit: Unit = "token",
) -> EntropySelection:
    """Return the neurons of lowest entropy and their classes.

    Parameters
    ----------
    counts : array (layer, neuron, class), or mapping of layer to array (neuron, class)
        Positive observations.
    n_observations : array (class,) or (layer, class), or mapping of layer to array (class,)
        Observations of each class; layers may have different numbers of positions.
    top_rate : float
        Share of all neurons that is selected, in (0, 1]. Published: 0.01; 0.02 for ESC-50 and GISE-51.
    eligibility : {"lape", "drop-lowest"}
    bar_rate : float
        Which quantile of all probabilities the bar is.
    drop_rate : float
        Share of the least active neurons that ``drop-lowest`` leaves out.
    unit : {"token", "clip-any", "clip-mean"}
        What was counted (:mod:`otoscope.selectivity.firing`); kept in the result, the arithmetic is the same.

    Raises
    ------
    InputError
        If shapes do not fit, a count exceeds its observations, or a rate is outside (0, 1].
    EmptyDataError
        If there is no neuron or no class.
    UnknownNameError
        If there is no such eligibility or unit.

    Notes
    -----
    O(neurons x classes).

    Examples
    --------
    >>> counts = np.array([[[9, 0], [5, 5], [0, 0], [5, 4]]])
    >>> select(counts, np.array([10, 10]), top_rate=0.25, bar_rate=0.5).triples.tolist()
    [[0, 0, 0]]
    """
    _rates(top_rate=top_rate, bar_rate=bar_rate, drop_rate=drop_rate)
    if unit not in UNITS:
        raise UnknownNameError.of("unit", str(unit), UNITS)
    names, p = probabilities(counts, n_observations)
    widths = tuple(len(one) for one in p)
    together = np.concatenate(p)
    chosen = choose(together, top_rate, eligibility, bar_rate, drop_rate)
    layer = np.repeat(np.arange(len(widths)), widths)
    index = np.concatenate([np.arange(width) for width in widths])
    classes, neurons = np.nonzero(chosen.assigned.T)
    return EntropySelection(
        triples=np.stack([classes, layer[neurons], index[neurons]], axis=1).astype(np.int64),
        layers=names,
        widths=widths,
        probabilities=together,
        entropy=chosen.entropy,
        eligible=chosen.eligible,
        selected=chosen.selected,
        assigned=chosen.assigned,
        bar=chosen.bar,
        entropy_cut=float(chosen.entropy[chosen.selected].max()) if chosen.selected.any() else float("nan"),
        n_asked=chosen.n_asked,
        unit=unit,
    )


@dataclass(frozen=True)
class Choice:
    """What :func:`choose` decides; arrays as in :class:`EntropySelection`."""

    entropy: NDArray[np.float64]
    eligible: NDArray[np.bool_]
    selected: NDArray[np.bool_]
    assigned: NDArray[np.bool_]
    bar: float
    n_asked: int


def choose(
    p: NDArray[np.float32], top_rate: float, eligibility: str, bar_rate: float = 0.95, drop_rate: float = 0.05
) -> Choice:
    """Return the decision on probabilities ``(neuron, class)``, NaN in the column of a class never observed."""
    if eligibility not in ELIGIBILITY:
        raise UnknownNameError.of("eligibility", str(eligibility), ELIGIBILITY)
    observed = ~np.isnan(p).all(axis=0)
    known, height = p[:, observed], entropy(p)
    bar = kth_smallest(known, bar_rate)
    alive = (known > 0).any(axis=1)
    eligible = alive & (_above(known, bar) if eligibility == "lape" else _not_lowest(known, drop_rate))
    n_asked = round(top_rate * len(p))
    order = np.lexsort((np.arange(len(p)), np.where(eligible, height, np.inf)))
    selected = np.zeros(len(p), dtype=np.bool_)
    if observed.sum() > 1:
        selected[order[: min(n_asked, int(eligible.sum()))]] = True
    with np.errstate(invalid="ignore"):
        assigned = selected[:, None] & (p > bar)
    return Choice(height, eligible, selected, assigned, float(bar), n_asked)


def probabilities(counts: Any, n_observations: Any) -> tuple[tuple[Any, ...], list[NDArray[np.float32]]]:
    """Return the layers' names and their activation probabilities ``(neuron, class)`` float32.

    Both numbers are rounded to float32 before they are divided, as in the reference.
    """
    names = tuple(counts) if isinstance(counts, Mapping) else tuple(range(len(counts)))
    if not names:
        raise EmptyDataError("there is no layer to select from")
    found = []
    for name in names:
        table, n = np.asarray(counts[name]), _observations(n_observations, name)
        _validate(name, table, n)
        with np.errstate(invalid="ignore", divide="ignore"):
            p = table.astype(np.float32) / n.astype(np.float32)
        found.append(np.where(n > 0, p, np.float32(np.nan)).astype(np.float32))
    if len({one.shape[1] for one in found}) > 1:
        raise InputError(f"layers count different numbers of classes: {[one.shape[1] for one in found]}")
    return names, found


def entropy(p: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the entropy in nats of the probabilities ``(neuron, class)`` made to sum to 1; 0 where all are 0.

    Examples
    --------
    >>> entropy(np.array([[0.2, 0.2], [0.5, 0.0]])).round(4).tolist()
    [0.6931, 0.0]
    """
    rising = np.sort(np.nan_to_num(p.astype(np.float64)), axis=1)  # equal sets of values give equal sums
    total = rising.sum(axis=1, keepdims=True)
    share = np.divide(rising, total, out=np.zeros_like(rising), where=total > 0)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return np.asarray(np.abs((share * logs).sum(axis=1)), dtype=np.float64)


def kth_smallest(values: NDArray[np.floating[Any]], rate: float) -> float:
    """Return the k-th smallest of all values, k = round(rate x how many), counted from 1; NaN where there are none."""
    if values.size == 0:
        return float("nan")
    k = max(round(rate * values.size), 1)
    return float(np.partition(values, k - 1, axis=None)[k - 1])


def _above(p: NDArray[np.floating[Any]], bar: float) -> NDArray[np.bool_]:
    return np.asarray((p > bar).any(axis=1))


def _not_lowest(p: NDArray[np.floating[Any]], drop_rate: float) -> NDArray[np.bool_]:
    """Return which neurons are left without the share whose highest probability is lowest; of equals, the last goes."""
    order = np.lexsort((-np.arange(len(p)), p.max(axis=1, initial=0.0)))
    dropped = order[: round(drop_rate * len(p))]
    left = np.ones(len(p), dtype=np.bool_)
    left[dropped] = False
    return left


def _observations(n_observations: Any, name: Any) -> NDArray[Any]:
    if isinstance(n_observations, Mapping):
        if name not in n_observations:
            raise UnknownNameError.of(
                "layer of n_observations", str(name), [str(one) for one in n_observations]
            )
        return np.asarray(n_observations[name])
    given = np.asarray(n_observations)
    return given[name] if given.ndim == 2 and isinstance(name, int) else given


def _validate(name: Any, counts: NDArray[Any], n: NDArray[Any]) -> None:
    if counts.ndim != 2 or n.shape != counts.shape[1:]:
        raise InputError(
            f"layer {name!r}: expected counts (neuron, class) and one number of observations a class, got "
            f"{counts.shape} and {n.shape}"
        )
    if counts.size == 0:
        raise EmptyDataError(f"layer {name!r} has no neuron or no class: counts are {counts.shape}")
    if not (np.isfinite(counts).all() and np.isfinite(n).all()) or (counts < 0).any() or (n < 0).any():
        raise InputError(f"layer {name!r}: counts and observations are finite and not negative")
    if (counts > n * (1 + 1e-6)).any():
        raise InputError(f"layer {name!r}: a neuron was positive more often than it was observed")


def _rates(**rates: float) -> None:
    for name, value in rates.items():
        if not 0 < value <= 1:
            raise InputError(f"{name} is a share above 0 and at most 1, got {value}")
