"""Hear one clip under many changes at once: a change may lay them along the clip axis.

:func:`widening` is :func:`~otoscope.record.hooks.intervening` for one clip: the first change makes as many "clips"
of it as there are variants, and all that follows is heard for each; what lies before is computed once. Residual
sums of one clip and many fit by broadcasting. A network that cannot be heard so raises in its forward pass, and the
caller gives it the clip repeated instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from otoscope.errors import HookError
from otoscope.record.hooks import Intervention, installed, tensor_of
from otoscope.record.layers import Layer, replace_selected


@contextmanager
def widening(
    modules: Mapping[str, nn.Module], changes: Mapping[Layer, Intervention], clip_axes: Mapping[Layer, int]
) -> Iterator[None]:
    """Replace each layer's output by ``change(output)`` while the block runs.

    Parameters
    ----------
    modules : mapping of str to nn.Module
        The net's modules by path.
    changes : mapping of Layer to callable
        The change must keep every axis but the clip axis.
    clip_axes : mapping of Layer to int
        Which axis that is.
    """

    def hook_for(layer: Layer, change: Intervention) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            before = tensor_of(layer, output)
            after = change(before)
            rest = [[*tensor.shape] for tensor in (before, after)]
            for shape in rest:
                shape.pop(clip_axes[layer])
            if rest[0] != rest[1]:
                raise HookError(
                    f"intervention on {layer.name} made {tuple(after.shape)} of {tuple(before.shape)}"
                )
            return replace_selected(output, layer.selector, after)

        return hook

    with installed(modules, {layer: hook_for(layer, change) for layer, change in changes.items()}):
        yield
