"""Hear what a layer says, or change it, and leave no trace: the one place that installs hooks.

:func:`capturing` calls a function with each named layer's output; :func:`intervening` replaces outputs.
:func:`lent` puts a model in evaluation mode and gives it back as it came: mode of every module, hooks, also when
the body raises. Gradients, weights and devices are not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from otoscope.errors import HookError
from otoscope.record.layers import Layer, replace_selected, select

#: activation -> activation
Intervention = Callable[[Tensor], Tensor]


@contextmanager
def lent(model: nn.Module) -> Iterator[nn.Module]:
    """Give the model in evaluation mode; restore the mode of each of its modules afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield model
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def capturing(
    modules: Mapping[str, nn.Module], layers: Iterable[Layer], listen: Callable[[Layer, Any], None]
) -> Iterator[None]:
    """Call ``listen(layer, output)`` each time a layer's module has run.

    Parameters
    ----------
    modules : mapping of str to nn.Module
        The net's modules by path.
    layers : iterable of Layer
        What to listen to; ``logits`` is not a module and is left to the caller.
    listen : callable
        Called with the layer and the module's whole output, inside the forward pass.
    """

    def hook_for(layer: Layer) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            listen(layer, output)

        return hook

    with installed(modules, {layer: hook_for(layer) for layer in layers if layer.module is not None}):
        yield


@contextmanager
def intervening(modules: Mapping[str, nn.Module], changes: Mapping[Layer, Intervention]) -> Iterator[None]:
    """Replace each layer's output by ``change(output)`` while the block runs; a change must keep the shape."""

    def hook_for(layer: Layer, change: Intervention) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            before = tensor_of(layer, output)
            after = change(before)
            if after.shape != before.shape:
                raise HookError(
                    f"intervention on {layer.name} made {tuple(after.shape)} of {tuple(before.shape)}"
                )
            return replace_selected(output, layer.selector, after)

        return hook

    with installed(modules, {layer: hook_for(layer, change) for layer, change in changes.items()}):
        yield


@contextmanager
def installed(modules: Mapping[str, nn.Module], hooks: Mapping[Layer, Callable[..., Any]]) -> Iterator[None]:
    """Install a forward hook on each layer's module while the block runs; they are removed also when it raises."""
    with ExitStack() as stack:
        for layer, hook in hooks.items():
            handle: RemovableHandle = modules[str(layer.module)].register_forward_hook(hook)
            stack.callback(handle.remove)
        yield


def tensor_of(layer: Layer, output: Any) -> Tensor:
    """Return the tensor that the layer's selector points to in a module's output.

    Raises
    ------
    HookError
        If there is none.
    """
    found = select(output, layer.selector)
    if not isinstance(found, Tensor):
        raise HookError(
            f"layer {layer.name} gave {type(found).__name__}, not a tensor: add a selector such as [0]"
        )
    return found
