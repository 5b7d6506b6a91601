"""How alike are two texts, judged by a sentence-transformers network?

``st:NAME_OR_PATH`` loads a model by its name on the hub (or from the hub's local cache; with ``HF_HUB_OFFLINE=1``
only from there), or from
a local folder. A text's vector is the model's sentence embedding, normalised to length 1.

Reference: N. Reimers, I. Gurevych, 2019, "Sentence-BERT", EMNLP. Nothing but the normalisation is added to the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import InputError, MissingExtraError
from otoscope.language import pretrained
from otoscope.language.encoder import checked


class SentenceEncoder:
    """A sentence-transformers model.

    Attributes
    ----------
    id : str
        ``st:NAME@`` and the first 8 digits of a hash of the weights.
    """

    def __init__(self, model: Any, name: str, batch_size: int = 64) -> None:
        self._model = model
        self._batch_size = batch_size
        self.id = f"st:{name}@{pretrained.hash_weights(model)}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit row a text, float32 (text, dim); the tokeniser cuts texts above the model's limit."""
        vectors = self._model.encode(
            checked(texts),
            batch_size=self._batch_size,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)


def load(rest: str, device: str = "cpu") -> SentenceEncoder:
    """Return the encoder of the model named ``rest``.

    Parameters
    ----------
    rest : str
        A name on the hub (``sentence-transformers/all-MiniLM-L6-v2``) or a folder.
    device : str
        A torch device.

    Raises
    ------
    InputError
        If no name is given.
    MissingExtraError
        If sentence-transformers is not installed.
    ModelError
        If the model is neither a folder nor to be had from the hub or its cache.
    """
    if not rest:
        raise InputError(
            "st: needs a model: st:NAME_OR_PATH, such as st:sentence-transformers/all-MiniLM-L6-v2"
        )
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtraError.of("hf", "sentence-transformers") from error
    local = Path(rest).expanduser()
    with pretrained.opening(pretrained.transformers(), f"st:{rest}"):
        model = SentenceTransformer(str(local) if local.is_dir() else rest, device=device)
    return SentenceEncoder(model, pretrained.shown(rest))
