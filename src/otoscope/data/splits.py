"""Divide clips into parts so that no group (source, speaker, artist) is in two of them.

Clips of one group are not independent, so a part that shares a group with another one measures memory, not
hearing. Groups are dealt out greedily: largest first (ties in an order drawn with ``seed``), each to the part
where it lowers most the misfit

    sum over parts p and classes c of  (missing[p, c] / total[c])^2 / share[p],

``missing[p, c]`` being what the part still lacks of class ``c`` to its share of the total (all clips count as one
more class). That is the idea of scikit-learn's ``StratifiedGroupKFold``, for parts of any sizes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from otoscope.data.clips import Clips
from otoscope.errors import InputError


def split_by_group(
    clips: Clips, fractions: Mapping[str, float], seed: int, stratify: str | None = None
) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each part, ascending; every row is in exactly one part and every group, too.

    Parameters
    ----------
    clips : Clips
        What to divide. Where its groups are not declared, a group is a file.
    fractions : mapping of str to float
        Name of the part -> its share of the clips, > 0, adding up to 1.
    seed : int
        Equal seeds give equal parts.
    stratify : str, optional
        Label set whose classes are balanced over the parts; None is the primary one, and nothing where there
        are no labels.

    Returns
    -------
    dict of str to int64 (clip,)
        Never empty parts. Shares are met as closely as whole groups allow.

    Raises
    ------
    InputError
        If the shares do not add up to 1, there are fewer groups than parts, or ``seed`` is negative.

    Notes
    -----
    Cost O(groups x parts x classes).
    """
    names, shares = list(fractions), np.array(list(fractions.values()), dtype=np.float64)
    if not names or not (shares > 0).all() or not math.isclose(shares.sum(), 1.0, abs_tol=1e-6):
        raise InputError(f"the parts' shares are positive and add up to 1, got {dict(fractions)}")
    if seed < 0:
        raise InputError(f"a seed is a whole number of 0 or more, got {seed}")
    groups, member = np.unique(clips.table["group"].to_numpy(), return_inverse=True)
    if len(groups) < len(names):
        raise InputError(
            f"{clips.spec} has {len(groups)} group(s), too few for the {len(names)} parts {', '.join(names)}: "
            f"a group is never cut in two"
        )
    classes = _classes(clips, stratify)
    counts = np.zeros((len(groups), classes.shape[1]))  # (group, class)
    np.add.at(counts, member, classes)
    part = _dealt(counts, shares, np.random.default_rng(seed))
    return {name: np.flatnonzero(part[member] == index).astype(np.int64) for index, name in enumerate(names)}


def _classes(clips: Clips, stratify: str | None) -> NDArray[np.float64]:
    """Return (clip, class): membership in each class, and a last column of ones for the number of clips."""
    ones = np.ones((len(clips), 1))
    if not clips.label_sets and stratify is None:
        return ones
    targets = clips.targets(stratify)
    if targets.ndim == 2:
        return np.concatenate([targets, ones], axis=1)
    classes = np.arange(len(clips.label_set(stratify).classes))
    return np.concatenate([targets[:, None] == classes, ones], axis=1)


def _dealt(
    counts: NDArray[np.float64], shares: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the part of each group; ``counts`` is (group, class), its last column the number of clips."""
    total = counts.sum(axis=0)
    scale = 1.0 / np.maximum(total, 1.0)
    missing = np.outer(shares, total)  # (part, class)
    part = np.full(len(counts), -1, dtype=np.int64)
    n_groups = np.zeros(len(shares), dtype=np.int64)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order, -1], kind="stable")]
    for place, group in enumerate(order):
        gain = ((2.0 * missing - counts[group]) * counts[group] * scale**2).sum(axis=1) / shares
        empty = n_groups == 0
        if len(order) - place <= empty.sum():  # the last groups go to the parts that have none
            gain = np.where(empty, gain, -np.inf)
        part[group] = np.argmax(gain)
        n_groups[part[group]] += 1
        missing[part[group]] -= counts[group]
    return part
