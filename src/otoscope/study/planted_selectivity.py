"""Which selector finds the neurons of each class where the truth is known? Precision and recall on planted networks.

Planted neurons (:mod:`otoscope.models.planted`) follow acoustic rules, more or less strongly, or nothing; the run also
holds layer ``neurons.rule``, the same rules without noise. For a label set of the clips the truth of a pair (neuron,
class) is how surely a clip of the class outranks another clip on the *noiseless* rule:

    selective        AUROC of the rule >= 0.9
    not selective    AUROC of the rule <= 0.6, or the neuron follows no rule at all (noise)
    undecided        between, and random projections of the spectrum: left out

Signed neurons are judged at their high pole, which is what positive positions count.

For each selector, by the default rule and by its published one: *precision* (of the decided pairs that it assigns, how
many are selective; beside it the prevalence, what assigning at random gives), *recall* (of the selective pairs, by
strength, too), *noise* (share of the neurons without a rule that it selects) and *average precision* of its effect,
which no threshold decides. Intervals are bootstraps over neurons.

Neurons must be above zero at some positions only, or their counts say nothing: record ``planted:floor=-1``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics import bootstrap, ranking
from otoscope.models import open_model
from otoscope.models.planted import truth as planted_truth
from otoscope.models.planted.load import CLEAN_LAYER, LAYER
from otoscope.progress import track
from otoscope.registry import known
from otoscope.selectivity import SELECTORS
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.labels import Labelling
from otoscope.selectivity.measure import Measured
from otoscope.selectivity.stage import labelling, measured
from otoscope.store.run import Run

SELECTIVE, NOT_SELECTIVE = 0.9, 0.6
"""AUROC of the noiseless rule from which a pair is selective, and up to which it is not."""
RULES = ("fdr", "published")

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """What is known of the pairs (class, neuron).

    Attributes
    ----------
    selective, decided : array of bool (class, neuron)
    strength : array of float64 (neuron,)
    noise : array of bool (neuron,)
        Neurons without a rule.
    """

    selective: Bools
    decided: Bools
    strength: NDArray[np.float64]
    noise: Bools


def planted_selectivity(
    run: Run,
    labels: str | None = None,
    *,
    methods: Sequence[str] = (),
    config: SelectConfig | None = None,
) -> dict[str, pl.DataFrame]:
    """Return how well each selector finds the planted neurons of each class.

    Parameters
    ----------
    run : Run
        Of a ``planted:`` network with the layers ``neurons`` and ``neurons.rule``.
    labels : str, optional
        Label set; the run's primary one by default.
    methods : sequence of str
        Selectors; all by default.
    config : SelectConfig, optional
        Everything but method, rule, labels and layers. The quota of published rules is the share of neurons that are
        selective in truth, which favours them.

    Returns
    -------
    dict of str to polars.DataFrame
        ``summary``: one row per method and rule. ``strength``: recall per method, rule and strength.

    Raises
    ------
    InputError
        If the run is not of a planted network.
    EmptyDataError
        If no pair is selective in truth.
    """
    chosen = config or SelectConfig(n_chance=0, n_splits=0)
    name = labels or run.manifest["data"]["label_sets"][0]["name"]
    task = labelling(run, name, chosen)
    truth = truth_of(run, task)
    if not (truth.selective & truth.decided).any():
        raise EmptyDataError(f"no planted neuron of {run.root} is selective for a class of {name!r}")
    quota = max(float((truth.selective & truth.decided).any(axis=0).mean()), 1e-6)
    summary, strengths = [], []
    tried = [(m, rule) for m in methods or known(SELECTORS, "selectors") for rule in RULES]
    for method, rule in track(tried, len(tried), "selecting planted neurons"):
        changes = {"method": method, "rule": rule, "layers": (LAYER,), "top_rate": quota}
        found = measured(run, task, SelectConfig.model_validate({**chosen.model_dump(), **changes}))
        summary.append({"method": method, "rule": rule, **scored(found, truth)})
        strengths += [{"method": method, "rule": rule, **row} for row in by_strength(found, truth)]
    return {"summary": pl.DataFrame(summary), "strength": pl.DataFrame(strengths)}


def truth_of(run: Run, task: Labelling) -> Truth:
    """Return what the rules say of every class and neuron."""
    spec = str(run.manifest["model"]["spec"])
    if not spec.startswith("planted:"):
        raise InputError(f"{run.root} is a run of {spec!r}; planted truth is known of planted: networks only")
    missing = [one for one in (LAYER, CLEAN_LAYER) if one not in {layer.name for layer in run.layers}]
    if missing:
        raise InputError(
            f"{run.root} lacks the layer {', '.join(missing)}, without which the truth is not known: record with "
            f"--layers {LAYER} --layers {CLEAN_LAYER}"
        )
    table = planted_truth(open_model(spec))
    clean = run.activations(CLEAN_LAYER, rows=task.rows)
    auroc = np.stack(
        [ranking.auroc(np.repeat(own[:, None], clean.shape[1], 1), clean) for own in (task.weights > 0).T]
    )
    rules = table["rules"].list.first().fill_null("noise").to_numpy()
    noise, projection = rules == "noise", rules == "projection"
    decided = ((auroc >= SELECTIVE) | (auroc <= NOT_SELECTIVE) | noise) & ~projection
    return Truth(
        (auroc >= SELECTIVE) & ~noise & ~projection,
        decided,
        table["strength"].to_numpy().astype(float),
        noise,
    )


def scored(found: Measured, truth: Truth) -> dict[str, Any]:
    """Return precision, recall and average precision with intervals, and the noise neurons selected."""
    assigned = found.choice.assigned & truth.decided
    right = (assigned & truth.selective).sum(axis=0).astype(float)
    given, wanted = assigned.sum(axis=0).astype(float), (truth.selective & truth.decided).sum(axis=0)
    row: dict[str, Any] = {"n_pairs": int(found.choice.assigned.sum()), "n_decided": int(given.sum())}
    for name, above, below in (("precision", right, given), ("recall", right, wanted.astype(float))):
        row[name] = _ratio(above, below, np.ones((1, len(above))))[0].item()
        low, high = bootstrap.interval(partial(_ratio, above, below), np.arange(len(above)))
        row |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    row["prevalence"] = float(truth.selective[truth.decided].mean())
    row["noise_selected"] = float(found.choice.selected[truth.noise].mean())
    return row | {"average_precision": average_precision(found, truth)}


def average_precision(found: Measured, truth: Truth) -> float | None:
    """Return the average precision over decided pairs of the effect, or of what names classes where it does not."""
    standing = found.evidence.standing
    effect = found.evidence.effect if standing is None else standing
    if effect.shape != truth.decided.shape:
        return None
    scores = np.nan_to_num(effect, nan=-np.inf)[truth.decided]
    lowest = scores[np.isfinite(scores)].min(initial=0)
    scores = np.where(np.isfinite(scores), scores, lowest - 1)
    return float(ranking.auprc(truth.selective[truth.decided][:, None], scores[:, None]).item())


def by_strength(found: Measured, truth: Truth) -> Iterator[dict[str, Any]]:
    """Yield recall at each strength."""
    wanted = truth.selective & truth.decided
    for strength in sorted(set(truth.strength[wanted.any(axis=0)]), reverse=True):
        own = wanted & (truth.strength == strength)
        hit = int((found.choice.assigned & own).sum())
        yield {"strength": float(strength), "n_selective": int(own.sum()), "recall": hit / int(own.sum())}


def _ratio(above: NDArray[Any], below: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weighted sums over each other ``(replicate,)``; NaN where nothing is below."""
    total = weights @ below
    found = np.full(len(weights), np.nan)
    return np.asarray(np.divide(weights @ above, total, out=found, where=total > 0))
