"""Does a text about a neuron hold on clips it was not made from?

The scores of :mod:`otoscope.describe.held_out`, with the affinity of a clip to a text = the cosine of the clip's
(scoring) caption and the text. Equal texts are one description. The control is the text of another random neuron of
the layer and pole; a second one, where a method gives it, is the text made from captions dealt to other groups' clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.describe.free_text import Corpus, FreeTextConfig, Part, parts
from otoscope.describe.held_out import another_neuron, score_descriptions
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.metrics.correlation import pearson, weighted_pearson
from otoscope.store.run import Run

Parted = Sequence[Sequence[str | None]]

COLUMNS = ("pearson", "low", "high", "auprc_gain", "auroc", "control")


@dataclass(frozen=True)
class Advantage:
    """Mean held-out Pearson over neurons, against a control; a neuron without a text counts 0.

    Attributes
    ----------
    mean, control : float
    difference, low, high : float
        And its 95 % interval over groups of clips.
    """

    mean: float
    control: float
    difference: float
    low: float
    high: float


def parted(
    run: Run, config: FreeTextConfig, texts: Mapping[tuple[int, str], str | None]
) -> list[list[str | None]]:
    """Return the texts of (neuron, pole) in the order of :func:`otoscope.describe.free_text.parts`."""
    return [[texts.get(key) for key in part.neurons()] for part in parts(run, config)]


def score_texts(
    run: Run,
    config: FreeTextConfig,
    corpus: Corpus,
    texts: Parted,
) -> dict[str, NDArray[np.float64]]:
    """Return the held-out columns of all described neurons, each ``(neuron,)``.

    Parameters
    ----------
    run, config, corpus
    texts : sequence of sequence of str or None
        What is said of each neuron, by part: see :func:`parted`.
    """
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in COLUMNS}
    for part, said in zip(parts(run, config), texts, strict=True):
        for name, values in _scores(run, config, corpus, part, said).items():
            found[name].append(values)
    joined = {name: np.concatenate(one) if one else np.zeros(0) for name, one in found.items()}
    return {f"{'heldout' if name != 'control' else name}_{name}": joined[name] for name in COLUMNS[:-1]} | {
        "control_pearson": joined["control"]
    }


def pearson_of(run: Run, config: FreeTextConfig, corpus: Corpus, texts: Parted) -> NDArray[np.float64]:
    """Return the held-out Pearson of each neuron's text, ``(neuron,)``; NaN where there is no text."""
    found = []
    for part, said in zip(parts(run, config), texts, strict=True):
        values, there = np.full(len(said), np.nan), _there(said)
        if there.any():
            activations = part.activations(run, corpus.scoring)[:, there]
            values[there] = pearson(activations, _affinities(corpus, [one for one in said if one]))
        found.append(values)
    return np.concatenate(found) if found else np.zeros(0)


def advantage(
    run: Run, config: FreeTextConfig, corpus: Corpus, texts: Parted, controls: Sequence[Parted]
) -> Advantage:
    """Return how far the texts predict the scoring clips better than the mean of some controls, over all neurons."""
    weights = group_weights(corpus.groups[corpus.scoring], config.replicates, config.seed)
    weights = np.concatenate([np.ones((1, weights.shape[1])), weights])
    totals = np.zeros((1 + len(controls), len(weights)))
    n_neurons = 0
    for number, part in enumerate(parts(run, config)):
        activations = part.activations(run, corpus.scoring)
        n_neurons += len(part.index)
        for place, said in enumerate((texts[number], *(one[number] for one in controls))):
            there = _there(said)
            if there.any():
                values = _affinities(corpus, [one for one in said if one])
                totals[place] += np.nansum(weighted_pearson(activations[:, there], values, weights), axis=1)
    means = totals / max(n_neurons, 1)
    mean, chance = means[0], means[1:].mean(axis=0)
    low, high = percentile_interval((mean - chance)[1:])
    return Advantage(float(mean[0]), float(chance[0]), float(mean[0] - chance[0]), float(low), float(high))


def _scores(
    run: Run,
    config: FreeTextConfig,
    corpus: Corpus,
    part: Part,
    texts: Sequence[str | None],
) -> dict[str, NDArray[np.float64]]:
    distinct = sorted({one for one in texts if one})
    if not distinct:
        return {name: np.full(len(texts), np.nan) for name in COLUMNS}
    place = {text: column for column, text in enumerate(distinct)}
    text = np.asarray([place[one] if one else -1 for one in texts], dtype=np.int64)
    found = score_descriptions(
        part.activations(run, corpus.scoring),
        _affinities(corpus, distinct),
        text,
        another_neuron(text, config.seed),
        np.quantile(part.activations(run, corpus.describing), config.activity_quantile, axis=0),
        corpus.groups[corpus.scoring],
        n_replicates=config.replicates,
        seed=config.seed,
    )
    return {name: getattr(found, name) for name in COLUMNS}


def _affinities(corpus: Corpus, texts: Sequence[str]) -> NDArray[Any]:
    return corpus.vectors(corpus.scoring, scoring=True) @ corpus.encoder.encode(list(texts)).T


def _there(texts: Sequence[str | None]) -> NDArray[np.bool_]:
    return np.asarray([bool(one) for one in texts], dtype=np.bool_)
