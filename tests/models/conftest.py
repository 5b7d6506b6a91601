"""Checkpoints of Hugging Face networks for the tests of this room."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


def _checkpoints():
    described = importlib.util.spec_from_file_location(
        "checkpoints", Path(__file__).parent / "checkpoints.py"
    )
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def checkpoints():
    """Return the module that writes tiny checkpoints; skip without transformers."""
    pytest.importorskip("transformers")
    return _checkpoints()


@pytest.fixture(scope="session")
def checkpoint(checkpoints, tmp_path_factory):
    """Return a function from a kind to the folder of its tiny checkpoint, each written once."""
    folder, done = tmp_path_factory.mktemp("checkpoints"), {}

    def of(kind: str) -> Path:
        if kind not in done:
            done[kind] = checkpoints.write(kind, folder)
        return done[kind]

    return of


@pytest.fixture(scope="session")
def ruled(parity):
    """Return a function from a network of the parity vectors to its weights, made by the rule of their note."""
    import numpy as np
    import torch

    def values(key: str, shape: tuple[int, ...], j: int) -> np.ndarray:
        i = np.arange(np.prod(shape), dtype=np.float64)
        s = np.sin(0.37 * i + 1.3 * j + 0.003 * np.mod(i, 1009) ** 2).reshape(shape)
        if key.endswith("running_mean"):
            return 0.1 * s
        if key.endswith("running_var"):
            return 1 + 0.2 * s**2
        if len(shape) < 2:
            return 0.1 * s if key.endswith("bias") else 1 + 0.1 * s
        return 2 * s / np.sqrt(np.prod(shape[1:]))

    def weights(name: str) -> dict[str, torch.Tensor]:
        state = {}
        table = "self_attn.relative_attention_bias.weight"
        for row in parity("networks")[f"keys/{name}"].tolist():
            key, shape, _, j = row.split("|")
            if int(j) >= 0:
                made = values(key, tuple(map(int, shape.split("x"))), int(j))
                state[key] = torch.from_numpy(made.astype(np.float32))
            elif key.endswith("num_batches_tracked"):
                state[key] = torch.tensor(0)
            elif key.endswith(table):
                state[key] = next(one for name, one in state.items() if name.endswith(f"layers.0.{table}"))
        return state

    return weights


@pytest.fixture(scope="session")
def layer_outputs():
    """Return a function that runs a model and gives its output and every module's, by layer name."""
    import torch

    from otoscope.models import unwrap

    def run(model, *inputs):
        seen = {}

        def keep(name):
            def hook(module, arguments, output):
                tensor = output[0] if isinstance(output, tuple) else output
                if isinstance(tensor, torch.Tensor):
                    seen[name] = tensor

            return hook

        modules = [(name, one) for name, one in unwrap(model.net).named_modules() if name]
        handles = [one.register_forward_hook(keep(name)) for name, one in modules]
        try:
            with torch.no_grad():
                return model(*inputs), seen
        finally:
            for handle in handles:
                handle.remove()

    return run


@pytest.fixture(scope="session")
def deviation():
    """Return a function: the largest difference over the root mean square of the reference."""
    import numpy as np

    return lambda found, wanted: float(
        np.abs(np.asarray(found) - wanted).max() / np.sqrt(np.mean(np.square(wanted)))
    )


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
