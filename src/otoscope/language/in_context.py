"""What does each token of a text mean where it stands? Contextual embeddings, for BERTScore.

``NAME_OR_PATH[?layer=N&revision=...]``: a transformers encoder and its tokenizer. One vector a token, of the hidden
states after layer ``N`` (0 is the embedding, the last by default); special tokens and padding are left out. BERTScore's
recommendation for ``roberta-large`` is layer 17. Texts are cut at the encoder's length.

Reference: T. Zhang et al., "BERTScore: Evaluating Text Generation with BERT", ICLR 2020, appendix B for layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope.errors import InputError
from otoscope.language import pretrained
from otoscope.language.encoder import checked
from otoscope.models.device import checked_device

_BATCH = 32
_MOST_TOKENS = 512


class TokenEncoder:
    """A transformers encoder that gives one vector a token.

    Attributes
    ----------
    layer : int
        Layer whose hidden states are taken.
    """

    def __init__(self, model: Any, tokenizer: Any, layer: int) -> None:
        self._model, self._tokenizer, self.layer = model.eval(), tokenizer, layer
        self._longest = min(_MOST_TOKENS, tokenizer.model_max_length)

    def __call__(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return one array ``(token, dimension)`` float32 a text; empty where a text has no tokens."""
        listed = checked(texts)
        found: list[NDArray[np.float32]] = []
        with torch.inference_mode():
            for start in range(0, len(listed), _BATCH):
                found += self._of(listed[start : start + _BATCH])
        return found

    def _of(self, texts: list[str]) -> list[NDArray[np.float32]]:
        tokens = self._tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=self._longest,
            return_special_tokens_mask=True,
            return_tensors="pt",
        )
        special = tokens.pop("special_tokens_mask").bool()
        tokens = tokens.to(self._model.device)
        states = self._model(**tokens, output_hidden_states=True).hidden_states[self.layer].float().cpu()
        kept = ~special & tokens["attention_mask"].bool().cpu()
        return [state[keep].numpy() for state, keep in zip(states, kept, strict=True)]


def token_encoder(spec: str, device: str = "cpu") -> TokenEncoder:
    """Return the token encoder of the checkpoint ``NAME_OR_PATH[?layer=N&revision=...]``.

    Raises
    ------
    UnknownNameError
        If there is no such option.
    InputError
        If the encoder has no such layer, or the device cannot be used here.
    MissingExtraError
        If transformers is not installed.
    ModelError
        If the checkpoint cannot be found or read.
    """
    device = checked_device(device)
    name, options = pretrained.named("bert", spec, ("layer", "revision"))
    layer = options.pop("layer", None)
    library = pretrained.transformers()
    with pretrained.opening(library, name):
        tokenizer = library.AutoTokenizer.from_pretrained(name, **options)
        model = library.AutoModel.from_pretrained(name, **options).to(device)
    deepest = int(model.config.num_hidden_layers)
    chosen = pretrained.whole_number({"layer": layer} if layer else {}, "layer", deepest)
    if chosen > deepest:
        raise InputError(f"{name} has layers 0 to {deepest}, got layer={chosen}")
    return TokenEncoder(model, tokenizer, chosen)
