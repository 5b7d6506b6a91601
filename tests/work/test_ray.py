"""The Ray engine on this machine: workers, nodes and drivers that die, and the same result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.work.ray_driver import KILLER, N_ROWS

pytest.importorskip("ray")
SCRIPT = Path(__file__).with_name("ray_driver.py")


def start(folder: Path, mode: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    environment.pop("RAY_ADDRESS", None)
    pipe = subprocess.PIPE
    command = [sys.executable, str(SCRIPT), str(folder), mode]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def drive(folder: Path, mode: str) -> tuple[list[object], str]:
    """Run the driver to its end; return what it made and what it said."""
    with start(folder, mode) as process:
        out, said = process.communicate(timeout=180)
    assert process.returncode == 0, said
    return json.loads(out), said


def computed(folder: Path) -> dict[int, int]:
    """How often each block was begun."""
    return {int(one.name): len(one.read_text()) for one in (folder / "marks").glob("*") if not one.suffix}


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> list[object]:
    return drive(tmp_path_factory.mktemp("local"), "local")[0]


def test_the_result_is_that_of_one_process_though_workers_are_killed(tmp_path: Path, expected) -> None:
    made, said = drive(tmp_path, "kills")
    assert made == expected
    assert {index: n for index, n in computed(tmp_path).items() if n > 1} == {1: 2, 4: 2, 7: 2}
    assert said.count("a Ray worker was lost while it was at block") == 3
    assert not (tmp_path / "set-aside.json").exists()


def test_a_row_that_kills_workers_is_set_aside_and_counted(tmp_path: Path, expected) -> None:
    made, _ = drive(tmp_path, "killer")
    assert json.dumps(made) == json.dumps(expected).replace(f'"{KILLER}"', f'"-{KILLER}"')
    noted = json.loads((tmp_path / "set-aside.json").read_text())
    assert noted == {str(KILLER): "killed its worker 2 times"}
    assert drive(tmp_path, "local")[0] == made


def test_an_error_of_the_job_comes_through_and_finished_blocks_stay(tmp_path: Path, expected) -> None:
    with start(tmp_path, "error") as process:
        _, said = process.communicate(timeout=180)
    assert process.returncode == 1 and "InputError: row 22 is refused" in said
    done = set(computed(tmp_path)) - {5}
    assert done
    assert drive(tmp_path, "local")[0] == expected
    again = {index for index, n in computed(tmp_path).items() if n > 1}
    assert again <= {5, *range(6, 10)}


def test_a_killed_driver_continues_and_computes_nothing_twice_that_was_finished(
    tmp_path: Path, expected
) -> None:
    with start(tmp_path, "slow") as process:
        end = time.monotonic() + 120
        while len(computed(tmp_path) if (tmp_path / "marks").exists() else ()) < 5:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    time.sleep(2)  # Ray ends the workers of a driver that is gone
    finished = {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")}
    assert finished
    before = computed(tmp_path)
    assert drive(tmp_path, "slow")[0] == expected
    again = {index for index, n in computed(tmp_path).items() if n > before.get(index, 0) and index in before}
    assert len(again) <= 2, "at most the two blocks that were being computed"


def test_a_node_that_leaves_takes_no_result_with_it(tmp_path: Path, expected) -> None:
    made, said = drive(tmp_path, "nodes")
    assert made == expected
    assert (tmp_path / "lost-node").exists() and "a Ray worker was lost" in said
    assert len(computed(tmp_path)) == -(-N_ROWS // 4)
