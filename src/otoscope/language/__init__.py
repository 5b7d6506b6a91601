"""Words and sounds as vectors, and the concepts that may name a neuron.

:func:`text_encoder` turns ``lexical``, ``st:NAME_OR_PATH``, ``clip:NAME_OR_PATH`` or ``clap:NAME_OR_PATH`` into a
:class:`~otoscope.language.encoder.TextEncoder`; :func:`text_sound_encoder` turns ``clap:NAME_OR_PATH`` into a
:class:`~otoscope.language.encoder.TextSoundEncoder`, which hears, too;
:func:`~otoscope.language.concepts.concept_set` turns ``acoustic``, ``sounds``, ``labels`` or ``file:PATH``, joined by
``+``, into a :class:`~otoscope.language.concepts.ConceptSet`. A new encoder is one file with a function ``(rest of the
spec, device) -> encoder`` plus one line in :data:`TEXT_ENCODERS` or :data:`TEXT_SOUND_ENCODERS`; a new bundled concept
list is one file plus one line in ``concepts.BUNDLED``. :mod:`otoscope.language.embeddings` keeps vectors in a run.
"""

from __future__ import annotations

from otoscope.language.concepts import ConceptSet, concept_set
from otoscope.language.encoder import SoundEncoder, TextEncoder, TextSoundEncoder, remember
from otoscope.models.device import checked_device
from otoscope.registry import lookup

TEXT_ENCODERS: dict[str, str] = {
    "lexical": "otoscope.language.lexical:load",
    "st": "otoscope.language.sentence:load",
    "clip": "otoscope.language.clip:load",
    "clap": "otoscope.language.clap:load",
}
"""Scheme -> function ``(rest of the spec, device) -> TextEncoder``."""

TEXT_SOUND_ENCODERS: dict[str, str] = {
    "clap": "otoscope.language.clap:load",
}
"""Scheme -> function ``(rest of the spec, device) -> TextSoundEncoder``."""


def text_encoder(spec: str = "lexical", device: str = "cpu") -> TextEncoder:
    """Return the text encoder that ``spec`` names.

    Parameters
    ----------
    spec : str
        ``lexical``; ``st:NAME_OR_PATH`` for a sentence-transformers model by its name on the hub or a local folder;
        ``clip:NAME_OR_PATH`` for the text tower of CLIP; ``clap:NAME_OR_PATH`` for that of CLAP.
    device : str
        A torch device for the network behind it.

    Raises
    ------
    UnknownNameError
        If no encoder has the scheme.
    InputError, ModelError
        If the rest of the spec or the device is unusable, or the model cannot be loaded.
    MissingExtraError
        If the model's package is not installed.

    Examples
    --------
    >>> encoder = text_encoder("lexical")
    >>> vectors = encoder.encode(["a dog barking", "canine woofing", "heavy rain"])
    >>> bool(vectors[0] @ vectors[1] > vectors[0] @ vectors[2])
    True
    """
    scheme, _, rest = spec.partition(":")
    load = lookup(TEXT_ENCODERS, scheme, room="language", kind="text encoder")
    encoder: TextEncoder = load(rest, device=checked_device(device))
    return encoder


def text_sound_encoder(spec: str, device: str = "cpu") -> TextSoundEncoder:
    """Return the encoder of texts and sounds that ``spec`` names.

    Parameters
    ----------
    spec : str
        ``clap:NAME_OR_PATH``, see :mod:`otoscope.language.clap`.
    device : str
        A torch device for the network behind it.

    Raises
    ------
    UnknownNameError
        If no encoder has the scheme.
    InputError, ModelError
        If the rest of the spec or the device is unusable, or the model cannot be loaded.
    MissingExtraError
        If the model's package is not installed.
    """
    scheme, _, rest = spec.partition(":")
    load = lookup(TEXT_SOUND_ENCODERS, scheme, room="text_sound", kind="encoder of texts and sounds")
    encoder: TextSoundEncoder = load(rest, device=checked_device(device))
    return encoder


__all__ = [
    "TEXT_ENCODERS",
    "TEXT_SOUND_ENCODERS",
    "ConceptSet",
    "SoundEncoder",
    "TextEncoder",
    "TextSoundEncoder",
    "concept_set",
    "remember",
    "text_encoder",
    "text_sound_encoder",
]
