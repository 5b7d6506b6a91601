"""How does a network learn? One loop for classifiers, explainers, dictionaries and probes.

The caller gives the batches of an epoch, the loss of a batch and, if it has one, a validation; the loop
gives AdamW, the schedule, gradient clipping, the choice of the best epoch, early stop, progress, and
resume.

Every epoch e starts from its own random generator, seeded by (seed, e), and the global one is forked and
seeded alike for the layers that use it (dropout). So an epoch depends on nothing but the weights, the
moments and its number, and a training killed at any point and started again ends with the same weights.

Reference: I. Loshchilov and F. Hutter (2019), Decoupled weight decay regularization, ICLR (AdamW).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from otoscope import heap
from otoscope.errors import EmptyDataError, InputError, ModelError
from otoscope.fit import checkpoint
from otoscope.fit.checkpoint import State
from otoscope.fit.config import FitConfig as FitConfig
from otoscope.fit.schedule import SCHEDULES
from otoscope.progress import track
from otoscope.store import manifest
from otoscope.store.hashing import sha256_json

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")
#: Batches of one epoch, from its number (0, 1, ...) and its random generator. Where they have a length, the
#: schedule moves with every step, otherwise with every epoch.
Batches = Callable[[int, torch.Generator], Iterable[Batch]]
#: Mean loss of one batch, from the batch and the epoch's random generator.
Loss = Callable[[Batch, torch.Generator], Tensor]
#: Metrics on the validation set; called in evaluation mode, without gradients.
Validate = Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class History:
    """What happened.

    Attributes
    ----------
    epochs : tuple of dict
        One row per epoch: ``epoch`` (from 1), ``loss`` (mean over the epoch's batches),
        ``learning_rate`` (of its last step) and the validation's metrics.
    best_epoch : int
        The epoch whose weights the module has now.
    """

    epochs: tuple[dict[str, float], ...]
    best_epoch: int

    @property
    def best(self) -> dict[str, float]:
        """The best epoch's row."""
        return self.epochs[self.best_epoch - 1]


@heap.kept()
def fit(
    module: nn.Module,
    batches: Batches[Batch],
    loss: Loss[Batch],
    validate: Validate | None,
    config: FitConfig,
    out: Path | None,
    *,
    identity: Mapping[str, Any] | None = None,
    description: str = "training",
) -> History:
    """Train the parameters of ``module`` that require a gradient; it ends with the best epoch's weights.

    Parameters
    ----------
    module : nn.Module
        What learns. Its mode is given back as it was.
    batches : callable
        ``(epoch, generator) -> iterable of batches``; deterministic given both.
    loss : callable
        ``(batch, generator) -> Tensor ()``, the mean loss of the batch.
    validate : callable or None
        ``() -> {metric: value}``, called after each epoch in evaluation mode.
    config : FitConfig
        The options.
    out : Path or None
        Folder of ``checkpoint.safetensors``, ``best.safetensors`` and ``history.json``; a training in it
        that was killed is continued from its last finished epoch, a finished one is only read. None: nothing is
        written, for trainings of a second.
    identity : mapping, optional
        JSON-able: what else must be equal for a continuation (the data's hash, the network's
        description).
    description : str
        For the progress display.

    Raises
    ------
    StageError
        If ``out`` holds another training.
    ModelError
        If a loss is not finite.
    EmptyDataError
        If an epoch has no batch.
    """
    who = {"config": sha256_json(config.identity()), **dict(identity or {})}
    optimiser = _optimiser(module, config)
    state = State() if out is None else checkpoint.resume(out, module, optimiser, who)
    kept: dict[str, Tensor] = {}
    mode = module.training
    try:
        todo = range(len(state.epochs), config.epochs)
        for epoch in track(todo, len(todo), description):
            if state.finished:
                break
            row = _epoch(module, optimiser, batches, loss, validate, config, epoch)
            state = _advance(state, row, config)
            if state.best_epoch == len(state.epochs):
                kept = _keep(out, module)
            if out is not None:
                checkpoint.write(out, module, optimiser, state, who)
            logger.info("epoch %s", row)
    finally:
        module.train(mode)
    history = History(state.epochs, state.best_epoch)
    if out is None:
        module.load_state_dict(kept)
        return history
    checkpoint.read_best(out, module)
    manifest.write(out / "history.json", {"epochs": list(history.epochs), "best_epoch": history.best_epoch})
    return history


def _keep(out: Path | None, module: nn.Module) -> dict[str, Tensor]:
    """Keep the weights of the best epoch so far: in the folder, or, without one, in what is returned."""
    if out is None:
        return {name: one.detach().clone() for name, one in module.state_dict().items()}
    checkpoint.write_best(out, module)
    return {}


def _optimiser(module: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not learning:
        raise InputError("no parameter of the module requires a gradient: there is nothing to train")
    if config.optimiser == "adam":
        return torch.optim.Adam(learning, lr=config.learning_rate, weight_decay=config.weight_decay)
    matrices = [parameter for parameter in learning if parameter.ndim >= 2]
    others = [parameter for parameter in learning if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate)


def _epoch(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: Batches[Batch],
    loss: Loss[Batch],
    validate: Validate | None,
    config: FitConfig,
    epoch: int,
) -> dict[str, float]:
    """Run one epoch and its validation; return its row."""
    seed = int(sha256_json([config.seed, epoch])[:15], 16)
    generator = torch.Generator().manual_seed(seed)
    module.train()
    with _seeded(module, seed):
        todo = batches(epoch, generator)
        steps = len(todo) if isinstance(todo, Sized) else 0
        losses = [
            _step(module, optimiser, loss(batch, generator), config, epoch + (done / steps if steps else 0.0))
            for done, batch in enumerate(todo)
        ]
    if not losses:
        raise EmptyDataError(f"epoch {epoch + 1} has no batch: there is nothing to train on")
    row = {
        "epoch": float(epoch + 1),
        "loss": math.fsum(losses) / len(losses),
        "learning_rate": optimiser.param_groups[0]["lr"],
    }
    module.eval()
    with torch.no_grad():
        row.update({name: float(value) for name, value in (validate() if validate else {}).items()})
    return row


@contextmanager
def _seeded(module: nn.Module, seed: int) -> Iterator[None]:
    """Seed the global generators for layers that use them (dropout); give them back as they were."""
    devices = sorted({p.device.index or 0 for p in module.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for device in devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _step(
    module: nn.Module, optimiser: torch.optim.Optimizer, value: Tensor, config: FitConfig, epochs_done: float
) -> float:
    """Take one step down ``value``; return it."""
    if not torch.isfinite(value):
        raise ModelError(
            f"the loss is {float(value)} in epoch {int(epochs_done) + 1}: try a lower learning rate than "
            f"{config.learning_rate}, and check the data for NaN"
        )
    factor = SCHEDULES[config.schedule](epochs_done / config.epochs, config.warmup)
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * factor
    optimiser.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    if config.clip_norm is not None:
        nn.utils.clip_grad_norm_(module.parameters(), config.clip_norm)
    optimiser.step()
    return float(value.detach())


def _advance(state: State, row: dict[str, float], config: FitConfig) -> State:
    """Return the state after an epoch."""
    epochs = (*state.epochs, row)
    best = state.best_epoch
    if best == 0 or _is_better(row, state.epochs[best - 1], config):
        best = len(epochs)
    waited = len(epochs) - best
    stop = config.patience is not None and waited >= config.patience
    return replace(state, epochs=epochs, best_epoch=best, finished=stop or len(epochs) >= config.epochs)


def _is_better(row: dict[str, float], best: dict[str, float], config: FitConfig) -> bool:
    if config.metric is None:
        return True
    if config.metric not in row:
        raise InputError(f"no metric {config.metric!r} in an epoch's row; there is: {', '.join(row)}")
    gain = row[config.metric] - best[config.metric]
    if gain == 0:
        return config.ties == "later"
    return gain > 0 if config.better == "higher" else gain < 0
