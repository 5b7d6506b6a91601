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
