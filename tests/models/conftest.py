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


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
