"""From activations of components to a copy of the classifier's output: the networks called Theta.

    z = pooled H (clip, component),    logits = z A^T,    A (class, component) without bias

so that component k says ``z_k A_ck`` of class c. How H ``(clip, component, frame)`` is pooled over time:

``attention``        z = sum_t a_t H_t,  a = softmax over time of w . (tanh(V H_t + b) * relu(U H_t + b')): any length
``tanh-attention``   the same with w . tanh(V H_t + b)
``max``              largest value of each component
``frame-weights``    z = sum_t u_t H_t, one learnt weight a frame, neither positive nor adding up to 1: a fixed length

References: J. Parekh et al. (2022), Listen to Interpret (max and attention); M. Ilse, J. Tomczak, M. Welling (2018),
Attention-based deep multiple instance learning, ICML, whose gate is a sigmoid; SpeechBrain's recipes (frame weights).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.errors import InputError
from otoscope.registry import lookup

Pooling = Literal["attention", "tanh-attention", "max", "frame-weights"]
ATTENTION_WIDTH = 256


class GatedAttention(nn.Module):
    """Weights of time that every component shares, with a gate.

    Parameters
    ----------
    n_components, n_frames : int
        ``n_frames`` is not used: any length will do.
    dropout : float
        Share of activations hidden from the weights in training, drawn anew for each factor; 0.4 in the release.
    """

    def __init__(self, n_components: int, n_frames: int, dropout: float) -> None:
        super().__init__()
        self.signal = nn.Linear(n_components, ATTENTION_WIDTH)
        self.gate = nn.Linear(n_components, ATTENTION_WIDTH)
        self.weight = nn.Linear(ATTENTION_WIDTH, 1)
        self.dropout = nn.Dropout(dropout)

    def weights(self, activations: Tensor) -> Tensor:
        """Return the weights ``(clip, frame)``, adding up to 1."""
        frames = activations.mT  # (clip, frame, component)
        signal = self.signal(self.dropout(frames)).tanh()
        gate = functional.relu(self.gate(self.dropout(frames)))
        return torch.softmax(self.weight(signal * gate)[..., 0], 1)

    def forward(self, activations: Tensor) -> Tensor:
        """Return pooled activations ``(clip, component)``."""
        return (activations @ self.weights(activations)[..., None])[..., 0]


class TanhAttention(nn.Module):
    """Weights of time that every component shares; parameters as :class:`GatedAttention`."""

    def __init__(self, n_components: int, n_frames: int, dropout: float) -> None:
        super().__init__()
        self.signal = nn.Linear(n_components, ATTENTION_WIDTH)
        self.weight = nn.Linear(ATTENTION_WIDTH, 1)
        self.dropout = nn.Dropout(dropout)

    def weights(self, activations: Tensor) -> Tensor:
        """Return the weights ``(clip, frame)``, adding up to 1."""
        return torch.softmax(self.weight(self.signal(self.dropout(activations.mT)).tanh())[..., 0], 1)

    def forward(self, activations: Tensor) -> Tensor:
        """Return pooled activations ``(clip, component)``."""
        return (activations @ self.weights(activations)[..., None])[..., 0]


class MaxPooling(nn.Module):
    """Largest value in time; parameters as :class:`GatedAttention`, but dropout acts on what was pooled."""

    def __init__(self, n_components: int, n_frames: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)

    def forward(self, activations: Tensor) -> Tensor:
        """Return pooled activations ``(clip, component)``."""
        pooled: Tensor = self.dropout(activations.amax(2))
        return pooled


class FrameWeights(nn.Module):
    """One learnt weight a frame; parameters as :class:`GatedAttention`, dropout as :class:`MaxPooling`."""

    def __init__(self, n_components: int, n_frames: int, dropout: float) -> None:
        super().__init__()
        self.hard_att = nn.Linear(n_frames, 1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, activations: Tensor) -> Tensor:
        """Return pooled activations ``(clip, component)``."""
        if activations.shape[2] != self.hard_att.in_features:
            raise InputError(
                f"pooling='frame-weights' was learnt for {self.hard_att.in_features} frames, got "
                f"{activations.shape[2]}; pooling='attention' takes any length"
            )
        pooled: Tensor = self.dropout(self.hard_att(activations)[..., 0])
        return pooled


POOLINGS: dict[str, str] = {
    "attention": "otoscope.explain.l2i_theta:GatedAttention",
    "tanh-attention": "otoscope.explain.l2i_theta:TanhAttention",
    "max": "otoscope.explain.l2i_theta:MaxPooling",
    "frame-weights": "otoscope.explain.l2i_theta:FrameWeights",
}
"""Pooling -> class ``(n_components, n_frames, dropout)``."""


class Theta(nn.Module):
    """Pooling and linear head.

    Parameters
    ----------
    pooling : str
        A name of :data:`POOLINGS`.
    n_components, n_classes, n_frames : int
        ``n_frames`` matters to ``frame-weights`` alone.
    dropout : float
        Share that is left out in training; where: see the pooling.
    """

    def __init__(
        self, pooling: str, n_components: int, n_classes: int, n_frames: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        made = lookup(POOLINGS, pooling, room="l2i_poolings", kind="pooling")
        self.pooling: nn.Module = made(n_components, n_frames, dropout)
        self.head = nn.Linear(n_components, n_classes, bias=False)

    def pooled(self, activations: Tensor) -> Tensor:
        """Return z ``(clip, component)`` of activations ``(clip, component, frame)``."""
        found: Tensor = self.pooling(activations)
        return found

    def forward(self, activations: Tensor) -> Tensor:
        """Return logits ``(clip, class)``."""
        found: Tensor = self.head(self.pooled(activations))
        return found
