"""How many neurons does a task have, of how many classes, where, and how many by chance?

Definitions, of a table ``assigned (class, neuron)``:

- *coverage*: share of classes with at least one neuron;
- *neurons per class*: mean, median, least and most over all classes, those without any included;
- *pairs*: assignments; *classes per neuron*: pairs / neurons that have a class;
- *p of coverage* (of pairs): (b + 1) / (B + 1), b how many selections with permuted labels reach as much.

Reference: T. Kawamura, D. Niizumi, N. Ono, arXiv 2602.15307, task-level statistics. A quota is always spent, so its
coverage means something only beside that of permuted labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError
from otoscope.selectivity.selector import Bools, Choice

SHOWN = ("n_selected", "n_pairs", "coverage", "mean_per_class")
"""Statistics that stand beside chance."""


def task_statistics(assigned: Bools, selected: Bools | None = None) -> dict[str, float]:
    """Return the statistics of one selection.

    Parameters
    ----------
    assigned : array of bool (class, neuron)
    selected : array of bool (neuron,), optional
        Also neurons that were selected and have no class; those with a class where not given.

    Examples
    --------
    >>> found = task_statistics(np.array([[True, True, False], [True, False, False], [False] * 3]))
    >>> found["coverage"].__round__(3), found["mean_per_class"], found["classes_per_neuron"]
    (0.667, 1.0, 1.5)
    """
    if assigned.ndim != 2 or 0 in assigned.shape:
        raise InputError(f"expected assignments (class, neuron), at least one of each, got {assigned.shape}")
    per_class, per_neuron = assigned.sum(axis=1), assigned.sum(axis=0)
    with_class = int((per_neuron > 0).sum())
    return {
        "n_selected": int(per_neuron.astype(bool).sum() if selected is None else selected.sum()),
        "n_with_class": with_class,
        "n_pairs": int(per_class.sum()),
        "coverage": float((per_class > 0).mean()),
        "mean_per_class": float(per_class.mean()),
        "median_per_class": float(np.median(per_class)),
        "min_per_class": int(per_class.min()),
        "max_per_class": int(per_class.max()),
        "classes_per_neuron": float(per_class.sum() / with_class) if with_class else float("nan"),
    }


def beside_chance(found: dict[str, float], chance: Sequence[Choice]) -> dict[str, float]:
    """Return, for each of :data:`SHOWN`, the mean and the 95th percentile under permuted labels, and p."""
    others = [task_statistics(one.assigned, one.selected) for one in chance]
    result: dict[str, float] = {}
    for name in SHOWN:
        values = np.array([one[name] for one in others], dtype=np.float64)
        known = len(values) > 0
        result[f"chance_{name}"] = float(values.mean()) if known else float("nan")
        result[f"chance_{name}_p95"] = float(np.quantile(values, 0.95)) if known else float("nan")
        beyond = int((values >= found[name]).sum())
        result[f"p_{name}"] = (beyond + 1) / (len(values) + 1) if known else float("nan")
    return result


def per_layer(
    assigned: Bools, selected: Bools, layer_of: NDArray[np.int64], n_layers: int
) -> list[dict[str, Any]]:
    """Return neurons, selected ones, pairs and coverage of each layer."""
    found = []
    for layer in range(n_layers):
        inside = layer_of == layer
        table = assigned[:, inside]
        found.append(
            {
                "n_neurons": int(inside.sum()),
                "n_selected": int(selected[inside].sum()),
                "n_pairs": int(table.sum()),
                "coverage": float(table.any(axis=1).mean()),
            }
        )
    return found


def overlap(first: Choice, second: Choice) -> dict[str, float]:
    """Return how alike two selections are: Jaccard of their neurons and of their pairs, and the pairs' by chance.

    Chance: pairs of the same number of neurons per class, drawn independently over all neurons.
    """
    both = (first.assigned & second.assigned).sum()
    either = (first.assigned | second.assigned).sum()
    sizes = first.assigned.sum(axis=1), second.assigned.sum(axis=1)
    expected = float((sizes[0] * sizes[1] / first.assigned.shape[1]).sum())
    union = float(sizes[0].sum() + sizes[1].sum()) - expected
    return {
        "neuron_jaccard": _ratio(
            (first.selected & second.selected).sum(), (first.selected | second.selected).sum()
        ),
        "pair_jaccard": _ratio(both, either),
        "pair_jaccard_independent": _ratio(expected, union),
        "n_pairs_first": int(sizes[0].sum()),
        "n_pairs_second": int(sizes[1].sum()),
    }


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
