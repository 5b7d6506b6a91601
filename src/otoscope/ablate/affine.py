"""Which weights must change so that a neuron is ablated without hooks?

A neuron i of layer L is f_n(... f_1(A(x)_i)), where A is an affine module (linear, convolution, batch, group or layer
normalisation) and each f leaves neurons apart and positions alone or pools them (ReLU, GELU, dropout, mean and
maximum pooling...). Then A's row i is edited:

    constant c (zero: 0, mean: m_i)    row of weights = 0, bias = the b with f_n(... f_1(b)) = c
    gain g                             row of weights and bias times g; needs f(g y) = g f(y)

A is the layer itself, the last affine child of an ``nn.Sequential``, or, for an activation that is called on its own,
the affine module whose output it was given, found by value on a probe. Anything else (a residual sum, a bias that
the module lacks, a constant that an activation cannot give) is refused by name with its reason; and the edited
network is compared with the hooked one before it is written (:mod:`otoscope.ablate.checkpoint`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from otoscope.errors import ModelError
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import capturing
from otoscope.record.layers import Layer, is_leaf, modules_of
from otoscope.record.probe import noise, probe_samples
from otoscope.record.probe import run as forward

AFFINE = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.LayerNorm, nn.GroupNorm,
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d,
)  # fmt: skip
"""Modules whose output neuron is a weighted sum of inputs plus a bias of its own."""

KEPT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Flatten)
"""Modules that change no value when they only run."""

POOLED = (
    nn.AvgPool1d, nn.AvgPool2d, nn.MaxPool1d, nn.MaxPool2d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d,
)  # fmt: skip
"""Poolings: a constant stays itself (mean pooling with counted padding excepted)."""

RISING_FROM: dict[str, float] = {
    "ReLU": 0.0, "GELU": -0.75, "GELUActivation": -0.75, "NewGELUActivation": -0.75, "FastGELUActivation": -0.75,
    "SiLU": -1.278, "SiLUActivation": -1.278, "Tanh": -20.0, "Sigmoid": -40.0, "Softplus": -40.0,
    "LeakyReLU": -1e6, "ELU": -20.0,
}  # fmt: skip
"""Activation -> from where on it rises, so that a value has one preimage."""

_HOMOGENEOUS = ("ReLU", "LeakyReLU")
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Source:
    """The affine module behind a layer, and what lies between.

    Attributes
    ----------
    path : str
        Of the module.
    between : tuple of nn.Module
        Applied to its output, in order.
    """

    path: str
    between: tuple[nn.Module, ...]


def source_of(model: AudioModel, layer: Layer) -> Source:
    """Return the affine module behind a layer.

    Raises
    ------
    ModelError
        If there is none: the layer and the reason are named.
    """
    modules = modules_of(model)
    path = str(layer.module)
    if layer.selector:
        raise _refused(layer.name, "its output is a part of what the module gives")
    return _behind(model, modules, path, layer.name)


def _behind(model: AudioModel, modules: Mapping[str, nn.Module], path: str, name: str) -> Source:
    module = modules[path]
    if isinstance(module, AFFINE):
        return Source(path, ())
    if isinstance(module, nn.Sequential) and len(module):
        between: list[nn.Module] = []
        for child, one in reversed(list(module.named_children())):
            if not _passes(one):
                inner = _behind(model, modules, f"{path}.{child}", name)
                return Source(inner.path, (*inner.between, *between))
            between.insert(0, one)
        raise _refused(name, f"{path} holds no linear or affine module")
    if _passes(module):
        return _given_to(model, modules, path, name)
    raise _refused(name, f"{type(module).__name__} is no linear or affine module (a sum of branches, say)")


def _passes(module: nn.Module) -> bool:
    return isinstance(module, (*KEPT, *POOLED)) or type(module).__name__ in RISING_FROM


def _given_to(model: AudioModel, modules: Mapping[str, nn.Module], path: str, name: str) -> Source:
    """Return the affine module whose output an activation was given, found by value on a probe."""
    affine = [one for one, module in modules.items() if isinstance(module, AFFINE) and is_leaf(module)]
    heard: dict[str, Tensor] = {}

    def listen(layer: Layer, output: Any) -> None:
        heard[str(layer.module)] = output

    layers = [Layer(one, one) for one in (*affine, path)]
    with capturing(modules, layers, listen):
        forward(model, noise(model, 1, probe_samples(model)))
    with torch.inference_mode():
        for one in reversed([one for one in heard if one in affine]):
            if heard[one].shape == heard[path].shape and torch.equal(modules[path](heard[one]), heard[path]):
                return Source(one, (modules[path],))
    raise _refused(name, "what it is given comes from no linear or affine module")


def constant_before(between: Sequence[nn.Module], value: float, name: str) -> float:
    """Return the constant that, sent through ``between``, becomes ``value``.

    Raises
    ------
    ModelError
        If there is none.
    """
    for module in reversed(between):
        if isinstance(module, nn.AvgPool1d | nn.AvgPool2d) and value != 0.0 and _counts_padding(module):
            raise _refused(
                name, "its mean pooling counts padding, so a constant does not stay one at the edge"
            )
        if type(module).__name__ in RISING_FROM:
            value = _preimage(module, value, name)
    return value


def _counts_padding(module: nn.AvgPool1d | nn.AvgPool2d) -> bool:
    padding = module.padding if isinstance(module.padding, tuple) else (module.padding,)
    return bool(module.count_include_pad) and any(padding)


def _preimage(module: nn.Module, value: float, name: str) -> float:
    if type(module).__name__ == "ReLU" and value >= 0.0:
        return value
    low, high = RISING_FROM[type(module).__name__], max(1.0, 2.0 * abs(value))

    def of(x: float) -> float:
        return float(module(torch.tensor([x], dtype=torch.float64)))

    if value == 0.0 and of(0.0) == 0.0:
        return 0.0
    found = _bisected(of, value, low, high)
    if not math.isclose(of(found), value, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        raise _refused(name, f"{type(module).__name__} never gives {value:.4g}")
    return found


def _bisected(function: Callable[[float], float], value: float, low: float, high: float) -> float:
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < value else (low, middle)
    return (low + high) / 2


def set_constant(module: nn.Module, index: int, value: float, name: str) -> None:
    """Edit row ``index`` of an affine module so that its neuron is ``value`` at every position.

    Raises
    ------
    ModelError
        If the module has no weights, or no bias to hold a value other than 0.
    """
    weight, bias = _rows(module, name)
    if bias is None and value != 0.0:
        raise _refused(name, f"{type(module).__name__} has no bias that could hold the mean")
    with torch.no_grad():
        weight[index] = 0.0
        if bias is not None:
            bias[index] = value


def scale(module: nn.Module, index: int, gain: float, between: Sequence[nn.Module], name: str) -> None:
    """Multiply neuron ``index`` of an affine module by ``gain``.

    Raises
    ------
    ModelError
        If what lies between does not pass a factor on.
    """
    for one in between:
        if type(one).__name__ in RISING_FROM and type(one).__name__ not in _HOMOGENEOUS:
            raise _refused(name, f"{type(one).__name__} does not pass a factor on")
    weight, bias = _rows(module, name)
    with torch.no_grad():
        weight[index] *= gain
        if bias is not None:
            bias[index] *= gain


def _rows(module: nn.Module, name: str) -> tuple[Tensor, Tensor | None]:
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if not isinstance(weight, Tensor):
        raise _refused(name, f"{type(module).__name__} has no weights of its own")
    if isinstance(module, nn.LayerNorm) and weight.ndim != 1:
        raise _refused(name, "its layer normalisation spans several axes")
    return weight, bias if isinstance(bias, Tensor) else None


def _refused(name: str, reason: str) -> ModelError:
    return ModelError(
        f"neurons of layer {name} cannot be ablated in a checkpoint: {reason}. Ablate at run time (otoscope ablate), "
        "or name the layer of the linear or affine module itself"
    )
