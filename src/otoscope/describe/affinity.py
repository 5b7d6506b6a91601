"""How much does a clip, or what is said of it, speak of a concept?

Definition, with unit embeddings e of a clip (of its caption by an encoder of texts, or of its sound by one that
hears) and c of a concept:

- ``cosine``:  affinity = e . c, in [-1, 1];
- ``softmax``: exp(temperature e . c) / sum over concepts of the same, in (0, 1).

Conventions: arrays ``(clip, concept)`` float32; a clip without a caption, or without sound, is a row of NaN and takes
no part. Each distinct text is encoded once.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND", ICML 2024, section 3.1 (softmax, temperature 100).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from otoscope.errors import EmptyDataError, InputError
from otoscope.language import TextEncoder


def cosine_affinity(
    captions: Sequence[str | None], concepts: Sequence[str], encoder: TextEncoder
) -> NDArray[np.float32]:
    """Return the cosine of every caption with every concept, float32 ``(clip, concept)``.

    Parameters
    ----------
    captions : sequence of str or None
        None where a clip has no caption.
    concepts : sequence of str
    encoder : TextEncoder
        Gives unit vectors.

    Raises
    ------
    EmptyDataError
        If no clip has a caption.
    """
    texts = sorted({one for one in captions if one is not None})
    if not texts:
        raise EmptyDataError(f"none of {len(captions)} clips has a caption: nothing to describe with")
    place = {text: row for row, text in enumerate(texts)}
    known = encoder.encode(texts) @ encoder.encode(concepts).T  # (text, concept)
    table = np.vstack([known, np.full((1, len(concepts)), np.nan, dtype=known.dtype)])
    rows = [len(texts) if one is None else place[one] for one in captions]
    return np.asarray(table[rows], dtype=np.float32)


def sound_affinity(
    sounds: NDArray[np.float32], concepts: Sequence[str], encoder: TextEncoder
) -> NDArray[np.float32]:
    """Return the cosine of every sound with every concept, float32 ``(clip, concept)``.

    Parameters
    ----------
    sounds : array (clip, dim)
        Unit vectors by the same encoder; NaN where a clip could not be decoded.
    concepts : sequence of str
    encoder : TextEncoder
        The text side of the encoder.
    """
    return np.asarray(sounds @ encoder.encode(concepts).T, dtype=np.float32)


def as_affinity(cosines: NDArray[np.float32], kind: str, temperature: float) -> NDArray[np.float32]:
    """Return the affinities of a kind: ``cosine`` as they are, ``softmax`` over the concepts.

    Examples
    --------
    >>> as_affinity(np.array([[0.1, 0.1]], dtype=np.float32), "softmax", 100.0)
    array([[0.5, 0.5]], dtype=float32)
    """
    if kind == "cosine":
        return cosines
    if kind == "softmax":
        return np.asarray(softmax(temperature * cosines, axis=1), dtype=np.float32)
    raise InputError(f"affinity is 'cosine' or 'softmax', got {kind!r}")
