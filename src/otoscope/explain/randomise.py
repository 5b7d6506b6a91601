"""Does the explanation change when the network forgets what it learnt? The randomisation sanity check.

The weights of the network are replaced by random ones layer by layer from the output down, cumulatively (each tensor by
a permutation of its own values, so that scales stay), and the explanation for the same class is compared with the first
one by Spearman's rank correlation over bins. A method whose correlation stays near 1 draws the sound, not the network.

Reference: J. Adebayo et al. (2018), Sanity Checks for Saliency Maps, NeurIPS. *Where we differ*: values are permuted
within a tensor, not redrawn from the initial distribution, which a loaded network does not tell.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn

from otoscope.explain.explanation import Explainer
from otoscope.explain.hearing import outputs
from otoscope.explain.target import Target, chosen
from otoscope.models.audio_model import AudioModel, unwrap
from otoscope.record.hooks import lent


def cascade(
    explainer: Explainer, model: AudioModel, waveform: Tensor, target: Target = None, *, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Return, per randomised module from the output down, the rank correlation with the first explanation, ``(clip,)``.

    Parameters
    ----------
    explainer : Explainer
    model : AudioModel
        Copied; the given one is not touched.
    waveform : Tensor, shape (clip, channel, time)
    target : Target
        None: the class that the trained network names, kept for all.
    seed : int

    Returns
    -------
    dict
        Module -> correlation in [-1, 1]; NaN where an explanation is constant. Lower is better for the method.
    """
    with lent(model), torch.no_grad():
        goal = chosen(model, outputs(model, waveform), target)
    first = explainer(model, waveform, goal).ranks
    forgetful = copy.deepcopy(model)
    return {
        name: rank_correlation(first, explainer(forgetful, waveform, goal).ranks)
        for name in _forgetting(unwrap(forgetful.net), seed)
    }


def _forgetting(net: nn.Module, seed: int) -> Iterator[str]:
    """Randomise one module with weights after the other, the last first, and yield its name each time."""
    generator = torch.Generator().manual_seed(seed)
    owners = [
        (name, one)
        for name, one in net.named_modules()
        if next(one.parameters(recurse=False), None) is not None
    ]
    for name, module in reversed(owners):
        with torch.no_grad():
            for parameter in module.parameters(recurse=False):
                order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
                parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
        yield name


def rank_correlation(one: Tensor, other: Tensor) -> NDArray[np.float64]:
    """Return Spearman's correlation over the bins of each clip, ``(clip,)``; NaN where either is constant."""
    a, b = (rankdata(x.flatten(1).double().cpu().numpy(), axis=1) for x in (one, other))
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    sizes = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.where(sizes > 0, (a * b).sum(axis=1) / np.where(sizes > 0, sizes, 1.0), np.nan)
