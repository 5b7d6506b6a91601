"""Which positions of a layer speak for the class? Grad-CAM on any layer that has a grid.

With a ``(neuron, position)`` the layer's activations and n the explained number,

    relevance of a position = max(0, sum over neurons of w_j a_j),    w_j = mean over positions of dn / da_j.

The map is placed on the spectrogram by the layer's geometry, so token grids and mel maps come to their own frequencies.
On a convolutional layer it equals captum's ``LayerGradCam(relu_attributions=True)``, which takes no token grids.

Reference: R. Selvaraju et al. (2017), Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization,
ICCV.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from otoscope.explain.explanation import Explanation
from otoscope.explain.layer_map import LayerMap, layer_map
from otoscope.explain.maps import mask_of, placed
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.target import Target, chosen, scalar
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent
from otoscope.stage_config import StageConfig


class GradCam(StageConfig):
    """Gradient-weighted class activation mapping.

    Attributes
    ----------
    layer : str or None
        None: the last declared layer with a grid.
    quantile, threshold, placement
        See :mod:`otoscope.explain.maps`.
    """

    layer: str | None = None
    quantile: float = Field(0.9, ge=0, lt=1)
    threshold: Literal["quantile", "as-published", "soft"] = "quantile"
    placement: Literal["geometry", "stretch"] = "geometry"

    def __call__(self, model: AudioModel, waveform: Tensor, target: Target = None) -> Explanation:
        """Return the explanation of each clip; arguments as in :class:`otoscope.explain.explanation.Explainer`."""
        on = Spectrogram.of(model)
        with lent(model), torch.enable_grad():
            found = layer_map(
                model, waveform.detach().clone().requires_grad_(model.differentiable), self.layer
            )
            number = scalar(found.output, chosen(model, found.output, target)).sum()
            (gradient,) = torch.autograd.grad(number, found.activation)
        grid = class_map(found, gradient)
        relevance = placed(grid, found.geometry, on, on.n_frames(waveform.shape[-1]), self.placement)
        rule = partial(mask_of, threshold=self.threshold, quantile=self.quantile)
        mask = rule(relevance)
        return Explanation(mask, on, ranking=relevance, rule=rule, facts=found.facts)


def class_map(found: LayerMap, gradient: Tensor) -> Tensor:
    """Return the map ``(clip, row, column)`` of a layer and the gradient at it, not negative."""
    activation = found.geometry.grid(found.activation.detach())  # (clip, neuron, row, column)
    weights = found.geometry.grid(gradient).mean((2, 3), keepdim=True)
    return (weights * activation).sum(1).clamp_min(0)
