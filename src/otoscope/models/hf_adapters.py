"""Hugging Face networks as nets: features in, a tensor out; the layers stay the checkpoint's own."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor, nn

from otoscope.models.audio_model import Adapter


class Classifier(Adapter):
    """A network with a head, giving its logits ``(clip, class)``."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the logits of features, heard where ``mask`` is 1."""
        logits: Tensor = _heard(self.inner, values, mask).logits
        return logits


class Encoder(Adapter):
    """A network without a head, giving the mean of its last hidden state ``(clip, neuron)``."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the mean over positions."""
        mean: Tensor = _heard(self.inner, values, mask).last_hidden_state.mean(1)
        return mean


def _heard(inner: nn.Module, values: Tensor, mask: Tensor | None) -> Any:
    if mask is None:
        return inner(values)
    with (
        warnings.catch_warnings()
    ):  # WavLM gives torch a boolean and a float mask, which works but is deprecated
        warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask", UserWarning)
        return inner(values, attention_mask=mask)
