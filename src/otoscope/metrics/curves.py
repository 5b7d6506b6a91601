"""How soon does a class appear when the most relevant bins are put in first, or vanish when they are taken out first?

Definition. Bins are ranked by an explanation. At share s of the bins, *deletion* has removed the first s n of them and
*insertion* has kept only those; the curve is the class's probability over s, and the area is the trapezoid mean

    area = sum_i (s_{i+1} - s_i) (p_{i+1} + p_i) / 2 / (s_last - s_first).

Conventions: curves are ``(clip, step)`` and shares rise. Insertion is better high, deletion better low, and their
difference (insertion - deletion) is one number per clip, 0 in expectation for a random ranking of exchangeable bins.
Reference: V. Petsiuk, A. Das, K. Saenko, "RISE", BMVC 2018.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.classification import Floats


def validate(curve: Floats, shares: Floats) -> None:
    """Raise if there is not one probability per clip and share, or shares do not rise."""
    if curve.ndim != 2 or shares.shape != curve.shape[1:] or shares.size < 2:
        raise InputError(
            f"expected a curve (clip, step) and two or more shares, got {curve.shape} and {shares.shape}"
        )
    if len(curve) == 0:
        raise EmptyDataError("there is no clip's curve to measure")
    if not (np.diff(shares) > 0).all() or shares[0] < 0 or shares[-1] > 1:
        raise InputError(f"shares rise from 0 to 1, got {shares.tolist()}")


def area(curve: Floats, shares: Floats) -> NDArray[np.float64]:
    """Return the mean height of each curve over the shares, ``(clip,)``.

    Examples
    --------
    >>> area(np.array([[0.0, 1.0, 1.0]]), np.array([0.0, 0.5, 1.0]))
    array([0.75])
    """
    validate(curve, shares)
    heights = (curve[:, 1:] + curve[:, :-1]) / 2
    return np.asarray(heights @ np.diff(shares) / (shares[-1] - shares[0]), dtype=np.float64)


def evaluate(insertion: Floats, deletion: Floats, shares: Floats) -> dict[str, NDArray[np.float64]]:
    """Return ``insertion_area``, ``deletion_area`` and ``area_difference`` (insertion - deletion) per clip."""
    inserted, deleted = area(insertion, shares), area(deletion, shares)
    return {
        "insertion_area": inserted,
        "deletion_area": deleted,
        "area_difference": inserted - deleted,
    }
