"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

PARITY = Path(__file__).parent / "parity"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of real recordings, or skip."""
    named = os.environ.get("OTOSCOPE_TEST_DATA")
    if not named:
        pytest.skip("OTOSCOPE_TEST_DATA is not set: no real recordings here")
    return Path(named)


@pytest.fixture(scope="session")
def parity():
    """Return a reader of the reference numbers: ``parity("similarity")["case/name"]``."""
    return lambda name: np.load(PARITY / f"{name}.npz", allow_pickle=False)


@pytest.fixture(scope="session")
def ruled(parity):
    """Return a function from a network of the parity vectors to its weights, made by the rule of their note."""
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
def deviation():
    """Return a function: the largest difference over the root mean square of the reference."""
    return lambda found, wanted: float(
        np.abs(np.asarray(found) - wanted).max() / np.sqrt(np.mean(np.square(wanted)))
    )
