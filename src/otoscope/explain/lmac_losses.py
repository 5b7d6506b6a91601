"""What L-MAC's masks are taught: keep the decision, leave none, be small; and while fine-tuning, be clean.

For a clip with the class c that the network names, mask-in and mask-out outputs f_in and f_out, and the mask M:

    decision      w_in CE(f_in, c) + w_out r(f_out, c)
    r             -CE(f_out, c)                 ``as-published``: unbounded below, may outgrow every other term
                  -log(1 - softmax(f_out)_c)    ``bounded``: 0 at best, the same wish
    size          mean |M| over bins
    variation     squared steps of M between neighbouring frames and between neighbouring bins

Each is one number per clip, so a batch's loss is a mean of clips and does not depend on its size. Published, the mean
of |M| over the *batch* is added once for every clip: sixteen times at a batch of 16 (:func:`published_regulariser`).

*Guidance*, for clips that something was mixed into: the gate opens where M S_noisy already resembles S_clean
(:func:`resemblance` at or above a threshold). A gated clip is not asked to be small but to be like the clean sound:
``binary``: BCE(M, [S_clean >= 0.35 max S_clean]), ``mse``: mean (M S_noisy - S_clean)^2, S = log1p of the magnitude.

Reference: F. Paissan, M. Ravanelli, C. Subakan (2024), Listenable Maps for Audio Classifiers, ICML; SpeechBrain's
recipe.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from otoscope.errors import UnknownNameError

OutTerm = Literal["bounded", "as-published"]
Guidance = Literal["binary", "mse"]
Correlation = Literal["dotp", "conv"]
LOUD = 0.35
_EPS = 1e-10


def decision(
    kept: Tensor,
    left: Tensor,
    named: Tensor,
    *,
    mask_in: float,
    mask_out: float,
    out_term: str = "bounded",
) -> Tensor:
    """Return the decision's loss of each clip, ``(clip,)``, lower is better.

    Parameters
    ----------
    kept, left : Tensor, shape (clip, class)
        f_in and f_out: outputs, not probabilities.
    named : Tensor, shape (clip,)
        c.
    mask_in, mask_out : float
        w_in and w_out.
    out_term : {"bounded", "as-published"}
    """
    stays = functional.cross_entropy(kept, named, reduction="none")
    if out_term == "as-published":
        goes = -functional.cross_entropy(left, named, reduction="none")
    elif out_term == "bounded":
        goes = unlikely(left, named)
    else:
        raise UnknownNameError.of("form of the mask-out term", out_term, get_args(OutTerm))
    return mask_in * stays + mask_out * goes


def unlikely(output: Tensor, named: Tensor) -> Tensor:
    """Return ``-log(1 - softmax(output)_c)`` of each clip, ``(clip,)``, from outputs ``(clip, class)``; 0 at best."""
    own = functional.one_hot(named, output.shape[1]).bool()
    others = output.masked_fill(own, -torch.inf).logsumexp(1)
    return output.logsumexp(1) - others


def size(mask: Tensor) -> Tensor:
    """Return the mean of |M| of each clip, ``(clip,)``."""
    return mask.abs().mean((1, 2))


def variation(mask: Tensor) -> Tensor:
    """Return the sum of squared steps over frames and over frequencies of each clip, divided by 2, ``(clip,)``.

    The mean over clips is the published total variation.
    """
    steps = [mask.diff(dim=axis).square().sum((1, 2)) for axis in (1, 2)]
    return (steps[0] + steps[1]) / 2


def published_regulariser(mask: Tensor, open_gate: Tensor, sparsity: float, smoothness: float) -> Tensor:
    """Return the published regulariser ``()``: the batch's mean size and variation, once per clip without guidance."""
    once = sparsity * mask.abs().mean() + smoothness * variation(mask).mean()
    return once * (~open_gate).sum()


def resemblance(clean: Tensor, passed: Tensor, kind: str = "dotp") -> Tensor:
    """Return how alike two spectrograms ``(clip, frequency, frame)`` are, ``(clip,)``, in [-1, 1].

    Parameters
    ----------
    clean, passed : Tensor
        S of the clean sound, and what the mask passes of the noisy one.
    kind : {"dotp", "conv"}
        Cosine; cosine after the mean over bins is taken away.
    """
    if kind not in get_args(Correlation):
        raise UnknownNameError.of("kind of resemblance", kind, get_args(Correlation))
    one, other = clean.flatten(1), passed.flatten(1)
    if kind == "conv":
        one, other = (x - x.mean(1, keepdim=True) for x in (one, other))
    return functional.cosine_similarity(one, other, dim=1, eps=1e-8)


def guided(mask: Tensor, clean: Tensor, noisy: Tensor, kind: str = "binary") -> Tensor:
    """Return how far a mask is from passing the clean sound, ``(clip,)``, lower is better.

    Parameters
    ----------
    mask : Tensor, shape (clip, frequency, frame)
    clean, noisy : Tensor, same shape
        S of the sound without and with what was mixed in.
    kind : {"binary", "mse"}
        See the module.
    """
    if kind == "mse":
        return (mask * noisy - clean).square().mean((1, 2))
    if kind != "binary":
        raise UnknownNameError.of("kind of guidance", kind, get_args(Guidance))
    loud = (clean >= LOUD * clean.amax((1, 2), keepdim=True)).to(mask)
    return binary_cross_entropy(mask, loud)


def binary_cross_entropy(mask: Tensor, target: Tensor) -> Tensor:
    """Return ``-mean(B log(M + 1e-10) + (1 - B) log(1 - M + 1e-10))`` of each clip, ``(clip,)``."""
    log_likelihood = target * (mask + _EPS).log() + (1 - target) * (1 - mask + _EPS).log()
    return -log_likelihood.mean((1, 2))
