"""How does an embedding become logits? The last layers that classifiers of several families share.

``linear``   logits = W e + b
``cosine``   g = A norm(e) + a (batch normalisation, 192 neurons);   logit_c = s cos(g, w_c)

with a learnt scale s (``scale="learnt"``, starting at 16) or none, s = 1 (``scale="none"``, as SpeechBrain's recipes
publish it). Without a scale logits lie in [-1, 1], so the probability of the best of C classes is at most
e / (e + (C - 1) / e): 0.131 for 50 classes, 0.45 for 10. Cross-entropy cannot fall below its negative logarithm, and
scores made of probabilities (average drop, faithfulness) lie on that compressed scale. Hence the learnt scale by
default.

Reference: M. Ravanelli et al. (2021), SpeechBrain, whose ECAPA-TDNN classifier this is; a learnt scale as in F. Wang et
al. (2017), NormFace, ACM Multimedia, section 3.3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.errors import UnknownNameError

HEADS = ("linear", "cosine")
SCALES = ("learnt", "none")
HIDDEN = 192
FIRST_SCALE = 16.0


class Normalised(nn.Module):
    """Batch normalisation of vectors, under the published key ``norm``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, vectors: Tensor) -> Tensor:
        normalised: Tensor = self.norm(vectors)
        return normalised


class Dense(nn.Module):
    """A linear layer under the published key ``w``."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.w = nn.Linear(before, after)

    def forward(self, vectors: Tensor) -> Tensor:
        made: Tensor = self.w(vectors)
        return made


class CosineHead(nn.Module):
    """Cosines between an embedding and the directions of the classes.

    Parameters
    ----------
    dim : int
        Of the embedding.
    n_classes : int
        Output neurons.
    scale : {"learnt", "none"}
        What cosines are multiplied by.
    hidden : int
        Of the vectors that are compared.
    """

    def __init__(self, dim: int, n_classes: int, scale: str = "learnt", hidden: int = HIDDEN) -> None:
        super().__init__()
        if scale not in SCALES:
            raise UnknownNameError.of("scale of a cosine head", scale, SCALES)
        self.blocks = nn.Sequential(Normalised(dim), Dense(dim, hidden))
        self.weight = nn.Parameter(torch.empty(n_classes, hidden))
        nn.init.xavier_uniform_(self.weight)
        if scale == "learnt":
            self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))

    def forward(self, embedding: Tensor) -> Tensor:
        """Return the logits ``(clip, class)`` of embeddings ``(clip, neuron)``."""
        cosines = functional.linear(
            functional.normalize(self.blocks(embedding)), functional.normalize(self.weight)
        )
        return cosines * self.log_scale.exp() if hasattr(self, "log_scale") else cosines


def make(kind: str, dim: int, n_classes: int, scale: str = "learnt") -> nn.Module:
    """Return an untrained head; of a network without classes one that gives the embedding as it is.

    Parameters
    ----------
    kind : {"linear", "cosine"}
    dim : int
        Of the embedding.
    n_classes : int
        Output neurons.
    scale : {"learnt", "none"}
        Of a cosine head.

    Raises
    ------
    UnknownNameError
        If there is no such head or scale.

    Examples
    --------
    >>> make("cosine", 8, 3).eval()(torch.ones(2, 8)).shape
    torch.Size([2, 3])
    """
    if not n_classes:
        return nn.Identity()
    if kind not in HEADS:
        raise UnknownNameError.of("head", kind, HEADS)
    return nn.Linear(dim, n_classes) if kind == "linear" else CosineHead(dim, n_classes, scale)


def highest_probability(n_classes: int, scale: float = 1.0) -> float:
    """Return the largest probability that cosine logits of this scale can give: all rivals opposite.

    Examples
    --------
    >>> round(highest_probability(50), 3), round(highest_probability(10), 3)
    (0.131, 0.451)
    """
    return 1.0 / (1.0 + (n_classes - 1) * math.exp(-2.0 * scale))
