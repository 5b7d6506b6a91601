"""Probabilities while the most relevant bins are put in, or taken out, first.

The bins of a clip are ranked by an explanation's relevance; at each share the network hears only the first bins
(insertion) or all others (deletion), the rest replaced by a removal operator. The areas are
:func:`otoscope.metrics.curves.evaluate`'s. Masks of zeros and ones rank poorly: what counts is the relevance before the
threshold, :attr:`otoscope.explain.explanation.Explanation.ranks`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.errors import InputError
from otoscope.explain.explanation import Explanation
from otoscope.explain.hearing import outputs
from otoscope.explain.judge import Judge
from otoscope.explain.listen import check
from otoscope.explain.removal import edited, filling
from otoscope.explain.target import Target, chosen
from otoscope.metrics.curves import evaluate
from otoscope.metrics.faithfulness import sigmoid, softmax
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent

SHARES: tuple[float, ...] = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


def insertion_deletion(
    model: AudioModel,
    waveform: Tensor,
    explanation: Explanation,
    target: Target = None,
    *,
    shares: tuple[float, ...] = SHARES,
    removal: str = "zero",
    activation: str = "softmax",
    seed: int = 0,
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Return the areas of each clip by name, and the curves ``(insertion or deletion, clip, share)``.

    Parameters
    ----------
    model : AudioModel
        Given back as it was lent.
    waveform : Tensor, shape (clip, channel, time)
        What was explained.
    explanation : Explanation
        Its ``ranks`` order the bins; ties keep the order of bins (low frequencies first).
    target : Target
        A class; None: the one that the network names.
    shares : tuple of float
        Rising, in [0, 1].
    removal : {"zero", "noise-floor"}
        What stands where bins are missing.
    activation : {"softmax", "sigmoid"}
    seed : int
        Of the removal.
    """
    on, n_samples = explanation.spectrogram, waveform.shape[-1]
    with lent(model), torch.no_grad():
        goal = chosen(model, outputs(model, waveform), target)
        if not isinstance(goal, Tensor):
            raise InputError("insertion and deletion are curves of a class's probability: name a class")
        spectrum = on.spectrum(waveform)
        check(explanation.mask, spectrum)
        fill = filling(removal, spectrum, None, seed)
        places = ranks(explanation.ranks)
        curves = []
        for insert in (True, False):
            kept = [((places < one) == insert).to(waveform) for one in shares]
            heard = [outputs(model, on.sound(edited(spectrum, one, fill), n_samples)) for one in kept]
            curves.append(_of_class(torch.stack(heard, 1), goal, activation))
    both = np.stack(curves)
    return evaluate(both[0], both[1], np.asarray(shares)), both


def areas(
    judge: Judge,
    waveform: Tensor,
    rankings: NDArray[np.float32],
    target: int,
    *,
    shares: tuple[float, ...] = SHARES,
    removal: str = "zero",
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Return the areas of several rankings of one clip, ``(ranking,)`` by name.

    Parameters
    ----------
    judge : Judge
        Hears; its model is in evaluation mode.
    waveform : Tensor, shape (1, channel, time)
    rankings : array (ranking, frequency, frame)
        In [0, 1], higher is put in first.
    target : int
        The explained class.
    shares, removal, seed
        As for :func:`insertion_deletion`.
    """
    spectrum = judge.on.spectrum(waveform)
    fill = filling(removal, spectrum, None, seed).to(spectrum)
    inner = [one for one in shares if 0 < one < 1]
    masks = [place < one for place in map(places_of, rankings) for one in inner]
    nothing = np.zeros(rankings.shape[1:], np.bool_)
    stack, owners = np.stack([*masks, nothing]), np.zeros(len(masks) + 1, np.int64)
    hears = replace(judge, domain="linear")  # bins that are in or out are so in any domain
    heard = hears.pairs(spectrum, stack, owners, fill, waveform.shape[-1])
    inserted, deleted = (judge.probabilities(one)[:, target] for one in heard)
    empty, full = inserted[-1], deleted[-1]
    curves = [
        _with_ends(p[:-1].reshape(len(rankings), len(inner)), shares, *ends)
        for p, ends in ((inserted, (empty, full)), (deleted, (full, empty)))
    ]
    return evaluate(curves[0], curves[1], np.asarray(shares))


def _with_ends(
    curve: NDArray[np.float64], shares: tuple[float, ...], first: float, last: float
) -> NDArray[np.float64]:
    """Return curves ``(ranking, share)`` with what is heard of no bin, and of all, at shares of 0 and 1."""
    inner = iter(curve.T)
    values = [first if one <= 0 else last if one >= 1 else next(inner) for one in shares]
    return np.stack([np.broadcast_to(one, len(curve)) for one in values], axis=1)


def places_of(ranking: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of bins that are put in before each, in [0, 1), shape of the ranking ``(frequency, frame)``.

    A ranking that is one already (its values are 1, 1 - 1/n, ...) is not sorted again.
    """
    n = ranking.size
    place = np.rint((1 - ranking.astype(np.float64)) * n).astype(np.int64).ravel()
    if place.min() >= 0 and place.max() < n and (np.bincount(place, minlength=n) == 1).all():
        return np.asarray(place.reshape(ranking.shape) / n)
    return np.asarray(ranks(torch.from_numpy(ranking)[None])[0].numpy())


def ranks(relevance: Tensor) -> Tensor:
    """Return the share of bins that are more relevant than each, in [0, 1), shape of ``(clip, frequency, frame)``."""
    flat = relevance.flatten(1)
    order = flat.argsort(stable=True, dim=1, descending=True)
    share = torch.arange(flat.shape[1], dtype=torch.float64, device=flat.device) / flat.shape[1]
    found = torch.zeros(flat.shape, dtype=torch.float64, device=flat.device)
    return found.scatter(1, order, share.expand_as(flat)).reshape(relevance.shape)


def _of_class(heard: Tensor, goal: Tensor, activation: str) -> NDArray[np.float64]:
    """Return the probability of each clip's class, ``(clip, share)``, from outputs ``(clip, share, class)``."""
    flat = heard.flatten(0, 1).double().cpu().numpy()
    activate = softmax if activation == "softmax" else sigmoid
    p = activate(flat).reshape(tuple(heard.shape))
    return np.asarray(
        np.take_along_axis(p, goal.cpu().numpy()[:, None, None], axis=2)[:, :, 0], dtype=np.float64
    )
