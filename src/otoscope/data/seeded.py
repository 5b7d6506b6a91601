"""Random numbers that belong to a clip: the same for one seed and id, whatever else is drawn and in which order."""

from __future__ import annotations

import numpy as np

from otoscope.errors import InputError
from otoscope.store.hashing import sha256_json


def seeded(seed: int, *what: str) -> np.random.Generator:
    """Return the generator of ``what`` (a clip's id, what is drawn for it) under ``seed``.

    Raises
    ------
    InputError
        If the seed is negative.

    Examples
    --------
    >>> bool(seeded(0, "a.wav").random() == seeded(0, "a.wav").random() != seeded(0, "b.wav").random())
    True
    """
    if seed < 0:
        raise InputError(f"a seed is a whole number of 0 or more, got {seed}")
    return np.random.default_rng(int(sha256_json([seed, *what])[:32], 16))
