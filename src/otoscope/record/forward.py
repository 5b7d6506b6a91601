"""One forward pass of a batch: every layer heard and reduced while it passes, nothing else kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from otoscope.data.decode import Batch
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.record.hooks import capturing, tensor_of
from otoscope.record.layers import Layer, modules_of
from otoscope.record.probe import ProbedLayer, device_of, run
from otoscope.record.ranking import Floor
from otoscope.record.reduce import Reduction, Wanted, reduce_batch

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class _HeardEnough(BaseException):
    """Leaves the forward pass after the last layer that is wanted."""


class Listener:
    """Runs a network on batches and reduces its layers as they fire.

    Parameters
    ----------
    model : AudioModel
        In evaluation mode (see :func:`otoscope.record.hooks.lent`).
    layers : sequence of ProbedLayer
        In forward order.
    wanted : sequence of Wanted
        What to keep, one a layer.
    precision : str
        ``float32``, or the type of an autocast.
    """

    def __init__(
        self,
        model: AudioModel,
        layers: Sequence[ProbedLayer],
        wanted: Sequence[Wanted],
        precision: str = "float32",
    ) -> None:
        self._model, self._layers, self._precision = model, layers, precision
        self._wanted, self._everything = tuple(wanted), tuple(replace(one, top_k=None) for one in wanted)
        self._place = {one.layer: i for i, one in enumerate(layers)}
        self._modules, self._device = modules_of(model), device_of(model)
        self._ends_early = all(one.layer.module is not None for one in layers)
        self._geometries: dict[tuple[Layer, tuple[int, ...], int], Geometry] = {}

    def hear(
        self, batch: Batch, floors: Sequence[Floor | None] | None = None, unfinished: Tensor | None = None
    ) -> tuple[Reduction, ...]:
        """Return the layers' reductions, one row a window.

        Parameters
        ----------
        batch : Batch
            Windows at the network's rate.
        floors : sequence of Floor or None, optional
            One a layer: what values must exceed for evidence to be wanted, None where there is no such thing yet.
            Without floors it is wanted everywhere.
        unfinished : Tensor, optional
            Windows ``(window,)`` that are parts of a clip, see :func:`otoscope.record.reduce.reduce_batch`.

        Raises
        ------
        ModelError
            If the forward pass raises.
        HookError
            If an output does not fit its geometry or its pooling.
        """
        found: dict[Layer, Reduction] = {}
        waveform = torch.from_numpy(batch.waveforms).to(self._device, non_blocking=True)
        lengths = torch.from_numpy(batch.lengths).to(self._device, non_blocking=True)
        if unfinished is not None:
            unfinished = unfinished.to(self._device, non_blocking=True)

        def listen(layer: Layer, output: Any) -> None:
            place = self._place[layer]
            wanted = self._everything[place] if floors is None else self._wanted[place]
            floor = None if floors is None else floors[place]
            found[layer] = self._reduced(layer, tensor_of(layer, output), batch, wanted, floor, unfinished)
            if self._ends_early and len(found) == len(self._layers):
                raise _HeardEnough

        with self._autocast(), capturing(self._modules, self._place, listen):
            try:
                output = run(self._model, waveform, lengths)
                for one in self._layers:
                    if one.layer.module is None:
                        listen(one.layer, output)
            except _HeardEnough:
                pass  # every layer has been heard
        return tuple(found[one.layer] for one in self._layers)

    def _reduced(
        self,
        layer: Layer,
        output: Tensor,
        batch: Batch,
        wanted: Wanted,
        floor: Floor | None,
        unfinished: Tensor | None,
    ) -> Reduction:
        n_samples = batch.waveforms.shape[2]
        geometry = self._geometry(layer, tuple(output.shape), n_samples)
        with torch.inference_mode():
            return reduce_batch(output, geometry, batch, self._model.sample_rate, wanted, floor, unfinished)

    def _geometry(self, layer: Layer, shape: tuple[int, ...], n_samples: int) -> Geometry:
        """Return the geometry of a layer's output; the same for every batch of that shape."""
        key = (layer, shape, n_samples)
        if key not in self._geometries:
            declared = self._model.geometry(layer.name, shape, n_samples)
            probed = next(one for one in self._layers if one.layer == layer).geometry
            seconds = n_samples / self._model.sample_rate
            self._geometries[key] = declared or probed.in_proportion(probed.axes, shape, seconds)
        return self._geometries[key]

    def _autocast(self) -> Any:
        if self._precision == "float32":
            return nullcontext()
        return torch.autocast(self._device.type, dtype=_DTYPES[self._precision])
