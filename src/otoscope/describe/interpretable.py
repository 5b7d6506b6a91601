"""How many neurons have top clips that nothing in the captions holds together?

Definition. All captions are cut into sentences, without talk about the task, and the sentences are put into clusters
(K-means on their unit vectors). A clip belongs to every cluster in which it has a sentence. A neuron's *best count* is
the largest number of its k top clips that belong to one cluster; it is *uninterpretable* at K' if the best count is
below K' (k = 5; K' = 3, 4, 5).

A share of uninterpretable neurons says nothing alone: it stands beside

- *random*: the same for sets of k clips drawn at random, one of a group where the top clips are;
- *permuted*: the same for the neurons' own top clips when captions are dealt anew, whole groups to groups of like
  *hubness* (how often their clips are top clips of any neuron): a caption then is evidence as often as before.

*Clarity* is the mean cosine of all pairs of a neuron's top clips, less that of pairs of clips of different groups.

Conventions: clusters are seeded; their number is given (11, as published), or chosen as the one of the candidates with
the largest mean silhouette.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models", ICML
2024, section 4.4 and figures 6, 11-14: 11 clusters, unseeded, without a baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError
from otoscope.language import TextEncoder
from otoscope.language.boilerplate import is_boilerplate
from otoscope.language.sentences import sentences
from otoscope.metrics.permutation import donor_maps

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

CANDIDATES = tuple(range(4, 25))
"""Numbers of clusters that are tried where none is given."""
_LEAST_GROUPS = 16
_SILHOUETTE_SENTENCES = 2000


@dataclass(frozen=True)
class Clusters:
    """Sentences in clusters.

    Attributes
    ----------
    membership : array of bool (clip, cluster)
    examples : tuple of str
        The sentence nearest to the centre of each cluster.
    n_sentences : int
        All of them; equal ones count as often as they come.
    silhouettes : dict of int to float
        Of each candidate, where the number was chosen.
    """

    membership: Mask
    examples: tuple[str, ...]
    n_sentences: int
    silhouettes: dict[int, float]


def sentence_clusters(
    captions: Sequence[str], encoder: TextEncoder, *, n_clusters: int | None = 11, seed: int = 0
) -> Clusters:
    """Return the clusters of the captions' sentences.

    Parameters
    ----------
    captions : sequence of str
        One a clip.
    encoder : TextEncoder
    n_clusters : int or None
        None = the one of :data:`CANDIDATES` with the largest silhouette.
    seed : int

    Raises
    ------
    EmptyDataError
        If no caption has a sentence.
    InputError
        If there are fewer different sentences than clusters.
    """
    pairs = [
        (clip, one)
        for clip, text in enumerate(captions)
        for one in sentences(text)
        if not is_boilerplate(one)
    ]
    distinct = sorted({one for _, one in pairs})
    if not distinct:
        raise EmptyDataError(f"none of {len(captions)} captions has a sentence: nothing to put into clusters")
    place = {text: number for number, text in enumerate(distinct)}
    which = np.asarray([place[one] for _, one in pairs])
    vectors, weight = encoder.encode(distinct), np.bincount(which).astype(np.float64)
    silhouettes: dict[int, float] = {}
    if n_clusters is None:
        silhouettes = _silhouettes(vectors, weight, seed)
        n_clusters = max(silhouettes, key=lambda one: (silhouettes[one], -one))
    labels, centres = _k_means(vectors, weight, n_clusters, seed)
    membership = np.zeros((len(captions), n_clusters), dtype=np.bool_)
    membership[[clip for clip, _ in pairs], labels[which]] = True
    nearest = [_nearest(vectors, labels, centres, one) for one in range(n_clusters)]
    return Clusters(membership, tuple(distinct[one] for one in nearest), len(pairs), silhouettes)


def _k_means(
    vectors: NDArray[np.float32], weight: NDArray[np.float64], n_clusters: int, seed: int
) -> tuple[Rows, NDArray[np.float64]]:
    from sklearn.cluster import KMeans

    if not 1 <= n_clusters <= len(vectors):
        raise InputError(
            f"{n_clusters} clusters of {len(vectors)} different sentences: choose 1 to that many"
        )
    model = KMeans(n_clusters=n_clusters, n_init=10, random_state=seed)
    labels = model.fit_predict(vectors.astype(np.float64), sample_weight=weight)
    return labels.astype(np.int64), np.asarray(model.cluster_centers_)


def _silhouettes(vectors: NDArray[np.float32], weight: NDArray[np.float64], seed: int) -> dict[int, float]:
    from sklearn.metrics import silhouette_score

    found = {}
    for number in (one for one in CANDIDATES if one < len(vectors)):
        labels = _k_means(vectors, weight, number, seed)[0]
        size = min(_SILHOUETTE_SENTENCES, len(vectors))
        found[number] = float(silhouette_score(vectors, labels, sample_size=size, random_state=seed))
    if not found:
        raise InputError(
            f"{len(vectors)} different sentences are too few to choose a number of clusters: give one"
        )
    return found


def _nearest(vectors: NDArray[np.float32], labels: Rows, centres: NDArray[np.float64], cluster: int) -> int:
    members = np.flatnonzero(labels == cluster)
    return int(members[np.argmax(vectors[members] @ centres[cluster])])


def best_count(top: Rows, membership: Mask) -> Rows:
    """Return, int64 ``(neuron,)``, how many of its top clips a neuron's best cluster holds.

    Parameters
    ----------
    top : array of int (neuron, k)
        Positions of clips; -1 for none.
    membership : array of bool (clip, cluster)

    Examples
    --------
    >>> best_count(np.array([[0, 1, 2]]), np.array([[True, False], [True, True], [False, True]]))
    array([2])
    """
    there = (top >= 0)[:, :, None]
    return np.asarray((membership[top] & there).sum(axis=1).max(axis=1), dtype=np.int64)


def random_sets(groups: NDArray[Any], k: int, draws: int, *, distinct_groups: bool, seed: int) -> Rows:
    """Return random sets of clips ``(draw, k)``, one of a group where asked; -1 where there are too few groups."""
    rng = np.random.default_rng(seed)
    code = np.unique(groups, return_inverse=True)[1].reshape(-1)
    found = np.full((draws, k), -1, dtype=np.int64)
    for row in found:
        order = rng.permutation(len(code))
        if distinct_groups:
            order = order[np.sort(np.unique(code[order], return_index=True)[1])]
        row[: min(k, len(order))] = order[:k]
    return found


def hub_strata(top: Rows, groups: NDArray[Any]) -> Rows:
    """Return a stratum for each clip ``(clip,)``, constant within groups: groups whose clips are top clips as often.

    Strata are quantiles of a group's mean number of appearances, of at least 16 groups each.

    Parameters
    ----------
    top : array of int (neuron, k)
        Of all neurons.
    groups : array (clip,)
    """
    code = np.unique(groups, return_inverse=True)[1].reshape(-1)
    appearances = np.bincount(top[top >= 0], minlength=len(code))
    mean = np.bincount(code, weights=appearances) / np.bincount(code)
    rank = np.argsort(np.argsort(mean, kind="stable"), kind="stable")
    n_strata = max(1, len(mean) // _LEAST_GROUPS)
    return np.asarray((rank * n_strata // len(mean))[code], dtype=np.int64)


def permuted_counts(
    top: Rows, membership: Mask, groups: NDArray[Any], n_permutations: int, *, seed: int
) -> Rows:
    """Return the best counts ``(permutation, neuron)`` when captions are dealt to groups of like hubness.

    Parameters
    ----------
    top : array of int (neuron, k)
        Of all neurons of the run: they decide the hubness.
    membership : array of bool (clip, cluster)
    groups : array (clip,)
    n_permutations, seed
    """
    deals = donor_maps(groups, n_permutations, seed=seed, strata=hub_strata(top, groups))
    return np.stack([best_count(top, membership[dealt]) for dealt in deals])


def clarity(top: Rows, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean cosine of all pairs of a neuron's top clips ``(neuron,)``; NaN for fewer than two.

    Parameters
    ----------
    top : array of int (neuron, k)
    vectors : array (clip, dim)
        Unit vectors of the clips: of their sound, or of their captions.
    """
    there = (top >= 0)[:, :, None]
    n = there.sum(axis=(1, 2))
    total = (vectors[top] * there).sum(axis=1)  # (neuron, dim)
    pairs = (total**2).sum(axis=1) - n
    return np.where(n > 1, pairs / np.maximum(n * (n - 1), 1), np.nan)


def clarity_by_chance(groups: NDArray[Any], vectors: NDArray[np.float32]) -> float:
    """Return the mean cosine of all pairs of clips of different groups; NaN for a single group."""
    code = np.unique(groups, return_inverse=True)[1].reshape(-1)
    sums = np.zeros((int(code.max()) + 1, vectors.shape[1]))
    np.add.at(sums, code, vectors)
    sizes = np.bincount(code)
    across = float((sums.sum(axis=0) ** 2).sum() - (sums**2).sum())
    pairs = float(sizes.sum() ** 2 - (sizes**2).sum())
    return across / pairs if pairs else float("nan")
