"""Words as vectors, and the concepts that may name a neuron.

:func:`text_encoder` turns ``lexical`` or ``st:NAME_OR_PATH`` into a
:class:`~otoscope.language.encoder.TextEncoder`; :func:`~otoscope.language.concepts.concept_set` turns ``acoustic``,
``sounds``, ``labels`` or ``file:PATH``, joined by ``+``, into a :class:`~otoscope.language.concepts.ConceptSet`. A
new encoder is one file with a function ``(rest of the spec) -> TextEncoder`` plus one line in
:data:`TEXT_ENCODERS`; a new bundled concept list is one file plus one line in ``concepts.BUNDLED``.
"""

from __future__ import annotations

from otoscope.language.concepts import ConceptSet, concept_set
from otoscope.language.encoder import TextEncoder, remember
from otoscope.registry import lookup

TEXT_ENCODERS: dict[str, str] = {
    "lexical": "otoscope.language.lexical:load",
    "st": "otoscope.language.sentence:load",
}
"""Scheme -> function ``(rest of the spec) -> TextEncoder``."""


def text_encoder(spec: str = "lexical") -> TextEncoder:
    """Return the text encoder that ``spec`` names.

    Parameters
    ----------
    spec : str
        ``lexical``, or ``st:NAME_OR_PATH`` for a sentence-transformers model by its name on the hub or a local
        folder.

    Raises
    ------
    UnknownNameError
        If no encoder has the scheme.
    InputError, ModelError
        If the rest of the spec is unusable, or the model cannot be loaded.
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
    encoder: TextEncoder = lookup(TEXT_ENCODERS, scheme, room="language", kind="text encoder")(rest)
    return encoder


__all__ = ["TEXT_ENCODERS", "ConceptSet", "TextEncoder", "concept_set", "remember", "text_encoder"]
