"""What commands say to a person: which clips failed and why, what is a finding, where things are now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.audio.write import write
from otoscope.cli.describe import findings_first
from otoscope.cli.main import run
from otoscope.cli.output import failures
from otoscope.data import DATASETS

BROKEN = ("a0.wav", "a1.wav", "a2.wav", "a3.wav")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight sounds of two classes, and four files that are none."""
    folder = tmp_path_factory.mktemp("messages") / "sounds"
    seconds = np.arange(8000) / 16000
    for i in range(4):
        for name, hertz in (("low", 200 + 10 * i), ("high", 2000 + 100 * i)):
            wave = 0.2 * np.sin(2 * np.pi * hertz * seconds)
            write(folder / name / f"{i}.wav", wave[None].astype(np.float32), 16000)
    for name in BROKEN:
        (folder / "high" / name).write_text("no sound")
    return folder


@pytest.fixture(scope="module")
def recorded(sounds: Path) -> Path:
    out = sounds.parent / "run"
    arguments = ["record", "demo:", "--data", f"folder:{sounds}", "--layers", "blocks.0,logits"]
    assert run([*arguments, "--out", str(out), "--quiet"]) == 0
    return out


@pytest.fixture
def copy(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, recorded.parent / tmp_path.name / "run"))


def test_failed_clips_are_named_with_their_reasons(
    sounds: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = failures(pl.read_parquet(recorded / "clips.parquet"))
    assert [line.split(": ")[0] for line in lines[:3]] == [f"  high/{name}" for name in BROKEN[:3]]
    assert "decode: " in lines[0] and lines[3] == "  all 4 and why: clips.parquet in the run"
    again = ["record", "demo:", "--data", f"folder:{sounds}", "--layers", "blocks.0,logits"]
    assert run([*again, "--out", str(recorded), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "in 2 layers (" in said and "12 clips (4 failed)" in said and "  high/a0.wav: decode: " in said
    assert run(["doctor", "demo:", "--data", f"folder:{sounds}", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "4 of 12 clips cannot be decoded: high/a0.wav: " in said and said.count("high/a") >= 3
    assert "clicks found in time in all 4 layers that have time" in said


def test_two_sources_of_captions_are_refused(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["--by", "labels", "--captions", "mine.csv"]
    for command in (
        ["caption", str(recorded)],
        ["dissect", "demo:", "--data", "sounds:3", "--out", str(recorded.parent / "other")],
    ):
        assert run([*command, *both]) == 2
        said = capsys.readouterr().err
        assert "--by labels and --captions mine.csv both say what the captions are: give one of them" in said


def test_only_captions_are_shown(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("id,text\nhigh/3.wav,a whistle\nnobody.wav,a ghost\n")
    assert run(["caption", str(copy), "--captions", str(mine)]) == 0
    captured = capsys.readouterr()
    assert "1 caption, 11 clips without\n  high/3.wav: a whistle\n" in captured.out
    assert "None" not in captured.out
    assert "1 entry names no clip, such as 'nobody.wav'; the clips have ids like 'high/0.wav'" in captured.err
    assert captured.err.count("names no clip") == 1
    assert run(["caption", str(copy), "--captions", str(mine), "--show", "-1"]) == 2
    assert "'--show'" in (said := capsys.readouterr().err) and "-1" in said
    assert run(["describe", str(copy), "--captions", "file", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "the 1 clip of 12 that can be used is of one group" in said
    assert "11 have no caption or no activations" in said


def test_sounds_that_moved(copy: Path, sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = copy.parent / "elsewhere"
    shutil.copytree(sounds, elsewhere)
    manifest = json.loads((copy / "run.json").read_text())
    manifest["data"]["source"]["root"] = {"path": "../gone"}
    (copy / "run.json").write_text(json.dumps(manifest))
    data = ["--data", f"folder:{elsewhere}"]
    assert run(["caption", str(copy)]) == 1
    assert "are no longer at" in (said := capsys.readouterr().err) and "(--data)" in said
    assert run(["caption", str(copy), "--by", "labels"]) == 0
    assert run(["caption", str(copy), *data]) == 0
    assert "acoustic-" in capsys.readouterr().out
    assert run(["describe", str(copy), "--captions", "acoustic", "--concepts", "labels", *data]) == 0
    assert run(["study", "last-layer", str(copy)]) == 2
    assert "unknown concept 'pure tone'" in capsys.readouterr().err, "the sounds themselves are not asked for"
    record = ["record", "demo:", *data, "--layers", "blocks.0,logits", "--out", str(copy)]
    assert run(record) == 0, capsys.readouterr().err
    assert run(["caption", str(copy), "--data", "sounds:12"]) == 2
    assert "lacks 12 of the 12 clips of" in capsys.readouterr().err


def test_findings_come_first_and_few_clips_are_said() -> None:
    table = pl.DataFrame(
        {
            "concept": ["x", "y", "z", "w"],
            "heldout_pearson": [0.9, 0.4, 0.5, None],
            "q": [0.8, 0.01, 0.02, None],
            "testable": [True, True, True, True],
            "n_describe": [50] * 4,
        }
    )
    ordered, warnings = findings_first(table, 0.05)
    assert ordered["concept"].to_list() == ["z", "y", "x", "w"] and ordered.columns == table.columns
    assert warnings == [
        "significant (q <= 0.05): 2 of 4; they come first",
        "few clips: 50 clips to describe from; with more, more descriptions become significant",
    ]
    none, warnings = findings_first(table.with_columns(q=pl.lit(0.8), n_describe=pl.lit(200)), 0.05)
    assert warnings == ["no description is significant (q <= 0.05): those below may be chance"]
    assert none["concept"].to_list() == ["x", "z", "y", "w"]
    assert findings_first(table.drop("q", "n_describe"), None)[1] == []


def test_an_export_never_lands_among_other_things(
    copy: Path, recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    (tmp_path / "file").write_text("mine")
    for out, said in (
        (tmp_path / "model", "holds something that is no export of a run: choose an empty or a new folder"),
        (tmp_path / "file", "is a file: choose a folder"),
        (recorded, "is a run itself: choose another folder"),
        (copy / "x", "lies inside the run"),
    ):
        assert run(["export", str(copy), "--out", str(out)]) == 2
        assert said in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model.json"]
    for _ in range(2):
        assert run(["export", str(copy), "--out", str(tmp_path / "fine")]) == 0


def test_layers_count_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["layers", "demo:"]) == 0
    assert "\n'*' names 5 layers with " in capsys.readouterr().out
    assert run(["layers", "demo:", "--layers", "blocks.*"]) == 0
    said = capsys.readouterr().out
    assert "4 of them in '*'." in said and said.splitlines()[-1].startswith("Shown: ")


def test_data_list_shows_what_data_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "list"]) == 0
    said = capsys.readouterr().out
    for scheme in DATASETS:
        assert f"\n{scheme}:" in said
    assert "levels=label" in said and "protocol= artists=" in said and "Download" not in said.split("\n")[0]
    assert run(["data", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in found["schemes"]} >= set(DATASETS) and "esc50" in found["downloads"]
    assert next(one for one in found["schemes"] if one["name"] == "sounds")["options"]["n"] == 400
