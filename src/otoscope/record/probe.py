"""What do the layers give: shapes, neurons, geometry; and does every hook fire?

One forward pass of faint noise tells each layer's shape. A layer that was named and does not run, or runs more than
once, is an error; one that a glob found is left out and reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from otoscope.errors import HookError, ModelError
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.record.axes import infer_axes
from otoscope.record.hooks import capturing, lent, tensor_of
from otoscope.record.layers import Layer, modules_of, select, with_selector

DEFAULT_LENGTH_S = 2.0
_ATTRIBUTES = ("last_hidden_state", "logits")
_FORWARD_ERRORS = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, KeyError, ArithmeticError)


@dataclass(frozen=True)
class ProbedLayer:
    """A layer and what it was found to give.

    Attributes
    ----------
    layer : Layer
        With the selector that leads to a tensor.
    shape : tuple of int
        Shape of its output for one clip of the probed length.
    geometry : Geometry
        Declared or, marked approximate, inferred.
    kind : str
        Class of the module.
    """

    layer: Layer
    shape: tuple[int, ...]
    geometry: Geometry
    kind: str

    @property
    def name(self) -> str:
        """The layer's name on disk."""
        return self.layer.name

    @property
    def n_neurons(self) -> int:
        """Width of the layer."""
        return self.geometry.n_neurons(self.shape)


@dataclass
class _Pass:
    """What one forward pass gave: the first output of each layer, in order, and how often it ran."""

    outputs: dict[Layer, Any]
    counts: dict[Layer, int]

    def listen(self, layer: Layer, output: Any) -> None:
        self.outputs.setdefault(layer, output)
        self.counts[layer] = self.counts.get(layer, 0) + 1


@contextmanager
def eager() -> Iterator[None]:
    """Run compiled modules uncompiled, because hooks added after compilation need not fire."""
    stance = getattr(torch.compiler, "set_stance", None)
    if stance is None:
        yield
        return
    with stance("force_eager"):
        yield


def device_of(model: nn.Module) -> torch.device:
    """Return the device of a model's first parameter or buffer, the CPU where it has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def noise(model: AudioModel, n_clips: int, n_samples: int) -> Tensor:
    """Return faint seeded noise ``(clip, 1, time)`` on the model's device."""
    generator = torch.Generator().manual_seed(0)
    return (0.1 * torch.randn(n_clips, 1, n_samples, generator=generator)).to(device_of(model))


def probe_samples(model: AudioModel) -> int:
    """Return how many samples a probe takes: the network's own clip length, else two seconds."""
    return round((model.clip_length.length_s or DEFAULT_LENGTH_S) * model.sample_rate)


def run(model: AudioModel, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Return the network's output for waveforms ``(clip, channel, time)``, without gradients.

    Raises
    ------
    ModelError
        If the forward pass raises: its error is named and kept as the cause.
    """
    try:
        with torch.inference_mode(), eager():
            output: Tensor = model(waveform, lengths)
    except _FORWARD_ERRORS as error:
        if isinstance(error, HookError):
            raise
        raise ModelError(
            f"the network failed on {tuple(waveform.shape)} (clip, channel, time) at {model.sample_rate} Hz: "
            f"{type(error).__name__}: {error}"
        ) from error
    return output


def probe(model: AudioModel, layers: tuple[Layer, ...]) -> tuple[tuple[ProbedLayer, ...], dict[str, str]]:
    """Return what each layer gives, in the order in which they fire, and why which globbed layers were left out.

    Raises
    ------
    HookError
        If a named layer does not run, runs more than once, or gives no tensor; if nothing is left.
    ModelError
        If the network cannot run on a clip of its own length.
    """
    n_samples = probe_samples(model)
    with lent(model):
        first = _forward(model, layers, 1, n_samples)
        left_out = {layer.name: reason for layer in layers if (reason := _unfit(layer, first))}
        usable = [layer for layer in first.outputs if layer.name not in left_out]
        if not usable:
            shown = "; ".join(f"{name} {reason}" for name, reason in left_out.items())
            raise HookError(f"none of these layers can be recorded: {shown}")
        outputs = {_selected(layer, first.outputs[layer]): first.outputs[layer] for layer in usable}
        shapes = {layer: tuple(tensor_of(layer, output).shape) for layer, output in outputs.items()}
        geometries = _geometries(model, shapes, n_samples)
    modules = modules_of(model)
    probed = (
        ProbedLayer(layer, shape, geometries[layer], _kind(modules, layer)) for layer, shape in shapes.items()
    )
    return tuple(probed), left_out


def _kind(modules: dict[str, nn.Module], layer: Layer) -> str:
    return "output" if layer.module is None else type(modules[layer.module]).__name__


def _forward(model: AudioModel, layers: tuple[Layer, ...], n_clips: int, n_samples: int) -> _Pass:
    heard = _Pass({}, {})
    with capturing(modules_of(model), layers, heard.listen):
        logits = run(model, noise(model, n_clips, n_samples))
    for layer in layers:
        if layer.module is None:
            heard.listen(layer, logits)
    return heard


def _unfit(layer: Layer, heard: _Pass) -> str:
    """Return why a layer cannot be recorded, empty where it can; a layer that was named raises."""
    count = heard.counts.get(layer, 0)
    reason = ""
    if count == 0:
        reason = "did not run in a forward pass (not called, or its weights are used without it)"
    elif count > 1:
        reason = f"ran {count} times in one forward pass, so its output is not one activation"
    else:
        reason = _odd_output(layer, heard.outputs[layer])
    if reason and not layer.globbed:
        raise HookError(f"layer {layer.name} {reason}. Name the module before or after it.")
    return reason


def _odd_output(layer: Layer, output: Any) -> str:
    found = select(output, _selected(layer, output).selector)
    if not isinstance(found, Tensor):
        return (
            f"gave {type(output).__name__} without a tensor: add a selector such as [0] or .last_hidden_state"
        )
    if found.ndim not in (2, 3, 4):
        return f"gave shape {tuple(found.shape)}; 2 to 4 axes are understood"
    return "" if found.is_floating_point() else f"gave {found.dtype}, not floating-point numbers"


def _selected(layer: Layer, output: Any) -> Layer:
    """Return the layer with a selector that leads to a tensor, chosen where the user named none."""
    if isinstance(select(output, layer.selector), Tensor):
        return layer
    candidates: tuple[tuple[int | str, ...], ...] = ((0,), *((name,) for name in _ATTRIBUTES))
    for candidate in () if layer.selector else candidates:
        if isinstance(select(output, candidate), Tensor):
            return with_selector(layer, candidate)
    return layer


def _geometries(
    model: AudioModel, shapes: dict[Layer, tuple[int, ...]], n_samples: int
) -> dict[Layer, Geometry]:
    found: dict[Layer, Geometry] = {}
    unknown: list[Layer] = []
    for layer, shape in shapes.items():
        declared = model.geometry(layer.name, shape, n_samples)
        if declared is None:
            unknown.append(layer)
        else:
            found[layer] = declared
    if unknown:
        inferred = infer_axes(model, tuple(unknown), shapes, n_samples, shapes_of)
        seconds = n_samples / model.sample_rate
        found.update(
            {layer: Geometry.in_proportion(inferred[layer], shapes[layer], seconds) for layer in unknown}
        )
    return found


def shapes_of(
    model: AudioModel, layers: tuple[Layer, ...], n_clips: int, n_samples: int
) -> dict[Layer, tuple[int, ...]]:
    """Return the layers' output shapes for ``n_clips`` clips of ``n_samples`` samples."""
    heard = _forward(model, layers, n_clips, n_samples)
    return {layer: tuple(tensor_of(layer, output).shape) for layer, output in heard.outputs.items()}
