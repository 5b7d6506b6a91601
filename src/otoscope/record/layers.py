"""Which layers does a name or glob mean?

A layer is a path of ``named_modules()`` of the user's network plus a selector where the module's output is not a
tensor: ``encoder.layers.3.mlp.fc1``, ``encoder.layers.3[0]``, ``encoder.last_hidden_state``. In a glob ``*`` stands
for any characters, dots included, and ``?`` for one; ``*`` alone means the layers that the network's family
declares (an undeclared network: every leaf with parameters or an activation), ``**`` every leaf module. ``logits``
is the network's output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from otoscope.errors import LayerError
from otoscope.models.audio_model import LOGITS, AudioModel, unwrap

_SELECTOR = re.compile(r"((?:\[\d+\])+)$")


@dataclass(frozen=True)
class Layer:
    """A place to listen at.

    Attributes
    ----------
    name : str
        As written to disk: module path plus selector.
    module : str or None
        Path of the module in the net; None for ``logits``.
    selector : tuple of int or str
        What to take from an output that is not a tensor: positions and attribute names, outermost first.
    globbed : bool
        Whether it was found by a glob: such a layer is left out, and said so, where it cannot be recorded.
    """

    name: str
    module: str | None
    selector: tuple[int | str, ...] = ()
    globbed: bool = field(default=False, compare=False)


def modules_of(model: AudioModel) -> dict[str, nn.Module]:
    """Return the modules of the user's network by path, wrappers stripped, without the network itself."""
    return {name: module for name, module in unwrap(model.net).named_modules() if name}


def resolve(model: AudioModel, patterns: Iterable[str]) -> tuple[Layer, ...]:
    """Return the layers that ``patterns`` name, in the network's own order, ``logits`` last, each once.

    Parameters
    ----------
    model : AudioModel
        The network.
    patterns : iterable of str
        Names or globs; commas separate several in one string.

    Raises
    ------
    LayerError
        If a pattern matches nothing: the nearest names are listed.
    """
    modules = modules_of(model)
    found: dict[Layer, None] = {}
    for pattern in [part.strip() for one in patterns for part in one.split(",") if part.strip()]:
        matched = _match(model, modules, pattern)
        if not matched:
            advice = "'*' names the declared layers, '**' every leaf; otoscope layers MODEL shows them all."
            raise LayerError.of("layer", pattern, (*modules, LOGITS), advice)
        found.update(dict.fromkeys(matched))
    if not found:
        raise LayerError.of("layer", "", (*modules, LOGITS), "Name at least one layer.")
    order = {name: i for i, name in enumerate(modules)}
    return tuple(sorted(found, key=lambda layer: order.get(str(layer.module), len(order))))


def _match(model: AudioModel, modules: Mapping[str, nn.Module], pattern: str) -> list[Layer]:
    output = [Layer(LOGITS, None)] if model.has_logits else []
    if pattern == "*":
        return [*_declared(model, modules), *output]
    if pattern == "**":
        leaves = (Layer(name, name, globbed=True) for name, one in modules.items() if is_leaf(one))
        return [*leaves, *output]
    if pattern == LOGITS:
        return output
    selected = _SELECTOR.search(pattern)
    selector: tuple[int | str, ...] = (
        tuple(int(n) for n in re.findall(r"\d+", selected.group(1))) if selected else ()
    )
    path = pattern[: selected.start()] if selected else pattern
    names = _fitting(path, modules)
    if not names and "." in path:
        path, attribute = path.rsplit(".", 1)
        names, selector = _fitting(path, modules), (attribute, *selector)
        names = [name for name in names if attribute.isidentifier() and not hasattr(modules[name], attribute)]
    globbed = any(symbol in path for symbol in "*?")
    return [Layer(_named(name, selector), name, selector, globbed) for name in names]


def _fitting(path: str, modules: Mapping[str, nn.Module]) -> list[str]:
    parts = re.split(r"([*?])", path)
    expression = "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts)
    return [name for name in modules if re.fullmatch(expression, name)]


def _declared(model: AudioModel, modules: Mapping[str, nn.Module]) -> list[Layer]:
    if model.declared_layers:
        patterns = [pattern for pattern in model.declared_layers if pattern != LOGITS]
        return [layer for pattern in patterns for layer in _match(model, modules, pattern)]
    return [Layer(name, name, globbed=True) for name, one in modules.items() if is_leaf(one) and _speaks(one)]


def is_leaf(module: nn.Module) -> bool:
    """Return whether a module has no modules inside."""
    return next(module.children(), None) is None


def _speaks(leaf: nn.Module) -> bool:
    has_parameters = next(leaf.parameters(recurse=False), None) is not None
    return has_parameters or type(leaf).__module__ == "torch.nn.modules.activation"


def _named(module: str, selector: tuple[int | str, ...]) -> str:
    return module + "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in selector)


def with_selector(layer: Layer, selector: tuple[int | str, ...]) -> Layer:
    """Return the layer that takes ``selector`` from the module's output."""
    return Layer(_named(str(layer.module), selector), layer.module, selector, layer.globbed)


def select(output: Any, selector: tuple[int | str, ...]) -> Any:
    """Return the part of a module's output that a selector names, None where it is not there."""
    for one in selector:
        if isinstance(one, int):
            output = output[one] if isinstance(output, tuple | list) and one < len(output) else None
        else:
            output = getattr(output, one, None)
    return output


def replace_selected(output: Any, selector: tuple[int | str, ...], value: Any) -> Any:
    """Return a module's output with the selected part replaced by ``value``."""
    if not selector:
        return value
    first, rest = selector[0], selector[1:]
    if isinstance(first, int):
        parts = list(output)
        parts[first] = replace_selected(parts[first], rest, value)
        return type(output)(parts) if isinstance(output, list) else tuple(parts)
    output[first] = replace_selected(getattr(output, first), rest, value)
    return output
