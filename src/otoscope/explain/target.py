"""What is explained: a class, the class that the network names, or any number of its output.

A target is

- None: the class with the highest output, for each clip its own;
- an index, a class's name, or a tensor of indices ``(clip,)``;
- a function ``output (clip, class) -> (clip,)``, differentiable where the explainer needs gradients; on a command line
  ``py:module:function``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from otoscope.errors import InputError, UnknownNameError
from otoscope.models.audio_model import AudioModel
from otoscope.registry import load, split_spec

Target = int | str | Tensor | Callable[[Tensor], Tensor] | None
Goal = Tensor | Callable[[Tensor], Tensor]
"""A target that is settled: one index a clip ``(clip,)``, or a function of the output."""


def named(model: AudioModel, target: Target) -> Goal | None:
    """Return the target with names resolved: indices, a function, or None.

    Raises
    ------
    UnknownNameError
        If the network has no class of that name.
    InputError
        If an index is not one of its classes.
    """
    if target is None or (callable(target) and not isinstance(target, Tensor)):
        return target
    if isinstance(target, str):
        return _from_text(model, target)
    index = torch.as_tensor(target)
    if index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
        raise InputError(f"a target is the index of a class, got {index.dtype}")
    n_classes = len(model.classes)
    if index.numel() and (int(index.min()) < 0 or (n_classes and int(index.max()) >= n_classes)):
        raise InputError(f"targets lie in 0 .. {n_classes - 1}, got {int(index.min())} .. {int(index.max())}")
    return index.long()


def _from_text(model: AudioModel, text: str) -> Goal:
    scheme, rest = split_spec(text)
    if scheme == "py":
        function: Callable[[Tensor], Tensor] = load(rest)
        return function
    if text not in model.classes:
        raise UnknownNameError.of("class", text, model.classes)
    return torch.tensor(model.classes.index(text))


def chosen(model: AudioModel, output: Tensor, target: Target) -> Goal:
    """Return one index a clip ``(clip,)``, or the function; None becomes the argmax of ``output``."""
    resolved = named(model, target)
    if resolved is None:
        return output.detach().argmax(1)
    if not isinstance(resolved, Tensor):
        return resolved
    index = resolved.to(output.device)
    if index.ndim == 0:
        return index.expand(len(output))
    if index.shape != output.shape[:1]:
        raise InputError(f"expected one target a clip, {len(output)} of them, got {tuple(index.shape)}")
    return index


def scalar(output: Tensor, target: Goal) -> Tensor:
    """Return the explained number of each clip, ``(clip,)``.

    Raises
    ------
    InputError
        If a target function gives anything else than one number a clip.
    """
    if isinstance(target, Tensor):
        return output.gather(1, target[:, None])[:, 0]
    values = target(output)
    if values.shape != output.shape[:1]:
        raise InputError(
            f"the target gave {tuple(values.shape)}, expected one number a clip, ({len(output)},)"
        )
    return values
