"""Which neurons are selected, and for which classes? The default rule: surely enough, and strongly enough.

Definition, for the p[c] of :mod:`otoscope.selectivity.nulls`, over all neurons of the run:

- p = min over classes of p[c]; q = Benjamini and Hochberg's over all neurons that have an effect;
- cut = alpha x R / m, R the neurons with q <= alpha among m that have an effect: the level at which q selects;
- a neuron is *assigned* to each class with p[c] <= cut and effect[c] >= least effect, and *selected* if there is one.

As p[c] is corrected for the choice among a neuron's classes, holding every class to the same cut keeps the expected
share of false classes among the selected neurons' at alpha, too. Where the measure names no class (entropy), selected
are q <= alpha and effect >= least effect, and assigned is each class that stands out (:attr:`Selector.naming`) with a p
of at most the cut: there may be none.

Reference: Y. Benjamini, M. Bogomolov, "Selective inference on multiple families of hypotheses", JRSS B 76, 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otoscope.metrics.multiple_testing import benjamini_hochberg
from otoscope.selectivity.selector import Choice

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
    standing, class_p : array (class, neuron) or None
        How much each class stands out and its p, where the effect names no class.
    """

    effect: Floats
    pair_p: Floats
    p: Floats
    q: Floats
    standing: Floats | None = None
    class_p: Floats | None = None


def weigh(
    effect: Floats,
    pair_p: Floats,
    smallest: float,
    standing: Floats | None = None,
    class_p: Floats | None = None,
) -> Evidence:
    """Return the evidence of all neurons, p held at the smallest that is attainable."""
    held = np.maximum(pair_p, smallest)
    p = np.where(np.isnan(held).all(axis=0), np.nan, np.nan_to_num(held, nan=np.inf).min(axis=0))
    classes = None if class_p is None else np.maximum(class_p, smallest)
    return Evidence(effect, held, p, benjamini_hochberg(p), standing, classes)


def significant(evidence: Evidence, alpha: float, min_effect: float) -> Choice:
    """Return the neurons that are selected.

    Parameters
    ----------
    evidence : Evidence
    alpha : float
        Largest expected share of false findings.
    min_effect : float
        In the measure's own unit.
    """
    with np.errstate(invalid="ignore"):
        sure = evidence.q <= alpha
        cut = float(alpha * sure.sum() / max(1, np.isfinite(evidence.p).sum()))
        strong = np.asarray((evidence.pair_p <= cut) & (evidence.effect >= min_effect))
        selected = np.asarray(strong.any(axis=0))
        assigned = strong if evidence.class_p is None else selected & (evidence.class_p <= cut)
    return Choice(selected, assigned, {"p_cut": cut, "min_effect": min_effect, "alpha": alpha})
