"""How little does an explanation need, and how concentrated is it?

Definitions, for a mask a >= 0 over the n bins of a clip's spectrogram:

- *size*         mean a                                                             in [0, 1], lower is smaller
- *sparseness*   Gini index sum_i (2 i - n - 1) a_(i) / (n sum a), a_(1) <= ... <= a_(n)   in [0, 1), higher is sparser
- *complexity*   entropy -sum q ln q with q = a / sum a, in nats                    in [0, ln n], lower is simpler

Conventions: one value per clip, whatever the batch. A mask that passes nothing has no sparseness and no complexity
(NaN, counted as dropped). Sparseness and complexity do not change when a mask is multiplied by a number.

References: P. Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", ICML 2020 (SPS);
U. Bhatt, A. Weller, J. Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI 2020 (COMP).

*Where published numbers differ*: quantus 0.5.3, as SpeechBrain calls it, divides by the maximum of the whole *batch*,
adds 1e-7 to every bin of the Gini index, and gives the mean of a batch as one value; a clip without any mask counts as
sparseness 0 and turns the complexity of its whole batch to NaN, a batch without any mask gives nothing, and a constant
batch ends the run. :func:`as_published` does the same, except that a constant batch is an InputError.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.classification import Floats

PUBLISHED_EPS = 1e-7


def validate(masks: Floats) -> None:
    """Raise if this is not a stack ``(clip, ...)`` of finite masks that are not negative."""
    if masks.ndim < 2:
        raise InputError(f"expected masks (clip, frequency, frame), got shape {masks.shape}")
    if masks.size == 0:
        raise EmptyDataError(f"no masks to measure: the stack is {masks.shape}")
    if not np.isfinite(masks).all() or masks.min() < 0:
        raise InputError(
            "masks are finite and not negative; take the absolute value or the positive part first"
        )


def mask_size(masks: Floats) -> NDArray[np.float64]:
    """Return the mean of each mask ``(clip,)``: the share of bins that a binary mask keeps."""
    validate(masks)
    return np.asarray(_flat(masks).mean(axis=1), dtype=np.float64)


def sparseness(masks: Floats, *, eps: float = 0.0) -> NDArray[np.float64]:
    """Return the Gini index of each mask, ``(clip,)``.

    Parameters
    ----------
    masks : array (clip, frequency, frame)
        Not negative.
    eps : float
        Added to every bin first; 1e-7 as published.

    Returns
    -------
    array (clip,)
        In [0, 1 - 1/n], higher is sparser; NaN for a mask that passes nothing.

    Notes
    -----
    O(n log n) a clip.

    Examples
    --------
    >>> sparseness(np.array([[0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]]))
    array([0.75, 0.  ])
    """
    validate(masks)
    return _gini(masks, eps)


def complexity(masks: Floats) -> NDArray[np.float64]:
    """Return the entropy in nats of each mask, ``(clip,)``.

    Parameters
    ----------
    masks : array (clip, frequency, frame)
        Not negative.

    Returns
    -------
    array (clip,)
        In [0, ln n], lower is simpler; NaN for a mask that passes nothing.

    Examples
    --------
    >>> complexity(np.array([[0.0, 1.0], [1.0, 1.0]])).round(4)
    array([0.    , 0.6931])
    """
    validate(masks)
    return _entropy(_flat(masks))


def _gini(masks: Floats, eps: float) -> NDArray[np.float64]:
    kept = np.asarray(
        masks, None if masks.dtype == np.float32 else np.float64
    )  # float32 is sorted as it is: faster
    rising = np.sort(kept.reshape(len(kept), -1), axis=1).astype(np.float64) + eps
    n = rising.shape[1]
    weighted = (rising * (2.0 * np.arange(1, n + 1) - n - 1)).sum(axis=1)
    return _defined(weighted, n * rising.sum(axis=1))


def _entropy(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    share = _defined(flat, flat.sum(axis=1, keepdims=True))
    logs = np.log(np.where(share > 0, share, 1.0))
    return np.asarray(0.0 - (share * logs).sum(axis=1), dtype=np.float64)


def as_published(masks: Floats) -> tuple[float | None, float | None]:
    """Return (sparseness, complexity) of a batch as the published tables have them; (None, None) where all is 0.

    Raises
    ------
    InputError
        If the batch is one constant: there the published code ends with an assertion.
    """
    validate(masks)
    if masks.sum() == 0:
        return None, None
    if masks.min() == masks.max():
        raise InputError(
            f"all masks of the batch are {masks.max():g}: the published sparseness is not defined there; use "
            "sparseness(), which is 0"
        )
    scaled = masks / masks.max()
    return float(sparseness(scaled, eps=PUBLISHED_EPS).mean()), float(complexity(scaled).mean())


def evaluate(masks: Floats) -> dict[str, NDArray[np.float64]]:
    """Return all measures per clip by name.

    Masks whose values are of half precision (float16, or kept as such) have few different values, which are counted
    instead of sorted: several times faster.
    """
    validate(masks)
    if (half := _halves(masks)) is not None:
        found = np.array([_by_value(one) for one in half.reshape(len(masks), -1)]).T
        return dict(zip(("mask_size", "sparseness", "complexity"), found))
    flat = _flat(masks)
    return {"mask_size": flat.mean(axis=1), "sparseness": _gini(masks, 0.0), "complexity": _entropy(flat)}


def _halves(masks: Floats) -> NDArray[np.float16] | None:
    """Return the masks in half precision, None where that would change a value."""
    if masks.dtype == np.float16:
        return np.asarray(masks, np.float16)
    few = masks.reshape(-1)[:: max(masks.size // 64, 1)]
    with np.errstate(over="ignore"):
        if not np.array_equal(
            few.astype(np.float16).astype(masks.dtype), few
        ):  # most masks are told by a few values
            return None
        half = masks.astype(np.float16)
    return half if np.array_equal(half.astype(masks.dtype), masks) else None


def _by_value(mask: NDArray[np.float16]) -> tuple[float, float, float]:
    """Return size, Gini index and entropy of one mask ``(bin,)`` from how often each of its values occurs.

    Sums are no products of vectors: those wake the threads of the algebra library, which then spin beside the network.
    """
    codes = mask.view(np.uint16) & np.uint16(0x7FFF)  # the sign of a zero does not count
    every = np.bincount(codes)
    there = np.flatnonzero(every)
    counts, values = every[there], there.astype(np.uint16).view(np.float16).astype(np.float64)
    n, sums = mask.size, counts * values
    total = float(sums.sum())
    if not total:
        return 0.0, float("nan"), float("nan")
    below = np.cumsum(counts) - counts
    gini = float((sums * (2.0 * below + counts - n)).sum()) / (n * total)
    positive = sums > 0
    shares = sums[positive] / total
    return total / n, gini, -float((shares * np.log(values[positive] / total)).sum())


def _flat(masks: Floats) -> NDArray[np.float64]:
    return np.asarray(masks, dtype=np.float64).reshape(len(masks), -1)  # (clip, bin)


def _defined(part: Any, whole: Any) -> NDArray[np.float64]:
    filled = np.where(whole > 0, whole, 1.0)
    return np.asarray(np.where(whole > 0, part / filled, np.nan), dtype=np.float64)
