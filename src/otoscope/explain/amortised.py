"""Activations at once: a small convolutional encoder in place of iterations, and its reconstruction.

    features (clip, frequency, frame) -> three times: convolution of 8 frames, ReLU -> (clip, component, frame)
    channels: frequency, 256, 128, component; padding keeps the frames (3 before, 4 after)

An instance is an ``encoder`` of :class:`otoscope.explain.dictionary.Dictionary`. Reference: SpeechBrain's NMF recipe
for ESC-50, where it is trained together with W on mean (S - W H)^2; :func:`reconstruction` and :func:`loss` are its.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

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
        widths = (n_frequencies, *hidden, n_components)
        self.layers = nn.ModuleList(nn.Conv1d(a, b, _KERNEL) for a, b in pairwise(widths))

    def forward(self, features: Tensor) -> Tensor:
        """Return activations ``(clip, component, frame)``, not negative, of features ``(clip, frequency, frame)``."""
        for layer in self.layers:
            features = functional.relu(layer(functional.pad(features, _AROUND)))
        return features


def reconstruction(spectra: Tensor, activations: Tensor) -> Tensor:
    """Return ``relu(W) relu(H)``, ``(clip, frequency, frame)``."""
    return functional.relu(spectra) @ functional.relu(activations)


def loss(features: Tensor, reconstructed: Tensor) -> Tensor:
    """Return the mean squared error over clips and bins, lower is better."""
    return (features - reconstructed).square().mean()
