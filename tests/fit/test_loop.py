"""The training loop: a known minimum, the best epoch, early stop, and resume after a kill."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from otoscope.errors import EmptyDataError, FormatError, InputError, ModelError, StageError
from otoscope.fit import checkpoint
from otoscope.fit.loop import FitConfig, fit
from otoscope.fit.schedule import SCHEDULES

INPUTS = torch.randn(48, 4, generator=torch.Generator().manual_seed(7))
TARGETS = INPUTS @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])


def network(dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(dropout), nn.Linear(8, 1))


def batches(epoch, generator):
    order = torch.randperm(len(INPUTS), generator=generator)
    return [order[start : start + 16] for start in range(0, len(order), 16)]


def loss_of(module):
    def loss(rows, generator):
        return nn.functional.mse_loss(module(INPUTS[rows]), TARGETS[rows])

    return loss


def validate_of(module):
    return lambda: {"error": float((module(INPUTS) - TARGETS).square().mean())}


def state_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_line_is_learnt_and_the_history_is_on_disk(tmp_path):
    module = nn.Linear(4, 1)
    config = FitConfig(epochs=60, learning_rate=0.2, weight_decay=0.0, metric="error", better="lower")
    history = fit(module, batches, loss_of(module), validate_of(module), config, tmp_path)
    assert history.best["error"] < 1e-3
    assert torch.allclose(module.weight, torch.tensor([[1.0, -2.0, 0.5, 3.0]]), atol=0.02)
    written = json.loads((tmp_path / "history.json").read_text())
    assert written == {"epochs": list(history.epochs), "best_epoch": history.best_epoch}
    assert [row["epoch"] for row in history.epochs] == list(range(1, 61))
    assert module.training


def test_one_adamw_step_is_what_the_equations_say(tmp_path):
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(2.0)
    config = FitConfig(
        epochs=1, learning_rate=0.1, weight_decay=0.5, schedule="constant", warmup=0, clip_norm=None
    )
    fit(module, lambda e, g: [0], lambda b, g: 3.0 * module.weight.sum(), None, config, tmp_path)
    # Adam's first step is the gradient's sign; before it, decay multiplies the weight by 1 - rate x decay
    assert module.weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5) - 0.1, abs=1e-6)


class Killed(BaseException):
    """Stands for SIGKILL inside one process."""


@pytest.mark.parametrize("killed_at", [1, 4, 7, 14])
def test_a_killed_training_ends_with_the_same_weights(tmp_path, killed_at):
    config = FitConfig(epochs=5, learning_rate=0.05, metric="error", better="lower", seed=11)
    whole = network(0.2)
    reference = fit(whole, batches, loss_of(whole), validate_of(whole), config, tmp_path / "whole")

    module, calls = network(0.2), itertools.count(1)
    inner = loss_of(module)

    def dies(rows, generator):
        if next(calls) == killed_at:
            raise Killed
        return inner(rows, generator)

    with pytest.raises(Killed):
        fit(module, batches, dies, validate_of(module), config, tmp_path / "killed")
    again = network(0.2)
    torch.rand(5)  # the global generator's state must not matter
    history = fit(again, batches, loss_of(again), validate_of(again), config, tmp_path / "killed")
    assert history == reference
    assert same(state_of(again), state_of(whole))
    for name in ("history.json", "best.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


SCRIPT = """
import os, signal, sys, torch
from pathlib import Path
from torch import nn
from otoscope.fit.loop import FitConfig, fit
torch.manual_seed(0)
module, out, die_in = nn.Linear(3, 1), Path(sys.argv[1]), int(sys.argv[2])
def batches(epoch, generator):
    return [torch.rand(8, 3, generator=generator) for _ in range(3)]
def loss(batch, generator):
    return (module(batch) - batch.sum(1, keepdim=True)).square().mean()
def validate():
    if die_in and (out / "checkpoint.safetensors").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return {}
fit(module, batches, loss, validate, FitConfig(epochs=4), out)
"""


def test_sigkill_then_again_ends_with_the_same_bytes(tmp_path):
    def start(out, die):
        return subprocess.run([sys.executable, "-c", SCRIPT, str(out), die], check=False).returncode

    assert start(tmp_path / "whole", "0") == 0
    assert start(tmp_path / "killed", "1") == -9
    assert start(tmp_path / "killed", "0") == 0
    for name in ("history.json", "best.safetensors", "checkpoint.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_training_is_only_read(tmp_path):
    config = FitConfig(epochs=2)
    module = network()
    first = fit(module, batches, loss_of(module), None, config, tmp_path)

    def never(rows, generator):
        raise AssertionError("trained again")

    again = network()
    assert fit(again, batches, never, None, config, tmp_path) == first
    assert same(state_of(again), state_of(module))


def test_the_best_epoch_is_given_back_and_patience_stops(tmp_path):
    module = nn.Linear(4, 1)
    scores = iter([1.0, 3.0, 2.0, 3.0, 2.5, 9.0])
    seen = []

    def validate():
        seen.append(state_of(module))
        return {"score": next(scores)}

    config = FitConfig(epochs=6, metric="score", patience=3)
    history = fit(module, batches, loss_of(module), validate, config, tmp_path)
    assert (history.best_epoch, len(history.epochs)) == (2, 5)  # an equal score is no better one
    assert same(state_of(module), seen[1])


def test_the_global_random_state_and_the_mode_are_given_back(tmp_path):
    module = network(0.5).eval()
    before = torch.get_rng_state()
    fit(module, batches, loss_of(module), None, FitConfig(epochs=1), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert not module.training


def test_batches_without_a_length_are_streamed(tmp_path):
    module = nn.Linear(4, 1)
    history = fit(
        module, lambda e, g: iter(batches(e, g)), loss_of(module), None, FitConfig(epochs=2), tmp_path
    )
    assert len(history.epochs) == 2


def test_another_training_in_the_folder_is_refused(tmp_path):
    module = network()
    fit(module, batches, loss_of(module), None, FitConfig(epochs=1), tmp_path, identity={"data": "a"})
    with pytest.raises(StageError, match="differs in data"):
        fit(module, batches, loss_of(module), None, FitConfig(epochs=1), tmp_path, identity={"data": "b"})
    with pytest.raises(StageError, match="differs in config"):
        fit(module, batches, loss_of(module), None, FitConfig(epochs=2), tmp_path, identity={"data": "a"})


def test_a_newer_or_foreign_checkpoint_is_refused(tmp_path, monkeypatch):
    module = network()
    fit(module, batches, loss_of(module), None, FitConfig(epochs=1), tmp_path)
    other = nn.Linear(4, 1)
    with pytest.raises(FormatError, match="does not fit this network"):
        fit(other, batches, loss_of(other), None, FitConfig(epochs=1), tmp_path)
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", 0)
    with pytest.raises(FormatError, match="format version 1"):
        fit(module, batches, loss_of(module), None, FitConfig(epochs=1), tmp_path)


@pytest.mark.parametrize(
    "give, loss, config, error, message",
    [
        (lambda e, g: [], None, FitConfig(), EmptyDataError, "no batch"),
        (None, lambda b, g: torch.tensor(math.nan), FitConfig(), ModelError, "loss is nan in epoch 1"),
        (None, None, FitConfig(epochs=2, metric="f1"), InputError, "no metric 'f1'.*loss"),
    ],
)
def test_what_cannot_be_trained_says_why(tmp_path, give, loss, config, error, message):
    module = network()
    with pytest.raises(error, match=message):
        fit(module, give or batches, loss or loss_of(module), None, config, tmp_path)


def test_a_frozen_network_is_refused(tmp_path):
    module = network().requires_grad_(False)
    with pytest.raises(InputError, match="nothing to train"):
        fit(module, batches, loss_of(module), None, FitConfig(), tmp_path)


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="learning_speed"):
        FitConfig(learning_speed=1.0)


def test_schedules_rise_and_fall():
    for name in ("cosine", "linear"):
        rule = SCHEDULES[name]
        assert rule(0.05, 0.1) == pytest.approx(0.5)
        assert rule(0.1, 0.1) == pytest.approx(1.0)
        assert rule(0.55, 0.1) == pytest.approx(0.5)
        assert rule(0.999, 0.1) < 0.01
        assert rule(0.0, 0.0) == 1.0
    assert SCHEDULES["constant"](0.7, 0.1) == 1.0


def test_of_epochs_that_tie_the_earlier_or_the_later_is_kept(tmp_path):
    def trained(ties):
        module, values = network(), iter([0.5, 0.5, 0.4, 0.5, 0.4, 0.4])
        config = FitConfig(epochs=6, patience=2, metric="accuracy", ties=ties)
        return fit(
            module, batches, loss_of(module), lambda: {"accuracy": next(values)}, config, tmp_path / ties
        )

    earlier, later = trained("earlier"), trained("later")
    assert (earlier.best_epoch, len(earlier.epochs)) == (1, 3)
    assert (later.best_epoch, len(later.epochs)) == (4, 6)


def test_one_adam_step_is_what_the_equations_say(tmp_path):
    """The first step of Adam moves each parameter by the learning rate, against its decayed gradient's sign."""
    module = nn.Linear(4, 1)
    before = state_of(module)
    rows = torch.arange(16)
    loss_of(module)(rows, None).backward()
    decayed = {name: one.grad + 0.1 * one.detach() for name, one in module.named_parameters()}
    config = FitConfig(
        epochs=1, learning_rate=0.01, weight_decay=0.1, schedule="constant", clip_norm=None, optimiser="adam"
    )
    fit(module, lambda epoch, generator: [rows], loss_of(module), None, config, tmp_path)
    for name, parameter in module.named_parameters():
        step = 0.01 * decayed[name] / (decayed[name].abs() + 1e-8)
        assert torch.allclose(parameter.detach(), before[name] - step, atol=1e-6)


def test_options_that_came_later_leave_the_identity_of_older_trainings_alone():
    assert not {"ties", "optimiser"} & FitConfig().identity().keys()
    assert FitConfig(ties="later").identity()["ties"] == "later"


def test_without_a_folder_the_result_is_the_same_and_nothing_is_written(tmp_path, monkeypatch):
    def trained(out):
        module, values = network(dropout=0.3), iter([0.5, 0.9, 0.4, 0.3])
        config = FitConfig(epochs=4, metric="accuracy")
        history = fit(module, batches, loss_of(module), lambda: {"accuracy": next(values)}, config, out)
        return history, state_of(module)

    monkeypatch.chdir(tmp_path)
    (first, there), (second, here) = trained(tmp_path / "fit"), trained(None)
    assert first == second and first.best_epoch == 2 and same(there, here)
    assert [one.name for one in tmp_path.iterdir()] == ["fit"]
