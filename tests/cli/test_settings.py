"""``--set KEY=VALUE`` becomes a config; a seed or a device that cannot be used is refused before any work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import otoscope
from otoscope.cli.main import run
from otoscope.cli.options import configured
from otoscope.describe.config import DescribeConfig
from otoscope.errors import InputError, UnknownNameError
from otoscope.record.config import RecordConfig
from otoscope.report.stage import ReportConfig


def test_texts_become_what_the_settings_take() -> None:
    made = configured(RecordConfig, ["layers=logits, b*,", "workers=none", "skip_silence=true", "top_k=3"])
    assert (made.layers, made.workers, made.skip_silence, made.top_k) == (("logits", "b*"), None, True, 3)
    assert configured(RecordConfig, ["layers="]).layers == ()
    assert configured(RecordConfig, None, base={"top_k": 4}, top_k=None, seed=2).top_k == 4


def test_none_is_a_value_where_it_is_one_of_the_known() -> None:
    assert configured(RecordConfig, ["counts=none"]).counts == "none"
    assert configured(ReportConfig, ["plots=none", "title=none"]).model_dump(include={"plots", "title"}) == {
        "plots": "none",
        "title": None,
    }


def test_an_entry_of_a_setting_that_is_not_set_yet() -> None:
    base = DescribeConfig().model_dump()
    assert base["parameters"] is None
    assert configured(DescribeConfig, ["parameters.top_k=5"], base=base).parameters == {"top_k": 5}


def test_a_setting_of_several_entries_is_a_json_object() -> None:
    given = ['parameters={"top_k": 5, "a": 0.5}', "parameters.a=2"]
    assert configured(DescribeConfig, given).parameters == {"top_k": 5, "a": 2}
    with pytest.raises(InputError, match=r"expected --set parameters='\{\"NAME\": VALUE\}'.*got 'top_k:5'"):
        configured(DescribeConfig, ["parameters=top_k:5"])
    with pytest.raises(InputError, match="expected a JSON object, got '3'"):
        configured(DescribeConfig, ["parameters=3"])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("seed", "expected --set KEY=VALUE, got 'seed'"),
        ("seed.low=1", "seed takes one value and has no entries: expected --set seed=VALUE"),
        ("seed=-1", "seed: expected a whole number from 0 to 4294967295, got '-1'"),
        ("pooling=men", "unknown pooling 'men'. Did you mean 'mean'? Known: mean, max, tail, first, cls."),
        ("pooling=none", "unknown pooling 'none'."),
        ("batch=3", "unknown record setting 'batch'. Did you mean 'batch_size'"),
        ("extra.one=3", "unknown record setting 'extra'."),
    ],
)
def test_refused(setting: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        configured(RecordConfig, [setting], base={"seed": 0})
    assert str(caught.value).startswith(said)
    assert isinstance(caught.value, UnknownNameError) == said.startswith("unknown")


@pytest.mark.parametrize(
    "command", ["train cnn", "record demo:", "dissect demo:", "reproduce and-2024 --model demo:"]
)
@pytest.mark.parametrize("seed", ["-1", "4294967296"])
def test_a_seed_outside_the_range_is_refused_by_every_command(command, seed, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert run([*command.split(), "--data", "sounds:8", "--out", str(out), "--seed", seed]) == 2
    said = capsys.readouterr().err
    assert "--seed" in said and "Traceback" not in said and "pydantic" not in said
    assert not out.exists()


@pytest.mark.parametrize(
    "command", ["train cnn", "record demo:", "dissect demo:", "reproduce and-2024 --model demo:"]
)
def test_a_device_that_is_not_there_is_no_bug(command, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert run([*command.split(), "--data", "sounds:8", "--out", str(out), "--device", "foo"]) == 2
    assert capsys.readouterr().err.startswith("otoscope: there is no device 'foo'. Usable here: cpu")
    assert not out.exists()


@pytest.mark.parametrize(("given", "kept"), [(None, "error"), ("info", "info")])
def test_a_hub_that_does_not_answer_is_not_said_retry_by_retry(given: str | None, kept: str) -> None:
    env = {**os.environ, "HF_HUB_VERBOSITY": given or ""}
    if given is None:
        del env["HF_HUB_VERBOSITY"]
    code = "import atexit, os\natexit.register(lambda: print(os.environ['HF_HUB_VERBOSITY']))\n"
    code += "from otoscope.cli.main import main\nmain(['--version'])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["otoscope", otoscope.__version__, kept]
