"""What a training needs to go on after a kill: one safetensors file, replaced as a whole after each epoch.

``checkpoint.safetensors`` holds ``module.<name>`` (parameters and buffers),
``optimiser.<parameter>.<name>`` (the moments) and, in its note, the finished epochs, the history and the
identity of the training. ``best.safetensors`` holds ``module.<name>`` of the best epoch; it is written
before the checkpoint that names it. Learning rate and randomness are functions of step and epoch, so
they are not stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from otoscope.arrays import to_tensor
from otoscope.errors import FormatError, StageError
from otoscope.store import tensors

FORMAT_VERSION = 1
CHECKPOINT = "checkpoint.safetensors"
BEST = "best.safetensors"


@dataclass(frozen=True)
class State:
    """How far a training has come.

    Attributes
    ----------
    epochs : tuple of dict
        One row of metrics per finished epoch.
    best_epoch : int
        Number (from 1) of the best epoch so far, 0 before the first.
    finished : bool
        True when there is nothing left to do.
    """

    epochs: tuple[dict[str, float], ...] = ()
    best_epoch: int = 0
    finished: bool = False


def write_best(out: Path, module: nn.Module) -> None:
    """Write the module's weights as the best so far."""
    tensors.write(out / BEST, _module_arrays(module), {"format_version": FORMAT_VERSION})


def read_best(out: Path, module: nn.Module) -> None:
    """Load the best weights into ``module``."""
    arrays, _ = tensors.read_with_note(out / BEST)
    _load_module(module, arrays)


def write(
    out: Path, module: nn.Module, optimiser: torch.optim.Optimizer, state: State, identity: Mapping[str, Any]
) -> None:
    """Replace the checkpoint by the present state."""
    arrays = _module_arrays(module)
    for parameter, slots in optimiser.state_dict()["state"].items():
        for name, value in slots.items():
            arrays[f"optimiser.{parameter}.{name}"] = torch.as_tensor(value).detach().cpu().numpy()
    note = {
        "format_version": FORMAT_VERSION,
        "identity": dict(identity),
        "epochs": list(state.epochs),
        "best_epoch": state.best_epoch,
        "finished": state.finished,
    }
    tensors.write(out / CHECKPOINT, arrays, note)


def resume(
    out: Path, module: nn.Module, optimiser: torch.optim.Optimizer, identity: Mapping[str, Any]
) -> State:
    """Load the checkpoint in ``out`` into module and optimiser; a fresh state where there is none.

    Raises
    ------
    StageError
        If the folder holds another training: the differing keys are named.
    FormatError
        If the checkpoint is broken or of a newer format.
    """
    if not (out / CHECKPOINT).is_file():
        return State()
    arrays, note = tensors.read_with_note(out / CHECKPOINT)
    _check(out / CHECKPOINT, note, identity)
    _load_module(module, arrays)
    _load_optimiser(optimiser, arrays)
    return State(tuple(note["epochs"]), int(note["best_epoch"]), bool(note["finished"]))


def _check(path: Path, note: Any, identity: Mapping[str, Any]) -> None:
    version = note.get("format_version") if isinstance(note, dict) else None
    if version != FORMAT_VERSION:
        raise FormatError(f"{path} has format version {version!r}; this Otoscope reads {FORMAT_VERSION}")
    there = note["identity"]
    changed = sorted(key for key in {*there, *identity} if there.get(key) != identity.get(key))
    if changed:
        raise StageError(
            f"{path.parent} holds another training: it differs in {', '.join(changed)}. "
            "Give another --out, or remove the folder."
        )


def _module_arrays(module: nn.Module) -> dict[str, Any]:
    return {f"module.{name}": tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}


def _load_module(module: nn.Module, arrays: Mapping[str, Any]) -> None:
    state = {
        name.removeprefix("module."): to_tensor(array)
        for name, array in arrays.items()
        if name.startswith("module.")
    }
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise FormatError(f"the checkpoint does not fit this network: {error}") from error


def _load_optimiser(optimiser: torch.optim.Optimizer, arrays: Mapping[str, Any]) -> None:
    slots: dict[int, dict[str, Tensor]] = {}
    for key, array in arrays.items():
        if key.startswith("optimiser."):
            _, parameter, name = key.split(".", 2)
            # the format keeps no 0-d arrays: the step count comes back as one element
            value = to_tensor(array).reshape(()) if name == "step" else to_tensor(array)
            slots.setdefault(int(parameter), {})[name] = value
    optimiser.load_state_dict({"state": slots, "param_groups": optimiser.state_dict()["param_groups"]})
