"""Which clips show what a neuron does: the most and the least activating ones, and the near misses?

- *high*, *low*: the k clips of highest and of lowest activation, at most one of a group (or, as published, whatever
  group they are of: five takes of one recording then look like five pieces of evidence);
- *near miss*: a clip that does not excite the neuron (activation at most its median) although its caption is close
  to those of the high clips: the k of largest cosine to the mean of their vectors. What is true of near misses, too,
  is not why the neuron fires.

Conventions: ties are resolved by one seeded order of the clips, never by file order. Where fewer than k clips exist,
rows are filled with -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope.describe.ranked import tie_order, tied_at_cut, top_ranked

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Exemplars:
    """Positions among the clips given.

    Attributes
    ----------
    high, low, near : array of int64 (neuron, k)
        Best first; -1 where there is no further one.
    dead, tied : array of bool (neuron,)
        The same activation everywhere; a tie decided which clips are among the highest k.
    """

    high: Rows
    low: Rows
    near: Rows
    dead: NDArray[np.bool_]
    tied: NDArray[np.bool_]


def exemplars(
    activations: NDArray[np.float32],
    vectors: NDArray[np.float32],
    groups: NDArray[Any],
    *,
    k: int = 5,
    distinct_groups: bool = True,
    seed: int = 0,
) -> Exemplars:
    """Return the clips that show what each neuron does.

    Parameters
    ----------
    activations : array (clip, neuron)
        Without NaN.
    vectors : array (clip, dim)
        Unit vectors of the clips' captions.
    groups : array (clip,)
    k : int
        Of each kind.
    distinct_groups : bool
        At most one clip of a group among the high, and among the low ones.
    seed : int
        Of the order of tied clips.

    Notes
    -----
    O(clip x neuron x (log clip + dim)).
    """
    values = torch.from_numpy(np.ascontiguousarray(activations))
    order = tie_order(len(values), seed)
    code = np.unique(groups, return_inverse=True)[1].reshape(-1) if distinct_groups else None
    high = _first(top_ranked(values, len(values), order).numpy(), code, k)
    low = _first(top_ranked(-values, len(values), order).numpy(), code, k)
    near = _near(activations, vectors, high, k, code)
    lifeless = activations.max(axis=0) == activations.min(axis=0)
    tied = tied_at_cut(values, torch.from_numpy(high[:, : min(k, len(values))]).clamp(min=0)).numpy()
    return Exemplars(high, low, near, lifeless, tied & ~lifeless)


def _first(ranked: NDArray[Any], code: Rows | None, k: int) -> Rows:
    """Return the first k of each row of ``ranked`` (neuron, clip), one a group."""
    found = np.full((len(ranked), k), -1, dtype=np.int64)
    for neuron, row in enumerate(ranked):
        kept = row if code is None else row[np.sort(np.unique(code[row], return_index=True)[1])]
        found[neuron, : min(k, len(kept))] = kept[:k]
    return found


def _near(
    activations: NDArray[np.float32],
    vectors: NDArray[np.float32],
    high: Rows,
    k: int,
    code: Rows | None,
) -> Rows:
    there = (high >= 0)[:, :, None]
    centre = (vectors[high] * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)  # (neuron, dim)
    closeness = centre @ vectors.T  # (neuron, clip)
    closeness[(activations > np.median(activations, axis=0)).T] = -np.inf
    np.put_along_axis(closeness, np.where(high >= 0, high, high[:, :1]), -np.inf, axis=1)
    ranked = np.argsort(-closeness, axis=1, kind="stable")
    found = _first(ranked, code, k)
    allowed = np.take_along_axis(closeness, np.maximum(found, 0), axis=1) > -np.inf
    return np.where(allowed & (found >= 0), found, -1)
