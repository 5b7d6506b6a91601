"""Where can neurons of a run be ablated, and which axis of a layer's output are they?

Neurons are counted through the run: neuron = first neuron of the layer + index. The output layer (``logits``, and any
recorded layer whose output, or its mean over positions, is the logits) is never ablated: that would be reading the
answer, not lesioning what leads to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.errors import EmptyDataError
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.record.hooks import capturing, lent, tensor_of
from otoscope.record.layers import Layer, modules_of, resolve
from otoscope.record.probe import noise, probe_samples
from otoscope.record.probe import run as forward
from otoscope.store.run import LayerRecord, Run

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Place:
    """A layer whose neurons can be ablated.

    Attributes
    ----------
    layer : Layer
    first : int
        The run's number of its neuron 0.
    n_neurons : int
    axes : str
        Axes of its output, see :class:`~otoscope.models.geometry.Geometry`.
    """

    layer: Layer
    first: int
    n_neurons: int
    axes: str

    @property
    def neurons(self) -> slice:
        """Its neurons among those of the run."""
        return slice(self.first, self.first + self.n_neurons)

    @property
    def clip_axis(self) -> int:
        """The output's axis of clips."""
        return self.axes.index("B")

    def laid_out(self, values: Tensor) -> Tensor:
        """Return ``(set, neuron)`` values with the axes of the layer's output, to broadcast against it."""
        shape = [1] * len(self.axes)
        shape[self.clip_axis] = values.shape[0]
        if "C" not in self.axes:
            return values.reshape(shape)
        shape[self.axes.index("C")] = values.shape[1]
        ordered = values if self.clip_axis < self.axes.index("C") else values.t()
        return ordered.reshape(shape)

    def positions_mean(self, output: Tensor) -> Tensor:
        """Return the mean over positions, ``(clip, neuron)``, of a layer's output."""
        others = [at for at, axis in enumerate(self.axes) if axis not in "BC"]
        mean = output.float().mean(dim=others) if others else output.float()
        if "C" not in self.axes:
            return mean[:, None]
        return mean if self.clip_axis < self.axes.index("C") else mean.t()


def places_of(model: AudioModel, run: Run, names: Sequence[str] = ()) -> tuple[Place, ...]:
    """Return the layers of the run that may be ablated, in forward order.

    Parameters
    ----------
    model : AudioModel
        The recorded network.
    run : Run
    names : sequence of str
        Only these recorded layers; empty = all but the output.

    Raises
    ------
    UnknownNameError
        If a layer was not recorded.
    EmptyDataError
        If only the output is left.
    """
    records = [run.layer(name) for name in names] if names else list(run.layers)
    found = [one for record in records if (one := place_of(model, record)) is not None]
    hidden = _not_the_output(model, found)
    if not hidden:
        raise EmptyDataError(
            f"{run.root} has no layer to ablate among {', '.join(one.name for one in records)}: the output layer is "
            "never ablated. Record hidden layers, too"
        )
    return tuple(sorted(hidden, key=lambda one: one.first))


def place_of(model: AudioModel, record: LayerRecord) -> Place | None:
    """Return where a recorded layer's neurons lie; None for ``logits``, and where its axes are unknown."""
    layer = next(iter(resolve(model, (record.name,))))
    if layer.module is None or record.geometry is None:
        return None
    return Place(layer, record.first_neuron, record.n_neurons, Geometry.from_json(record.geometry).axes)


def _not_the_output(model: AudioModel, places: Sequence[Place]) -> list[Place]:
    heard: dict[Layer, Tensor] = {}

    def listen(layer: Layer, output: Any) -> None:
        heard[layer] = tensor_of(layer, output)

    with lent(model), capturing(modules_of(model), [one.layer for one in places], listen):
        logits = forward(model, noise(model, 1, probe_samples(model)))
    return [one for one in places if not (model.has_logits and _gives(one, heard[one.layer], logits))]


def _gives(place: Place, output: Tensor, logits: Tensor) -> bool:
    if place.n_neurons != logits.shape[-1]:
        return False
    return bool(torch.allclose(place.positions_mean(output), logits.float(), rtol=1e-4, atol=1e-5))


def ablatable(places: Sequence[Place], n_neurons: int) -> Bools:
    """Return which of the run's neurons lie in one of the places, ``(neuron,)``."""
    found = np.zeros(n_neurons, dtype=np.bool_)
    for place in places:
        found[place.neurons] = True
    return found


def masks_of(sets: Sequence[NDArray[np.int64]], n_neurons: int) -> Tensor:
    """Return sets of neuron numbers as masks ``(set, neuron)``, bool.

    Examples
    --------
    >>> masks_of([np.array([0, 2]), np.array([], dtype=np.int64)], 3).tolist()
    [[True, False, True], [False, False, False]]
    """
    masks = torch.zeros(len(sets), n_neurons, dtype=torch.bool)
    for row, neurons in enumerate(sets):
        masks[row, torch.from_numpy(np.asarray(neurons, dtype=np.int64))] = True
    return masks
