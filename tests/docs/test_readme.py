"""What README.md says is so: its commands parse, its Python runs, its output is what the demo prints."""

from __future__ import annotations

import re
import shlex
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from otoscope.cli.main import run
from otoscope.data import DATASETS
from otoscope.models import ARCHITECTURES
from otoscope.registry import split_spec
from tests.docs.pages import ROOT, blocks, commands, sessions

PAGE = ROOT / "README.md"
SHELL = [one.text for one in blocks(PAGE, "sh")]
CALLS = [words for text in SHELL for words in commands(text)]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
FIXED = re.compile(r"^(?:blocks\.\d|logits) +\d+|of \d+")  # neurons in a layer, planted concepts


def test_the_newcomers_path_is_all_there() -> None:
    path = ["data", "train", "layers", "doctor", "dissect", "export"]
    assert [words[0] for words in CALLS] == [*path, "describe", "ablate", "select", "explain"]
    for words in CALLS:
        for option, value in pairwise(words):
            if option == "--data":
                assert split_spec(value)[0] in DATASETS
    assert CALLS[1][1] in ARCHITECTURES


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [line.split("#")[0].split() for text in SHELL for line in text.splitlines()]
    asked = {line[1] for line in lines if line and line[0] == "make"}
    assert asked == {"demo", "test"} and asked <= targets


def test_the_python_path_runs_in_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = blocks(PAGE, "python")
    code = [line for line in block.text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 10
    small = block.text.replace("sounds:200", "sounds:24")
    assert small != block.text
    monkeypatch.chdir(tmp_path)
    exec(compile(small, str(PAGE), "exec"), {})
    assert (tmp_path / "my-run" / "report.html").stat().st_size > 100_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return what README.md shows of the demo, and what the demo prints."""
    ((words, shown),) = [one for block in blocks(PAGE, "console") for one in sessions(block.text)]
    folder = tmp_path_factory.mktemp("demo")
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("otoscope.cli.demo.print_lines", printed.extend)
        assert run([*words[1:], "--quiet"]) == 0
    for page in re.findall(r"^\S+report\.html$", shown, re.MULTILINE):
        size = (folder / page).stat().st_size
        assert 100_000 < size < 10_000_000, "the README promises a page of less than 10 MB"
    return shown, "\n".join(printed) + "\n"


def paired(shown: str, printed: str) -> list[tuple[str, str]]:
    """Return each line shown with the one printed in its place; a line ``...`` stands for any number of lines."""
    lines, found, place = printed.splitlines(), [], 0
    for line in shown.splitlines():
        if line == "...":
            place = -1
            continue
        if place < 0:
            same = [i for i in range(found_after(found), len(lines)) if masked(lines[i]) == masked(line)]
            assert same, f"the demo prints nothing like {line!r}"
            place = same[0]
        assert place < len(lines), f"the demo ends before {line!r}"
        found.append((place, line, lines[place]))
        place += 1
    return [(line, other) for _, line, other in found]


def found_after(found: list[tuple[int, str, str]]) -> int:
    return found[-1][0] + 1 if found else 0


def masked(line: str) -> list[str]:
    return NUMBER.sub("#", line).replace("... s", "# s").split()


def test_the_demo_prints_what_is_shown(demo: tuple[str, str]) -> None:
    shown, printed = demo
    for line, other in paired(shown, printed):
        assert masked(line) == masked(other)
    assert printed.splitlines()[-1].endswith(" s") and len(printed.splitlines()) > len(shown.splitlines())


def test_the_demo_finds_what_is_shown(demo: tuple[str, str]) -> None:
    """Scores within 0.05 and counts of findings within 2 or a tenth: rounding differs between processors."""
    for line, other in paired(*demo):
        assert FIXED.findall(line) == FIXED.findall(other)
        for one, two in zip(NUMBER.findall(line), NUMBER.findall(other), strict=line != "... s"):
            near = max(2, abs(float(one)) / 10) if "." not in one else 0.05
            said = f"{line!r} is now {other!r}: python docs/generate.py readme"
            assert abs(float(one) - float(two)) <= near, said


def test_the_picture_is_a_desktop_screenshot() -> None:
    path = ROOT / "docs" / "images" / "report.png"
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    assert width >= 1200 and height >= 700
    assert path.stat().st_size < 400_000


def test_it_is_about_one_screen() -> None:
    text = PAGE.read_text(encoding="utf-8")
    ((_, shown),) = [one for block in blocks(PAGE, "console") for one in sessions(block.text)]
    assert len(text.splitlines()) - len(shown.splitlines()) <= 70
    assert [shlex.split(line)[0] for line in SHELL[0].splitlines()] == ["make", "make"]
