"""Every command shown in docs/ exists and takes the options that it is shown with."""

from __future__ import annotations

import pytest
import typer
from typer.main import get_command

from otoscope.cli.main import COMMANDS
from otoscope.registry import load
from tests.docs.pages import PAGES, blocks, commands

CALLS = [(page, words) for page in PAGES for one in blocks(page, "sh") for words in commands(one.text)]


def test_the_pages_show_commands() -> None:
    shown = {words[0] for _, words in CALLS}
    assert {"describe", "ablate", "caption", "dissect"} <= shown


@pytest.mark.parametrize("words", [words for _, words in CALLS], ids=" ".join)
def test_options_exist(words: list[str]) -> None:
    found = load(COMMANDS[words[0]][0])
    rest = words[1:]
    if isinstance(found, typer.Typer):
        command = get_command(found).commands[rest[0]]  # type: ignore[attr-defined]
        rest = rest[1:]
    else:
        app = typer.Typer(add_completion=False)
        app.command()(found)
        command = get_command(app)
    command.make_context(words[0], rest)  # raises on an unknown option, a missing or a spare argument
