"""How alike are two texts, judged by the text tower of CLIP?

``clip:NAME_OR_PATH[?revision=...]``, without a name ``openai/clip-vit-base-patch32``, the encoder of AND. A text's
vector is the projected embedding of its end token, of length 1. Texts are cut at the tower's length (77 tokens for
the published ones), so the end of a long caption counts for nothing.

Reference: A. Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.errors import ModelError
from otoscope.language import pretrained
from otoscope.language.encoder import checked
from otoscope.progress import track

PUBLISHED = "openai/clip-vit-base-patch32"
"""The checkpoint that AND uses."""


class ClipEncoder:
    """The text tower of a CLIP network.

    Attributes
    ----------
    id : str
        ``clip:NAME@`` and 8 digits of a hash of the tower's weights.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, batch_size: int = 64) -> None:
        self._model, self._tokenizer, self._batch_size = model.eval(), tokenizer, batch_size
        self.max_tokens: int = model.config.max_position_embeddings
        self.id = f"clip:{name}@{pretrained.hash_weights(model)}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit row a text, float32 (text, dim)."""
        listed = checked(texts)
        starts = range(0, len(listed), self._batch_size)
        with torch.inference_mode():
            rows = [
                self._embedded(listed[one : one + self._batch_size])
                for one in track(starts, len(starts), "encoding texts")
            ]
        return pretrained.unit_rows(torch.cat(rows).float().cpu().numpy(), self.id)

    def _embedded(self, texts: list[str]) -> Tensor:
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        )
        tokens = tokens.to(self._model.device)
        found: Tensor = self._model(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).text_embeds
        return found


def load(rest: str = "", device: str = "cpu") -> ClipEncoder:
    """Return the encoder of the checkpoint ``NAME_OR_PATH[?revision=...]``, on ``device``.

    Raises
    ------
    UnknownNameError
        If there is no such option.
    MissingExtraError
        If transformers is not installed.
    ModelError
        If the checkpoint cannot be found or read, lacks weights, or is not of CLIP.
    """
    name, options = pretrained.named("clip", rest or PUBLISHED, ("revision",))
    library, spec = pretrained.transformers(), f"clip:{name}"
    with pretrained.opening(library, spec):
        config = library.AutoConfig.from_pretrained(name, **options)
        if config.model_type not in ("clip", "clip_text_model"):
            raise ModelError(f"{spec} is a {config.model_type!r} network, not CLIP")
        tower = getattr(config, "text_config", config)
        tower.projection_dim = config.projection_dim  # a whole CLIP says it once, for both towers
        tokenizer = library.AutoTokenizer.from_pretrained(name, **options)
        model, info = library.CLIPTextModelWithProjection.from_pretrained(
            name, config=tower, dtype=torch.float32, output_loading_info=True, **options
        )
    pretrained.complete(spec, info)
    return ClipEncoder(model.to(device), tokenizer, pretrained.shown(name))
