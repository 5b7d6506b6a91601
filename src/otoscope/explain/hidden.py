"""What a network's hidden layers say of a sound: maps ``(clip, neuron, frequency, frame)``, by layer name, in one pass.

Explainers that are trained read the classifier through these maps. Any network will do whose layers have places in
time or frequency, declared or found (:mod:`otoscope.record.probe`); a layer without frequency rows has one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from otoscope.errors import HookError, InputError
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.record.hooks import capturing, lent, tensor_of
from otoscope.record.layers import Layer, modules_of, resolve
from otoscope.record.probe import device_of, eager, probe


@dataclass(frozen=True)
class Heard:
    """One pass of a network.

    Attributes
    ----------
    maps : tuple of Tensor
        One map ``(clip, neuron, frequency, frame)`` per layer, in the order asked for.
    output : Tensor
        The network's output ``(clip, class)`` of the same pass.
    """

    maps: tuple[Tensor, ...]
    output: Tensor


@dataclass(frozen=True)
class HiddenMaps:
    """Some layers of a network, ready to be heard.

    Attributes
    ----------
    layers : tuple of str
        Their names.
    shapes : tuple of (neuron, frequency, frame)
        Of their maps on a sound of the length they were resolved for; other lengths have other frames.
    geometries : tuple of Geometry
        Of those maps.
    """

    layers: tuple[str, ...]
    shapes: tuple[tuple[int, int, int], ...]
    geometries: tuple[Geometry, ...]
    _resolved: tuple[Layer, ...] = field(repr=False)

    @classmethod
    def of(cls, model: AudioModel, layers: Sequence[str] | None, n_samples: int) -> Self:
        """Return the layers of those names, resolved on silence of ``n_samples``.

        Parameters
        ----------
        model : AudioModel
            Given back as it was lent.
        layers : sequence of str or None
            Names or globs, in the order wanted; None: all declared layers that have maps, in the network's order.
        n_samples : int
            Of the sounds to come.

        Raises
        ------
        LayerError
            If a name matches nothing.
        HookError
            If a named layer has no map.
        """
        asked = tuple(layers) if layers is not None else ("*",)
        found = [one for name in asked for one in resolve(model, (name,)) if one.module is not None]
        resolved = list(dict.fromkeys(found))
        silence = torch.zeros(1, 1, n_samples, device=device_of(model))
        with lent(model), torch.no_grad():
            outputs, _ = _outputs(model, silence, resolved)
        kept = [
            (one, outputs[one], geometry)
            for one in resolved
            if (geometry := _geometry(model, one, outputs, n_samples))
        ]
        missing = [one.name for one in resolved if one not in {layer for layer, _, _ in kept}]
        if not kept or (missing and layers is not None):
            raise HookError(
                f"no map (positions in time or frequency) from {', '.join(missing) or 'any layer'}; name layers that "
                "have one (otoscope layers MODEL)"
            )
        shapes = tuple(tuple(geometry.grid(output).shape[1:]) for _, output, geometry in kept)
        names, geometries = tuple(one.name for one, _, _ in kept), tuple(geometry for _, _, geometry in kept)
        return cls(names, shapes, geometries, tuple(one for one, _, _ in kept))  # type: ignore[arg-type]

    def __call__(self, model: AudioModel, waveform: Tensor) -> Heard:
        """Return maps and output of sounds ``(clip, channel, time)``.

        The network should be in evaluation mode; gradients flow where they are on.

        Raises
        ------
        InputError
            If a map has other neurons or rows than it was resolved with.
        """
        outputs, logits = _outputs(model, waveform, self._resolved)
        maps = []
        for layer, shape, known in zip(self._resolved, self.shapes, self.geometries, strict=True):
            geometry = _geometry_at(model, layer, outputs[layer], waveform.shape[-1], known)
            maps.append(geometry.grid(outputs[layer]))
            if tuple(maps[-1].shape[1:3]) != shape[:2]:
                raise InputError(
                    f"layer {layer.name} gave a map of {tuple(maps[-1].shape[1:3])} (neuron, frequency), expected "
                    f"{shape[:2]}"
                )
        return Heard(tuple(maps), logits)


def _outputs(
    model: AudioModel, waveform: Tensor, layers: Sequence[Layer]
) -> tuple[dict[Layer, Tensor], Tensor]:
    heard: dict[Layer, Tensor] = {}

    def listen(layer: Layer, output: Any) -> None:
        heard[layer] = tensor_of(layer, output)

    with capturing(modules_of(model), layers, listen), eager():
        logits = model(waveform)
    silent = [one.name for one in layers if one not in heard]
    if silent:
        raise HookError(f"layers that never ran: {', '.join(silent)}")
    return heard, logits


def _geometry(
    model: AudioModel, layer: Layer, outputs: dict[Layer, Tensor], n_samples: int
) -> Geometry | None:
    """Return the layer's geometry, None where its output is one position."""
    found = model.geometry(layer.name, tuple(outputs[layer].shape), n_samples)
    if found is None:
        found = probe(model, (layer,))[0][0].geometry
    return found if found.n_positions > 1 else None


def _geometry_at(
    model: AudioModel, layer: Layer, output: Tensor, n_samples: int, known: Geometry
) -> Geometry:
    """Return the layer's geometry at this length: declared, or the known axes in proportion."""
    shape = tuple(output.shape)
    declared = model.geometry(layer.name, shape, n_samples)
    if declared is not None:
        return declared
    return Geometry.in_proportion(known.axes, shape, n_samples / model.sample_rate)
