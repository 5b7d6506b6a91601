"""Which neurons are selected, and for which classes? The default rule: surely enough, and strongly enough.

Definition, for the p[c] of :mod:`otoscope.selectivity.nulls`, over all neurons of the run:

- p = min over classes of p[c]; q = Benjamini and Hochberg's over all neurons that have an effect;
- cut = the largest p with q <= alpha;
- a neuron is *assigned* to each class with p[c] <= cut and effect[c] >= least effect, and *selected* if there is one.

As p[c] is corrected for the choice among a neuron's classes, holding every class to the same cut keeps the expected
share of false classes among the selected neurons' at alpha, too. Where the measure names no class (entropy), selected
are q <= alpha and effect >= least effect, and the classes are the measure's own: there may be none.

Reference: Y. Benjamini, M. Bogomolov, "Selective inference on multiple families of hypotheses", JRSS B 76, 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otoscope.metrics.multiple_testing import benjamini_hochberg
from otoscope.selectivity.selector import Bools, Choice

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """How sure each neuron's effects are.

    Attributes
    ----------
    effect : array (class, neuron)
        One row where the measure names no class.
    pair_p : array (class, neuron)
        p of each effect, best-of-classes.
    p, q : array (neuron,)
        Of the best class; NaN for a neuron without an effect.
    """

    effect: Floats
    pair_p: Floats
    p: Floats
    q: Floats


def weigh(effect: Floats, pair_p: Floats, smallest: float) -> Evidence:
    """Return the evidence of all neurons, p held at the smallest that is attainable."""
    held = np.maximum(pair_p, smallest)
    p = np.where(np.isnan(held).all(axis=0), np.nan, np.nan_to_num(held, nan=np.inf).min(axis=0))
    return Evidence(effect, held, p, benjamini_hochberg(p))


def significant(evidence: Evidence, alpha: float, min_effect: float, classes: Bools | None = None) -> Choice:
    """Return the neurons that are selected.

    Parameters
    ----------
    evidence : Evidence
    alpha : float
        Largest expected share of false findings.
    min_effect : float
        In the measure's own unit.
    classes : array of bool (class, neuron), optional
        The measure's own classes, where its effect names none.
    """
    with np.errstate(invalid="ignore"):
        sure = evidence.q <= alpha
        cut = float(evidence.p[sure].max()) if sure.any() else 0.0
        strong = np.asarray((evidence.pair_p <= cut) & (evidence.effect >= min_effect))
    selected = np.asarray(strong.any(axis=0))
    assigned = strong if classes is None else classes & selected
    return Choice(selected, assigned, {"p_cut": cut, "min_effect": min_effect, "alpha": alpha})
