"""Explaining and scoring by Ray, into object stores, and killed again and again gives the bytes of one run here."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.explain.far_driver import main
from tests.record.test_far import content

ROOT = Path(__file__).parents[2]
MODES = {"ray": ("ray",), "s3": ("upath", "s3fs", "moto")}


def start(folder: Path, mode: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(ROOT)}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, "-m", "tests.explain.far_driver", str(folder), mode]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def drive(folder: Path, mode: str) -> str:
    with start(folder, mode) as process:
        out, said = process.communicate(timeout=400)
    assert process.returncode == 0 and "finished" in out, said
    return said


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> dict[str, bytes]:
    folder, threads = tmp_path_factory.mktemp("here"), torch.get_num_threads()
    try:
        main(folder, "local")
    finally:
        torch.set_num_threads(threads)
    made = content(folder)
    assert {Path(name).name for name in made} >= {"explanation.json", "scores.parquet", "run.json"}
    return made


@pytest.mark.parametrize("mode", MODES)
def test_the_same_bytes(mode: str, here, tmp_path: Path) -> None:
    for package in MODES[mode]:
        pytest.importorskip(package)
    said = drive(tmp_path / "made", mode)
    assert content(tmp_path / "made") == here
    if mode == "ray":
        assert "a Ray worker was lost while it was" in said, "the test killed nothing"


def entries(folder: Path) -> int:
    """Return how many files and folders with a dot in their names are there; one may vanish meanwhile."""
    return sum("." in name for _, folders, files in os.walk(folder) for name in (*folders, *files))


def test_killed_at_random_points_it_ends_with_the_same_bytes(here, tmp_path: Path) -> None:
    chance, killed = random.Random(3), 0
    for wanted in (*sorted(chance.sample(range(1, len(here) + 12), 2)), None):
        with start(tmp_path, "local") as process:
            while process.poll() is None and (wanted is None or entries(tmp_path) < wanted):
                time.sleep(0.01)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            out, _ = process.communicate()
    assert killed and "finished" in out
    assert content(tmp_path) == here
