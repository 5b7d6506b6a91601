"""Which components speak for a class, and which of them are kept?

Component k contributes ``q_k = z_k A_ck`` to class c (:mod:`otoscope.explain.l2i_theta`); of any other number g of the
copied output it contributes ``z_k dg/dz_k``. Relevance is the contribution over a clip-wise scale:

``positive``   r = q / max q; a clip where no q is positive has no relevant component: r = 0 (default)
``absmax``     r = q / max |q|, 0 where all q are 0 (SpeechBrain's, which gives NaN there)
``max``        r = q / max q, whatever its sign, as L2I's authors publish it: where all q are negative the sign
               flips, and the component that speaks most against the class becomes the most relevant one

Kept are components with r > ``threshold`` (strictly), at most ``top``. The set may be empty: the mask then passes
nothing (``empty="nothing"``), or the component of the largest contribution is kept alone (``empty="largest"``).

*Global relevance* of component k for class c is the mean of r over the clips that are named c.

Reference: J. Parekh et al. (2022), Listen to Interpret, NeurIPS, section 3.3, and the authors' release.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain.target import Goal

Normaliser = Literal["positive", "absmax", "max"]
NORMALISERS: tuple[Normaliser, ...] = ("positive", "absmax", "max")
Empty = Literal["nothing", "largest"]


def contributions(pooled: Tensor, weights: Tensor, goal: Goal) -> Tensor:
    """Return what each component adds to the explained number, ``(clip, component)``.

    Parameters
    ----------
    pooled : Tensor, shape (clip, component)
        z.
    weights : Tensor, shape (class, component)
        A.
    goal : Tensor of int (clip,), or callable
        Explained classes, or a function of the output ``(clip, class) -> (clip,)``.
    """
    if isinstance(goal, Tensor):
        return pooled * weights[goal]
    with torch.enable_grad():
        held = pooled.detach().requires_grad_()
        (slope,) = torch.autograd.grad(goal(held @ weights.detach().T).sum(), held)
    return pooled * slope


def normalised(contribution: Tensor, normaliser: str = "positive") -> Tensor:
    """Return relevance ``(clip, component)`` of contributions, see the module.

    Examples
    --------
    >>> normalised(torch.tensor([[2.0, -4.0], [-0.5, -0.4]])).tolist()
    [[1.0, -2.0], [0.0, 0.0]]
    >>> normalised(torch.tensor([[-0.5, -0.4]]), "max").tolist()
    [[1.25, 1.0]]
    """
    if normaliser not in NORMALISERS:
        raise UnknownNameError.of("normaliser of relevance", normaliser, NORMALISERS)
    if normaliser == "max":
        return contribution / contribution.amax(1, keepdim=True)
    scale = (contribution.abs() if normaliser == "absmax" else contribution).amax(1, keepdim=True)
    return torch.where(scale > 0, contribution / scale.clamp_min(torch.finfo(scale.dtype).tiny), 0.0)


def kept(relevance: Tensor, threshold: float, top: int | None = None, empty: str = "nothing") -> Tensor:
    """Return which components are kept, bool ``(clip, component)``.

    Parameters
    ----------
    relevance : Tensor, shape (clip, component)
        NaN is never kept.
    threshold : float
        Relevance must exceed it.
    top : int, optional
        At most so many: the most relevant ones, the first of equal ones.
    empty : {"nothing", "largest"}
        What an empty set becomes; a clip without any positive relevance stays empty.
    """
    if empty not in ("nothing", "largest"):
        raise UnknownNameError.of("rule for empty sets", empty, ("nothing", "largest"))
    if top is not None and top < 1:
        raise InputError(f"top is 1 or more, got {top}")
    values = relevance.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    rank = values.argsort(dim=1, descending=True, stable=True).argsort(1)
    chosen = values > threshold
    if top is not None:
        chosen = chosen & (rank < top)
    if empty == "largest":
        alone = (rank == 0) & (values > 0) & ~chosen.any(1, keepdim=True)
        chosen = chosen | alone
    return chosen


def global_relevance(relevance: Tensor, named: Tensor) -> Tensor:
    """Return the mean relevance of each class's components over the clips named that class, ``(class, component)``.

    Parameters
    ----------
    relevance : Tensor, shape (clip, class, component)
        Of each clip for each class.
    named : Tensor of bool, shape (clip, class)
        Which classes each clip is named; a class that no clip is named has NaN.
    """
    weights = named.to(relevance)
    total = torch.einsum("nc,nck->ck", weights, relevance.nan_to_num() * named[..., None])
    count = weights.sum(0)[:, None]
    return torch.where(count > 0, total / count.clamp_min(1), torch.nan)
