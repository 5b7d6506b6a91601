"""How strongly do the network's answers hang on each neuron?

The *outgoing norm* of neuron i is the norm of the derivative of the logits z by its activation a_i,

    w_i = sqrt( mean over windows and directions r of  sum over positions p of  (d (r . z) / d a_i(p))^2 ),

r random signs over classes: for a neuron that only a linear layer reads, the norm of its outgoing weights carried on
to the output. It is defined for every layer (also before a residual sum or a pooling, where no weight matrix is
next), knows no single class, and times the neuron's root mean square it says how much an ablation disturbs: what
random sets of neurons are matched on.

Cost: ``directions`` backward passes a window. Weights receive no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from otoscope.ablate.hearing import Window
from otoscope.ablate.places import Place
from otoscope.errors import ModelError
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import capturing, tensor_of
from otoscope.record.layers import Layer, modules_of
from otoscope.record.probe import eager

DIRECTIONS = 4


def outgoing_norms(
    model: AudioModel,
    places: Sequence[Place],
    windows: Sequence[Window],
    n_neurons: int,
    *,
    seed: int = 0,
    directions: int = DIRECTIONS,
) -> Tensor:
    """Return the outgoing norm of each of the run's neurons, float32 (neuron,); 0 outside the places.

    Parameters
    ----------
    model : AudioModel
        In evaluation mode.
    places : sequence of Place
    windows : sequence of Window
        Reference sound; a few suffice.
    n_neurons : int
        Of the run.
    seed : int
        Of the signs.
    directions : int
        Random directions a window.

    Raises
    ------
    ModelError
        If no gradient reaches the layers: the network is not differentiable.
    """
    squares = torch.zeros(n_neurons, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    for window in windows:
        for place, gradient in _gradients(model, places, window, directions, generator):
            squares[place.neurons] += _over_positions(place, gradient.square().double()).cpu()
    return (squares / (len(windows) * directions)).sqrt().float()


def _gradients(
    model: AudioModel, places: Sequence[Place], window: Window, directions: int, generator: torch.Generator
) -> list[tuple[Place, Tensor]]:
    heard: dict[Layer, Tensor] = {}

    def listen(layer: Layer, output: Any) -> None:
        heard[layer] = tensor_of(layer, output)

    features = tuple(_leaf(one) for one in window.features)
    try:
        with (
            torch.enable_grad(),
            eager(),
            capturing(modules_of(model), [one.layer for one in places], listen),
        ):
            logits = model.net(*features)
        found = []
        for _ in range(directions):
            signs = torch.randint(0, 2, logits.shape, generator=generator).to(logits) * 2 - 1
            outputs = [heard[one.layer] for one in places]
            gradients = torch.autograd.grad(
                (logits * signs).sum(), outputs, retain_graph=True, allow_unused=True
            )
            found += [(one, two) for one, two in zip(places, gradients, strict=True) if two is not None]
    except RuntimeError as error:
        raise ModelError(
            f"no gradient reaches the hidden layers ({str(error).splitlines()[0]}): match random sets without the "
            "outgoing norm (matching=rate)"
        ) from error
    return found


def _leaf(tensor: Tensor | None) -> Tensor | None:
    if tensor is None:
        return None
    own = tensor.clone()  # a tensor made without gradients cannot enter a graph
    return own.requires_grad_(True) if own.is_floating_point() else own


def _over_positions(place: Place, squares: Tensor) -> Tensor:
    others = [at for at, axis in enumerate(place.axes) if axis != "C"]
    return squares.sum(dim=others) if "C" in place.axes else squares.sum()[None]
