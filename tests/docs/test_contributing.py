"""The examples of CONTRIBUTING.md do what it says: in the repository, and from a package with entry points."""

from __future__ import annotations

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.write import write
from tests.docs.pages import ROOT, Block, blocks, sessions

PAGE = ROOT / "CONTRIBUTING.md"
FILES = blocks(PAGE, "python")
LINES = blocks(PAGE, "diff")
SHOWN = [one for block in blocks(PAGE, "console") for one in sessions(block.text)]

# One process runs all commands, so that torch is imported once; it says what each printed.
DRIVER = """
import contextlib, io, json, sys
from otoscope.cli.main import run
said = []
for words in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(words)
    said.append([code, out.getvalue()])
json.dump(said, sys.stdout)
"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``recordings/``, three species at four sites, and a released file of captions."""
    folder = tmp_path_factory.mktemp("birds")
    rng = np.random.default_rng(0)
    seconds = np.arange(8_000) / 16_000
    for place, site in enumerate(("lake", "meadow", "ridge", "wood")):
        for hertz, species in ((300, "owl"), (2500, "finch"), (5000, "wren")):
            tone = 0.2 * np.sin(2 * np.pi * (hertz + 40 * place) * seconds)
            wave = (tone + 0.01 * rng.standard_normal(8_000)).astype(np.float32)
            write(folder / "recordings" / f"{species}_{site}_01.wav", wave[None], 16_000)
    released = [
        {"file_name": "a.wav", "captions": ["an owl", "hoots"]},
        {"file_name": "b.wav", "captions": ["rain"]},
    ]
    (folder / "captions.json").write_text(json.dumps(released))
    return folder


def said_by(path: Path, recordings: Path) -> list[tuple[int, str]]:
    """Return (exit code, output) of every command shown, with ``path`` first among the places of modules."""
    words = [[*command[1:]] for command, _ in SHOWN]
    here = path / "here"
    shutil.copytree(recordings, here)
    own = {"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1", "OTOSCOPE_CACHE": str(path / "cache")}
    known = {**os.environ, **own}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(words)],
        cwd=here,
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(code, text) for code, text in json.loads(done.stdout)]


def check(said: list[tuple[int, str]]) -> None:
    """Compare what was said with what is shown; ``...`` in the page stands for anything."""
    checker = doctest.OutputChecker()
    for (command, shown), (code, text) in zip(SHOWN, said, strict=True):
        assert code == 0, f"{command}: {text}"
        assert checker.check_output(shown, text, doctest.ELLIPSIS), f"{command} printed\n{text}"


def apply_line(source: Path, line: Block) -> None:
    """Put the ``+`` lines of a diff after its context line, or in place of its ``-`` line; one row of them is new."""
    path = source / "otoscope" / line.file
    before, *added = line.text.splitlines()
    text = path.read_text()
    assert text.count(before[1:]) == 1, f"{before!r} is not in {line.file}"
    rows = re.findall(r'^\+    ".+?": "(.+)",$', line.text, re.MULTILINE)
    assert len([one for one in rows if one not in text]) == 1, "one line in a table"
    kept = [] if before.startswith("-") else [before[1:]]
    new = "\n".join([*kept, *(one.removeprefix("+") for one in added)])
    path.write_text(text.replace(before[1:], new))


ROOMS = [
    *(
        "models",
        "data",
        "caption",
        "describe",
        "describe",
        "language/chat",
        "ablate",
        "selectivity",
        "explain",
    ),
    *("models/published", "study/reproduce"),
]


def test_there_is_an_example_of_each_kind() -> None:
    assert [one.file.rpartition("/")[0] for one in FILES] == ROOMS
    assert [one.file for one in LINES] == [f"{room}/__init__.py" for room in ROOMS]


def test_one_file_and_one_line_in_the_table(tmp_path: Path, recordings: Path) -> None:
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    for block in FILES:
        (source / "otoscope" / block.file).write_text(block.text)
    for line in LINES:
        apply_line(source, line)
    check(said_by(source, recordings))


def test_the_same_files_with_entry_points(tmp_path: Path, recordings: Path) -> None:
    (project,) = [tomllib.loads(one.text) for one in blocks(PAGE, "toml")]
    package = tmp_path / "my_ears"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for block in FILES:
        (package / Path(block.file).name).write_text(block.text)
    installed = tmp_path / "my_ears-0.1.dist-info"  # what an installer makes of the project's table
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my-ears\nVersion: 0.1\n")
    sections = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in points.items())])
        for group, points in project["project"]["entry-points"].items()
    ]
    (installed / "entry_points.txt").write_text("\n\n".join(sections) + "\n")
    check(said_by(tmp_path, recordings))


@pytest.mark.parametrize("block", FILES, ids=lambda block: block.file)
@pytest.mark.parametrize("step", [["check"], ["format", "--diff"]], ids=lambda step: step[0])
def test_examples_are_in_shape(block: Block, step: list[str]) -> None:
    name = f"src/otoscope/{block.file}"
    ruff = [sys.executable, "-m", "ruff", *step, "--no-cache", "--stdin-filename", name, "-"]
    done = subprocess.run(ruff, cwd=ROOT, input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
