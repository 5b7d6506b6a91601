"""Recording by Ray and into object stores gives the bytes of a recording here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("far_driver.py")
MODES = {"ray": ("ray",), "s3": ("upath", "s3fs", "moto"), "ray-s3": ("ray", "upath", "s3fs", "moto")}


def drive(folder: Path, mode: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, str(SCRIPT), str(folder), mode]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=400)
    assert done.returncode == 0, done.stderr
    return done.stderr


def content(folder: Path) -> dict[str, bytes]:
    files = [one for one in folder.rglob("*") if one.is_file() and one.name != "log.jsonl"]
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("here") / "run"
    drive(folder, "local")
    return content(folder)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_bytes(mode: str, here, tmp_path: Path) -> None:
    for package in MODES[mode]:
        pytest.importorskip(package)
    said = drive(tmp_path / "run", mode)
    there = content(tmp_path / "run")
    later = {name for name in there if name.startswith(("captions/", "descriptions/", "stages/"))}
    assert {name: data for name, data in there.items() if name not in later or name in here} == here
    if mode == "ray":
        assert "0 killed" not in said, "the test killed nothing"
    if mode == "s3":
        assert {name.partition("/")[0] for name in later - set(here)} >= {"captions", "descriptions"}
