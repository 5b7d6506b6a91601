"""What L2I learns: Psi, Theta and, fixed, the dictionary's spectra W.

    H = Psi(maps) (clip, component, frame),   log1p|X| ~ W H,   classifier's output ~ Theta(H)

    loss = rec mean (log1p|X| - W H)^2  +  sparsity mean H  +  fidelity L

with L for one class a clip (softmax) the cross-entropy of Theta's output against the classifier's probabilities at
temperature tau, summed (authors) or averaged (SpeechBrain: C times weaker) over classes, averaged over clips; for
several labels (sigmoid) the binary cross-entropy against the classifier's, averaged over clips and classes.

References: J. Parekh et al. (2022), Listen to Interpret, NeurIPS, equations 2 to 5, and the authors' release;
SpeechBrain's ESC-50 interpretability recipes. *Where we differ*: logarithms are of log-softmax, so nothing overflows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.explain.l2i_psi import Shape, psi_of, to_frames
from otoscope.explain.l2i_theta import Theta

Activation = Literal["softmax", "sigmoid"]


class L2INet(nn.Module):
    """Psi, Theta and the spectra.

    Parameters
    ----------
    psi, pooling : str
        Names of :data:`otoscope.explain.l2i_psi.PSIS` and :data:`otoscope.explain.l2i_theta.POOLINGS`.
    shapes : sequence of (neuron, frequency, frame)
        Of the maps that Psi is given.
    spectra : Tensor, shape (frequency, component)
        W; kept with the weights, not trained.
    n_classes, n_frames : int
        Of the classifier's output and of the spectrogram; ``frame-weights`` is fixed to that many frames.
    dropout : float
        See the pooling.
    width : int, optional
        Of ``compact`` Psi.
    """

    spectra: Tensor

    def __init__(
        self,
        psi: str,
        pooling: str,
        shapes: Sequence[Shape],
        spectra: Tensor,
        n_classes: int,
        n_frames: int,
        dropout: float = 0.0,
        width: int | None = None,
    ) -> None:
        super().__init__()
        n_components = spectra.shape[1]
        self.psi = psi_of(psi, shapes, n_components, width)
        self.theta = Theta(pooling, n_components, n_classes, n_frames, dropout)
        self.register_buffer("spectra", spectra.detach().clone())

    def activations(self, maps: Sequence[Tensor], n_frames: int) -> Tensor:
        """Return H ``(clip, component, n_frames)``, not negative, of maps ``(clip, neuron, frequency, frame)``."""
        found: Tensor = self.psi(list(maps), n_frames)
        return to_frames(found, n_frames)

    def forward(self, maps: Sequence[Tensor], n_frames: int) -> tuple[Tensor, Tensor]:
        """Return H and the copied output ``(clip, class)``."""
        found = self.activations(maps, n_frames)
        return found, self.theta(found)


def soft_cross_entropy(
    copied: Tensor, output: Tensor, temperature: float = 1.0, over_classes: str = "sum"
) -> Tensor:
    """Return the cross-entropy of each clip ``(clip,)`` against the classifier's probabilities, lower is better.

    Parameters
    ----------
    copied, output : Tensor, shape (clip, class)
        Logits of Theta and of the classifier.
    temperature : float
        The classifier's logits are divided by it; small values make its probabilities one-hot.
    over_classes : {"sum", "mean"}
        Sum as in the paper, mean as in SpeechBrain's recipe.
    """
    terms = -torch.softmax(output / temperature, 1) * torch.log_softmax(copied, 1)
    return terms.mean(1) if over_classes == "mean" else terms.sum(1)


def soft_binary_cross_entropy(copied: Tensor, output: Tensor) -> Tensor:
    """Return the binary cross-entropy of each clip ``(clip,)``, averaged over classes; arguments as above."""
    each = functional.binary_cross_entropy_with_logits(copied, output.sigmoid(), reduction="none")
    return each.mean(1)


def reconstruction_error(features: Tensor, spectra: Tensor, activations: Tensor) -> Tensor:
    """Return the mean squared error of each clip ``(clip,)`` over the bins of ``features (clip, frequency, frame)``."""
    return (features - spectra @ activations).square().mean((1, 2))
