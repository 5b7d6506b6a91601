"""Weights inside a checkpoint: find them under their wrappings, and load them strictly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from otoscope.errors import ModelError

#: keys under which training scripts keep the weights, the first that holds tensors
CONTAINERS = ("model", "state_dict", "model_state_dict", "net")
#: what wrappers put before every key
PREFIXES = ("module.", "_orig_mod.", "model.")
_SHOWN = 4


def weights(data: Any) -> dict[str, Tensor]:
    """Return the named tensors of a checkpoint, wrappers' prefixes stripped; empty where there are none.

    Examples
    --------
    >>> import torch
    >>> list(weights({"state_dict": {"module.fc.bias": torch.zeros(2)}, "epoch": 3}))
    ['fc.bias']
    """
    if not isinstance(data, Mapping):
        return {}
    for container in CONTAINERS:
        if isinstance(data.get(container), Mapping) and (found := _tensors(data[container])):
            return _stripped(found)
    return _stripped(_tensors(data))


def _tensors(data: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {str(key): value for key, value in data.items() if isinstance(value, Tensor)}


def _stripped(found: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        if found and all(key.startswith(prefix) for key in found):
            return _stripped({key.removeprefix(prefix): value for key, value in found.items()})
    return found


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load ``state`` into ``module``: every key, no other, every shape.

    Raises
    ------
    ModelError
        Naming the first keys that are missing, too many, or of another shape.
    """
    own = module.state_dict()
    odd = [
        f"{key} has shape {tuple(state[key].shape)}, expected {tuple(own[key].shape)}"
        for key in own.keys() & state.keys()
        if own[key].shape != state[key].shape
    ]
    problems = [
        *_some("lacks", own.keys() - state.keys()),
        *_some("has the unknown", state.keys() - own.keys()),
        *sorted(odd)[:_SHOWN],
    ]
    if problems:
        raise ModelError(f"{what}: {'; '.join(problems)}")
    module.load_state_dict(dict(state))


def _some(verb: str, keys: Iterable[str]) -> list[str]:
    names = sorted(keys)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"it {verb} {', '.join(names[:_SHOWN])}{more}"] if names else []
