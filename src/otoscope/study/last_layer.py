"""Does a description name the output neurons of a classifier rightly? Their true names are known.

Each neuron of ``logits`` is described among its classes and a list of other sound names; its rank of the true name
gives top-1, top-5 and the mean reciprocal rank, and the text cosine between the first and the true name rewards near
misses. Captions made from labels hold the answer and give the ceiling; the measure uses captions that do not
(titles, acoustics). Chance is stated for a random order, and measured with captions dealt to other groups' clips.

``soft_wpmi`` and ``wpmi`` with ``lam = 1`` are bounded by the log of the number of neurons, and ten neurons reach the
bound for many concepts at once; scores are therefore computed in float64. Concepts that still share a score share
their rank at its worse end, and their cosine at its mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data.clips import Clips
from otoscope.describe import SIMILARITIES, similarity
from otoscope.describe.affinity import cosine_affinity
from otoscope.describe.bind import Build
from otoscope.errors import InputError
from otoscope.language import concept_set, remember, text_encoder
from otoscope.metrics.classification import accuracy
from otoscope.metrics.permutation import donor_maps
from otoscope.metrics.ranking import mean_reciprocal_rank
from otoscope.registry import lookup
from otoscope.store.run import Run

DEALS = 20


def last_layer(
    run: Run,
    clips: Clips,
    *,
    captions: Sequence[str] | None = None,
    encoders: Sequence[str] = ("lexical",),
    concepts: str = "labels+sounds",
    functions: Sequence[str] = tuple(SIMILARITIES),
    seed: int = 0,
) -> pl.DataFrame:
    """Return one row per caption table, encoder and similarity function.

    Parameters
    ----------
    run : Run
        A captioned run whose network has classes and recorded ``logits``.
    clips : Clips
        Its clips (for the class names).
    captions : sequence of str, optional
        Tables of captions; all of the run by default.
    encoders : sequence of str
        Text encoders.
    concepts : str
        The concept set; the classes must be in it.
    functions : sequence of str
        Similarity functions.
    seed : int
        Of the deals and of rank_reorder.

    Raises
    ------
    InputError
        If the network has no class names, or one is not in the concept set.
    """
    classes = run.manifest["model"]["classes"]
    if not classes:
        raise InputError(f"{run.root} is of a network without class names: there is no known truth")
    words = concept_set(concepts, clips)
    true = np.array([words.index(name) for name in classes])
    rows = run.usable_rows()
    activations = run.activations("logits", rows=rows).astype(np.float64)
    groups = run.clips()["group"].to_numpy()[rows]
    found: list[dict[str, Any]] = []
    for table_name in captions or list(run.listing("captions")):
        name, table = run.table("captions", table_name)
        texts = table["text"].to_numpy()[rows].tolist()
        for spec in encoders:
            encoder = remember(text_encoder(spec))
            spoken = encoder.encode(list(words.texts))
            affinities = cosine_affinity(texts, words.texts, encoder).astype(np.float64)
            for function in functions:
                score = _scorer(function, activations, seed)
                own = _evaluate(score(affinities), true, spoken)
                dealt = _dealt(score, affinities, groups, true, spoken, seed)
                found.append({"captions": name, "encoder": encoder.id, "function": function, **own, **dealt})
    return pl.DataFrame(found)


Score = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _scorer(function: str, activations: NDArray[np.float64], seed: int) -> Score:
    build: Build = lookup(SIMILARITIES, function, room="describe", kind="similarity function")()

    def score(affinities: NDArray[np.float64]) -> NDArray[np.float64]:
        found = similarity.scores(build, activations, affinities, seed=seed)
        return np.nan_to_num(np.asarray(found, dtype=np.float64), nan=-np.inf, neginf=-np.inf)

    return score


def _evaluate(
    scores: NDArray[np.float64], true: NDArray[np.int64], spoken: NDArray[np.float32]
) -> dict[str, float]:
    """Return the shares of neurons named rightly, and what a random order of the concepts would give."""
    n_concepts = scores.shape[1]
    agreement = spoken[true] @ spoken.T  # (neuron, concept)
    best = scores == scores.max(axis=1, keepdims=True)
    return {
        "neurons": len(true),
        "concepts": n_concepts,
        "top1": accuracy(scores, true),
        "top5": accuracy(scores, true, k=5),
        "mrr": mean_reciprocal_rank(scores, true),
        "cosine": float((agreement * best).sum() / best.sum()),
        "chance_top1": 1 / n_concepts,
        "chance_top5": min(5, n_concepts) / n_concepts,
        "chance_mrr": float((1 / np.arange(1, n_concepts + 1)).mean()),
    }


def _dealt(
    score: Score,
    affinities: NDArray[np.float64],
    groups: NDArray[Any],
    true: NDArray[np.int64],
    spoken: NDArray[np.float32],
    seed: int,
) -> dict[str, float]:
    """Return the means over deals of the captions to other groups' clips."""
    deals = donor_maps(groups, DEALS, seed=seed)
    found = [_evaluate(score(affinities[donors]), true, spoken) for donors in deals]
    return {
        f"dealt_{key}": float(np.mean([one[key] for one in found]))
        for key in ("top1", "top5", "mrr", "cosine")
    }
