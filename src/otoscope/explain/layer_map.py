"""A layer's activations on one sound, with their geometry: what maps of relevance are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from otoscope.errors import HookError, LayerError
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.record.hooks import capturing, tensor_of
from otoscope.record.layers import Layer, modules_of, resolve
from otoscope.record.probe import eager, probe


@dataclass(frozen=True)
class LayerMap:
    """What a layer gave.

    Attributes
    ----------
    name : str
        Of the layer.
    activation : Tensor
        As the layer gave it, part of the graph where gradients are on.
    geometry : Geometry
        Declared, or inferred in proportion.
    output : Tensor
        The network's output ``(clip, class)`` of the same pass.
    """

    name: str
    activation: Tensor
    geometry: Geometry
    output: Tensor

    @property
    def facts(self) -> dict[str, object]:
        """The layer's name, and whether its grid was only inferred (rows may then be moments), JSON-able."""
        return {"layer": self.name, "approximate_grid": self.geometry.approximate}


def layer_map(model: AudioModel, waveform: Tensor, layer: str | None) -> LayerMap:
    """Return the activations of a layer; None: the last declared layer that has places in time or frequency.

    Parameters
    ----------
    model : AudioModel
        In evaluation mode.
    waveform : Tensor, shape (clip, channel, time)
        One window of the network.
    layer : str, optional
        A layer's name; of a glob, the last match.

    Raises
    ------
    LayerError
        If no layer has that name.
    HookError
        If none of the layers runs, or none has positions.
    """
    candidates = [one for one in resolve(model, (layer or "*",)) if one.module is not None]
    if not candidates:
        raise LayerError.of("layer with a map", layer or "*", modules_of(model))
    heard, output = _heard(model, waveform, candidates)
    for one in reversed(candidates):
        if one in heard and (geometry := _geometry(model, one, heard[one], waveform.shape[-1])) is not None:
            return LayerMap(one.name, heard[one], geometry, output)
    raise HookError(
        f"none of the layers {', '.join(one.name for one in candidates)} has positions in time or frequency; name "
        "one that has (otoscope layers MODEL)"
    )


def _heard(model: AudioModel, waveform: Tensor, layers: list[Layer]) -> tuple[dict[Layer, Tensor], Tensor]:
    heard: dict[Layer, Tensor] = {}

    def listen(layer: Layer, output: Any) -> None:
        heard[layer] = tensor_of(layer, output)

    with capturing(modules_of(model), layers, listen), eager():
        output = model(waveform)
    return heard, output


def _geometry(model: AudioModel, layer: Layer, activation: Tensor, n_samples: int) -> Geometry | None:
    """Return the layer's geometry, None where its output is one position."""
    found = model.geometry(layer.name, tuple(activation.shape), n_samples)
    if found is None:
        found = probe(model, (layer,))[0][0].geometry
    return found if found.n_positions > 1 else None
