"""What an encoder is: an id, and texts or sounds in, unit vectors out.

The cosine of two texts, two sounds, or a sound and a text, is the dot product of their rows. ``id`` names everything
that decides the vectors (the tables or weights behind them by a hash), so equal ids mean equal vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError


class TextEncoder(Protocol):
    """Turns texts into vectors.

    Attributes
    ----------
    id : str
        Name and content hash.
    """

    @property
    def id(self) -> str:
        """Name and content hash: equal ids give equal vectors."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row a text, float32 (text, dim), each of Euclidean length 1."""
        ...


class SoundEncoder(Protocol):
    """Turns sounds into vectors.

    Attributes
    ----------
    id : str
        Name and content hash.
    sample_rate : int
        Of the waveforms it takes, in hertz.
    """

    @property
    def id(self) -> str:
        """Name and content hash: equal ids give equal vectors."""
        ...

    @property
    def sample_rate(self) -> int:
        """Hertz of the waveforms that :meth:`encode_sounds` takes."""
        ...

    def encode_sounds(self, waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return one row a waveform ``(time,)`` of any length, float32 (clip, dim), each of Euclidean length 1."""
        ...


class TextSoundEncoder(TextEncoder, SoundEncoder, Protocol):
    """Turns texts and sounds into vectors of one space: a sound lies near the texts that fit it."""


def checked(texts: Sequence[str]) -> list[str]:
    """Return the texts as a list.

    Raises
    ------
    EmptyDataError
        If there is none.
    InputError
        If one is not a string, or has no letter or digit, so that no direction could stand for it; it is named by
        its place.
    """
    if isinstance(texts, str):
        raise InputError(f"expected a sequence of texts, got one string {texts[:60]!r}: put it in a list")
    listed = list(texts)
    if not listed:
        raise EmptyDataError("there is no text to encode")
    for place, text in enumerate(listed):
        if not isinstance(text, str):
            raise InputError(f"text {place} is {type(text).__name__}, expected str")
        if not any(one.isalnum() for one in text):
            raise InputError(
                f"text {place} ({text[:60]!r}) has no letter or digit: leave clips without a caption out"
            )
    return listed


def checked_sounds(waveforms: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    """Return the waveforms as a list of float32 ``(time,)``.

    Raises
    ------
    EmptyDataError
        If there is none.
    InputError
        If one is no waveform ``(time,)`` of finite samples; it is named by its place.
    """
    listed = [np.asarray(one, dtype=np.float32) for one in waveforms]
    if not listed:
        raise EmptyDataError("there is no sound to encode")
    for place, one in enumerate(listed):
        if one.ndim != 1 or not one.size:
            raise InputError(
                f"sound {place} has the shape {one.shape}, expected a waveform (time,) with samples: mix channels down"
            )
        if not np.isfinite(one).all():
            raise InputError(f"sound {place} holds samples that are not finite")
    return listed


class Remembered:
    """An encoder that encodes each text once, for the length of a run.

    Attributes
    ----------
    id : str
        The id of the encoder inside.
    n_encoded : int
        Texts that went through the encoder inside.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._vectors: dict[bytes, NDArray[np.float32]] = {}
        self.id = encoder.id
        self.n_encoded = 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit row a text, float32 (text, dim); only texts not seen before are encoded."""
        listed = checked(texts)
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in listed]
        new = {key: text for key, text in zip(keys, listed, strict=True) if key not in self._vectors}
        if new:
            vectors = self._encoder.encode(list(new.values()))
            self._vectors.update(zip(new, vectors, strict=True))
            self.n_encoded += len(new)
        return np.stack([self._vectors[key] for key in keys])  # (text, dim)

    def keep(self) -> None:
        """Write what is remembered to where it lasts: nothing here, where memory is all there is."""


def remember(encoder: TextEncoder) -> Remembered:
    """Return ``encoder`` with a memory: captions repeat, and each distinct one is encoded once.

    Examples
    --------
    >>> from otoscope.language import text_encoder
    >>> encoder = remember(text_encoder("lexical"))
    >>> encoder.encode(["rain", "rain", "wind"]).shape, encoder.n_encoded
    ((3, 2048), 2)
    """
    return encoder if isinstance(encoder, Remembered) else Remembered(encoder)
