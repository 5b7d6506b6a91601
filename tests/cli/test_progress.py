"""Progress on stderr: nothing unless it is shown; lines, and no terminal control, where stderr is a file."""

from __future__ import annotations

import pytest

from otoscope import progress
from otoscope.progress import meter, shown, track


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test moves by hand: its one entry is the time."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_silent_unless_shown(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    assert list(track([1, 2], 2, "counting")) == [1, 2]
    with shown(), shown(False), meter(2, "counting") as done:
        done(2)
    assert capsys.readouterr() == ("", "")


def test_a_line_every_tenth(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with shown():
        for _ in track(range(40), 40, "recording"):
            clock[0] += 2
    said = capsys.readouterr()
    assert said.out == ""
    left = {n: f", 0.5 a second, {80 - 2 * n} s left" for n in range(16, 40, 4)}
    assert said.err.splitlines() == [f"recording {n}/40{left.get(n, '')}" for n in range(4, 41, 4)]


def test_failures_are_counted(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with shown(), meter(3, "recording") as report:
        report(1, 1)
        clock[0] += 2
        report(2)
    assert capsys.readouterr().err.splitlines() == ["recording 3/3, 1 failed"]


def test_a_line_every_thirty_seconds_of_a_slow_or_endless_loop(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with shown(), meter(1000, "asking") as done:
        for _ in range(4):
            clock[0] += 15
            done(1)
    assert capsys.readouterr().err.splitlines() == [
        "asking 2/1000, 0.0667 a second, 14970 s left",
        "asking 4/1000, 0.0667 a second, 14940 s left",
    ]
    with shown():
        for _ in track(range(3), None, "unpacking"):
            clock[0] += 31
    assert capsys.readouterr().err.splitlines() == ["unpacking 1", "unpacking 2", "unpacking 3"]


def test_a_short_loop_writes_its_last_line_alone(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with shown():
        list(track(range(50), 50, "packing"))
    assert capsys.readouterr().err == "packing 50/50\n"
