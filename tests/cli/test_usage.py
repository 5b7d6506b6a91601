"""What a call that cannot be understood is told: one sentence, the known names, exit code 2."""

from __future__ import annotations

import pytest

from otoscope.cli.main import help_text, run
from otoscope.data import DATASETS
from otoscope.models import MODELS

START = ["train", "cnn", "--data", "sounds:3", "--out", "nowhere"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            ["study", "wrods"],
            "unknown study command 'wrods'. Did you mean 'words' or 'cross-task'? Known: planted, last-layer,",
        ),
        (["data", "gte"], "unknown data command 'gte'. Did you mean 'get'?"),
        ([*START, "--epochs", "abc"], "Invalid value for '--epochs': it must be a valid integer, got 'abc'"),
        ([*START, "--valid=x"], "Invalid value for '--valid': it must be a valid number, got 'x'"),
        (["report", "/nowhere"], "/nowhere is not a run: there is no such folder"),
        (["layers", "/nowhere"], "/nowhere is not a model: there is no such folder"),
        (["layers", "hf:/nowhere"], "there is no folder /nowhere (asked for as hf:/nowhere)"),
    ],
)
def test_it_is_said_in_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and said in captured.err
    assert len(captured.err.splitlines()) == 1 and captured.err.startswith("otoscope: ")


@pytest.mark.parametrize("group", ["study", "data"])
def test_a_group_alone_shows_its_commands(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([group]) == 0
    alone = capsys.readouterr()
    assert run([group, "--help"]) == 0
    assert alone.out == capsys.readouterr().out and alone.err == ""
    assert alone.out.startswith(f"Usage: otoscope {group} [OPTIONS] COMMAND")


def test_the_help_names_every_kind_of_model_and_data() -> None:
    text = help_text()
    for scheme in (*MODELS, *DATASETS):
        assert f" {scheme}:" in text, scheme
    assert max(map(len, text.splitlines())) <= 120
