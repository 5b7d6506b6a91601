from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import otoscope
from otoscope.audio.write import write
from otoscope.cli.dissect import summary
from otoscope.cli.main import COMMANDS, run
from otoscope.registry import load
from otoscope.store.run import open_run


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two classes with four short sounds each, one of them damaged."""
    folder = tmp_path_factory.mktemp("sounds")
    seconds = np.arange(8000) / 16000
    for i in range(4):
        for name, wave in (("tone", np.sin(2 * np.pi * 300 * (i + 1) * seconds)), ("noise", _noise(i))):
            write(folder / name / f"{i}.wav", (0.2 * wave[None]).astype(np.float32), 16000)
    (folder / "noise" / "broken.wav").write_text("this is <b>not</b> a sound")
    return folder


def _noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, 8000)


@pytest.fixture(scope="module")
def recorded(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    code = run(
        ["dissect", "demo:", "--data", f"folder:{sounds}", "--layers", "blocks.0,logits", "--out", str(out)]
    )
    assert code == 0
    return out


def test_the_table_of_dissect_takes_no_better_of_two_held_out_scores(recorded: Path) -> None:
    opened = open_run(recorded)
    found = {str(row["layer"]): row for row in summary(opened)}
    table = opened.table("descriptions")[1].filter(layer="logits")
    assert set(table["pole"]) == {"high", "low"}
    scores = table["heldout_pearson"].to_numpy()
    assert found["logits"]["median"] == pytest.approx(np.nanmedian(scores))
    assert found["logits"]["best"] == pytest.approx(np.nanmax(scores))
    assert found["logits"]["control"] == pytest.approx(np.nanmedian(table["control_pearson"].to_numpy()))


def test_every_command_exists_and_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    listed = capsys.readouterr().out
    for name, (target, _) in COMMANDS.items():
        assert f"  {name}" in listed
        load(target)
        assert run([name, "--help"]) == 0
        assert "Usage: otoscope " + name in capsys.readouterr().out
    assert run([]) == 0
    assert run(["--version"]) == 0


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["recrd"], 2, "Did you mean 'record'"),
        (["layers", "demo:", "--nonsense"], 2, "No such option"),
        (["layers", "nosuch:x"], 2, "unknown model scheme 'nosuch'"),
        (["layers", "demo:", "--layers", "blokcs.0"], 2, "Did you mean 'blocks.0'"),
        (["record", "demo:", "--data", "folder:/nowhere", "--out", "x"], 2, "/nowhere"),
        (["report", "/nowhere"], 2, "not a run"),
        (["data", "get", "esc51"], 2, "Did you mean 'esc50'"),
    ],
)
def test_errors_are_one_sentence_on_stderr(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_bad_settings_name_the_allowed_ones(sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = ["record", "demo:", "--data", f"folder:{sounds}", "--out", "x", "--set"]
    for setting, said in (
        ("tpo_k=3", "unknown record setting 'tpo_k'. Did you mean 'top_k'"),
        ("top_k=none", "top_k"),
        ("top_k", "KEY=VALUE"),
    ):
        assert run([*start, setting]) == 2
        assert said in capsys.readouterr().err
    assert not Path("x").exists()


def test_dry_run_says_what_would_be_done(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert (
        run(
            [
                "record",
                "demo:",
                "--data",
                f"folder:{sounds}",
                "--out",
                str(out),
                "--dry-run",
                "--set",
                "top_k=3",
            ]
        )
        == 0
    )
    planned = json.loads(capsys.readouterr().out)
    assert planned["clips"] == 9 and planned["config"]["top_k"] == 3 and "logits" in planned["layers"]
    assert not out.exists()


def test_dissect_counts_the_damaged_clip_and_writes_a_page(recorded: Path) -> None:
    clips = pl.read_parquet(recorded / "clips.parquet")
    failed = clips.filter(status="failed")
    assert failed["id"].to_list() == ["noise/broken.wav"]
    assert "broken.wav" in failed["reason"][0]
    assert (recorded / "report.html").stat().st_size > 10_000


def test_stages_one_by_one_on_an_existing_run(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["caption", str(recorded), "--by", "labels", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["circular"] is True
    assert run(["describe", str(recorded), "--captions", "labels", "--concepts", "labels", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["best"][0]["concept"] in {"tone", "noise"}
    assert run(["report", str(recorded), "--no-audio", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_clips_with_sound"] == 0
    assert run(["export", str(recorded), "--to", "csv", "--out", str(tmp_path)]) == 0
    assert (
        pl.read_csv(tmp_path / "neurons.csv").height == pl.read_parquet(recorded / "neurons.parquet").height
    )


def test_layers_and_doctor_speak_json(sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["layers", "demo:", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows if row["declared"]] == [
        "blocks.0",
        "blocks.1",
        "blocks.2",
        "blocks.3",
        "logits",
    ]
    assert run(["doctor", "demo:", "--data", f"folder:{sounds}", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["logits"]["verdict"] == "ok" and checks["geometry"]["verdict"] == "ok"
    assert checks["sound"]["figures"]["failed"] == 1


def test_data_show(sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "show", f"folder:{sounds}", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["clips"] == 9 and shown["label_sets"] == {"label": ["noise", "tone"]}


def test_train_from_the_command_line(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sounds / "noise" / "broken.wav").replace(tmp_path / "broken.wav")
    try:
        arguments = ["train", "cnn", "--data", f"folder:{sounds}", "--epochs", "1", "--valid", "0.25"]
        code = run(
            [*arguments, "--out", str(tmp_path / "m"), "--set", "option.width=4", "--set", "batch_size=4"]
        )
    finally:
        (tmp_path / "broken.wav").replace(sounds / "noise" / "broken.wav")
    assert code == 0
    assert "no test part" in capsys.readouterr().out
    assert run(["layers", str(tmp_path / "m")]) == 0


def test_python_m_is_the_same_command_and_lets_waiting_threads_sleep() -> None:
    code = "import os, sys; sys.argv[1:] = ['--version']; import runpy\n"
    code += "try:\n    runpy.run_module('otoscope', run_name='__main__')\n"
    code += "except SystemExit as end:\n    print(end.code, os.environ['OMP_WAIT_POLICY'])"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["otoscope", otoscope.__version__, "0", "PASSIVE"]
