"""--dry-run means the same everywhere: sizes and cost of what would be done, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.cli.main import COMMANDS, run
from otoscope.store.run import open_run
from tests.cli.dry_runs import files, planned


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dissected run of the demo network on six sounds."""
    out = tmp_path_factory.mktemp("runs") / "run"
    arguments = ["dissect", "demo:", "--data", "sounds:6", "--layers", "blocks.0,logits", "--out", str(out)]
    assert run([*arguments, "--quiet"]) == 0
    return out


def test_record_tells_neurons_bytes_and_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    arguments = ["record", "demo:", "--data", "sounds:6", "--out", str(out), "--layers", "logits"]
    plan = planned(arguments, capsys)
    assert not out.exists()
    assert plan["clips"] == 6 and plan["layers"] == {"logits": plan["neurons"]} and plan["state"] == "new"
    assert plan["cost"]["disk_bytes_before_compression"] == 6 * 4 * (2 * plan["neurons"] + 1)
    assert plan["cost"]["estimate_s"] > 0
    assert run([*arguments, "--quiet"]) == 0
    again = planned(arguments, capsys)
    assert again["state"] == "done" and again["cost"] == {}
    (out / "stages" / "record.json").unlink()
    assert planned(arguments, capsys)["state"] == "continues"
    assert run([*arguments, "--seed", "1", "--dry-run"]) == 1
    assert "already holds another run: it differs in record, seed" in capsys.readouterr().err


def test_dissect_tells_the_recording_and_looks_everything_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["dissect", "demo:", "--data", "sounds:6", "--out", str(tmp_path / "run"), "--by"]
    plan = planned([*arguments, "labels"], capsys)
    assert plan["record"]["state"] == "new" and plan["record"]["cost"]["estimate_s"] > 0
    assert plan["captions"] == ["labels", "acoustic"] and plan["describe"]["function"] == "wpmi"
    assert run([*arguments, "titles", "--dry-run"]) == 2
    assert "unknown column 'title'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_train_tells_its_parts_and_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "cnn", "--data", "sounds:40", "--out", str(tmp_path / "m"), "--epochs", "3"]
    plan = planned([*arguments, "--valid", "0.25", "--set", "batch_size=8"], capsys)
    parts = plan["parts"]
    assert parts["train"] + parts["valid"] + parts["test"] + parts["unlabelled"] == plan["clips"] == 40
    assert plan["steps"] == 3 * -(-parts["train"] // 8) and plan["classes"] > 1 and plan["state"] == "new"
    assert list(tmp_path.iterdir()) == []
    assert run([*arguments, "--set", "option.wdith=4", "--dry-run"]) == 2
    assert "unknown option of cnn 'wdith'. Did you mean 'width'" in capsys.readouterr().err


def test_stages_of_a_run(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(small)
    page = planned(["report", str(small)], capsys)
    assert page["replaces"] is True and page["size_bytes"] == (small / "report.html").stat().st_size
    assert page["neurons"] == open_run(small).neurons().height
    silent = planned(["report", str(small), "--no-audio"], capsys)
    assert silent["clips_with_sound"] == 0 and silent["size_bytes"] < page["size_bytes"]
    rows = planned(["export", str(small), "--to", "csv", "--out", str(tmp_path / "x")], capsys)["rows"]
    assert rows[str(tmp_path / "x" / "clips.csv")] == 6 and len(rows) == 4
    captions = planned(["caption", str(small), "--by", "labels"], capsys)
    assert captions["clips"] == 6 and captions["done"] is False
    assert planned(["caption", str(small)], capsys)["done"] is True
    assert files(small) == before and list(tmp_path.iterdir()) == []


def test_demo_and_doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(["demo", "--out", str(tmp_path / "demo"), "--sounds", "12"], capsys)
    assert plan["sounds"] == 12 and set(plan["networks"].values()) == {"demo:", "planted:"}
    assert plan["runs"]["planted"] == str(tmp_path / "demo" / "planted") and plan["done"] == []
    checks = planned(["doctor", "demo:", "--data", "sounds:40", "--layers", "logits"], capsys)
    assert checks["layers"] == ["logits"] and checks["clips"] == 40 and checks["decoded"] == 32
    assert list(tmp_path.iterdir()) == []


def test_every_stage_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    stages = {
        "demo",
        "train",
        "doctor",
        "dissect",
        "record",
        "caption",
        "describe",
        "ablate",
        "report",
        "export",
    }
    assert stages <= set(COMMANDS)
    for name in stages:
        assert run([name, "--help"]) == 0
        assert "--dry-run" in capsys.readouterr().out, name
