"""Activations at once: a small convolutional encoder in place of iterations, and its reconstruction.

    features (clip, frequency, frame) -> three times: convolution of 8 frames, ReLU -> (clip, component, frame)
    channels: frequency, 256, 128, component; padding keeps the frames (3 before, 4 after)

An instance is an ``encoder`` of :class:`otoscope.explain.dictionary.Dictionary`. Reference: SpeechBrain's NMF recipe
for ESC-50, where it is trained together with W on mean (S - W H)^2; :func:`reconstruction` and :func:`loss` are its.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.arrays import to_tensor
from otoscope.errors import FormatError
from otoscope.store.hashing import sha256_json

_KERNEL = 8
_AROUND = (3, 4)


class AmortisedEncoder(nn.Module):
    """Features to activations.

    Parameters
    ----------
    n_frequencies : int
        Rows of the features.
    n_components : int
        Rows of the activations.
    hidden : tuple of int
        Channels between.
    """

    def __init__(self, n_frequencies: int, n_components: int, hidden: tuple[int, ...] = (256, 128)) -> None:
        super().__init__()
        self.hidden = tuple(hidden)
        widths = (n_frequencies, *hidden, n_components)
        self.layers = nn.ModuleList(nn.Conv1d(a, b, _KERNEL) for a, b in pairwise(widths))

    def forward(self, features: Tensor) -> Tensor:
        """Return activations ``(clip, component, frame)``, not negative, of features ``(clip, frequency, frame)``."""
        for layer in self.layers:
            features = functional.relu(layer(functional.pad(features, _AROUND)))
        return features

    def scaled(self, factors: Tensor) -> Self:
        """Multiply each component's activations by a positive factor ``(component,)``; return self."""
        last = self.layers[-1]
        with torch.no_grad():
            last.weight.mul_(factors[:, None, None])  # type: ignore[operator]
            last.bias.mul_(factors)  # type: ignore[operator]
        return self

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the weights as arrays, ``encoder.`` before each name."""
        return {f"encoder.{name}": one.detach().cpu().numpy() for name, one in self.state_dict().items()}

    def hash(self) -> str:
        """Return the sha256 of the weights."""
        content = [
            [name, list(one.shape), one.tobytes().hex()] for name, one in sorted(self.arrays().items())
        ]
        return sha256_json(content)

    def take(self, arrays: Mapping[str, np.ndarray[Any, Any]], wanted: str, source: Path) -> None:
        """Load the weights of :meth:`arrays`; evaluation mode, no gradients.

        Raises
        ------
        FormatError
            If they do not fit, or are not those of the hash ``wanted``; ``source`` is named.
        """
        mine = {name.removeprefix("encoder."): to_tensor(one) for name, one in arrays.items() if "." in name}
        try:
            self.load_state_dict(mine)
        except RuntimeError as error:
            raise FormatError(f"the encoder in {source} does not fit its manifest: {error}") from error
        if self.hash() != wanted:
            raise FormatError(f"the encoder in {source} is not the one that the manifest names")
        self.eval().requires_grad_(False)


def reconstruction(spectra: Tensor, activations: Tensor) -> Tensor:
    """Return ``relu(W) relu(H)``, ``(clip, frequency, frame)``."""
    return functional.relu(spectra) @ functional.relu(activations)


def loss(features: Tensor, reconstructed: Tensor) -> Tensor:
    """Return the mean squared error over clips and bins, lower is better."""
    return (features - reconstructed).square().mean()
