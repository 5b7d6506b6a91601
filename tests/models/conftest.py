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


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
