"""docs/cli.md is what the commands say, and the commands say it by --help."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest

from otoscope.cli.main import COMMANDS, run
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """Return docs/generate.py as a module."""
    described = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert described is not None and described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def test_the_page_is_current(generate: ModuleType) -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == generate.cli_page(), "docs/cli.md is out of date: python docs/generate.py cli"


def test_every_command_has_a_section(generate: ModuleType) -> None:
    names = [name for name, _ in generate.functions()]
    assert {name.split()[0] for name in names} == set(COMMANDS)
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.findall(r"^## otoscope (.+)$", page, re.MULTILINE) == names


def test_help_names_the_same_options(
    generate: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## otoscope (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for name, _ in generate.functions():
        assert run([*name.split(), "--help"]) == 0
        help_text = capsys.readouterr().out
        said = set(re.findall(r"^ +(--[a-z-]+(?: [A-Z.=]+)?)(?:  |$)", help_text, re.MULTILINE)) - {"--help"}
        shown = set(re.findall(r"^\| `(--[a-z-]+(?: [A-Z.=]+)?)`", sections[name], re.MULTILINE))
        assert shown == said, name
        assert help_text.splitlines()[0].removeprefix("Usage: ") in sections[name].splitlines()
