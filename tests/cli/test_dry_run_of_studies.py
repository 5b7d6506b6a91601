"""--dry-run of selections, studies, reproductions, downloads and conversions: everything looked up, nothing written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.cli.main import run
from otoscope.store import tensors
from tests.cli.dry_runs import files, planned

DATA = "sounds:24?duration_s=0.5&kinds=rain,siren"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dissected run of the demo network on sounds of two kinds."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert (
        run(["dissect", "demo:", "--data", DATA, "--layers", "blocks.0,logits", "--out", str(out), "--quiet"])
        == 0
    )
    return out


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a dry run says that cannot be done."""
    capsys.readouterr()
    assert run([*arguments, "--dry-run"]) in (1, 2)
    return capsys.readouterr().err


def test_select_tells_clips_classes_and_the_smallest_p(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["select", str(small), "--labels", "kind", "--plots", "none"]
    plan = planned(asked, capsys)
    task = plan["tasks"]["kind"]
    assert task["clips"] == 24 and task["classes"] == {"rain": 12, "siren": 12} and task["testable"] is True
    assert 0 < task["smallest_p"] < 1e-4 and plan["state"] == "new" and not (small / "selectivity").exists()
    assert "unknown label set 'sort'" in refused([*asked[:2], "--labels", "sort"], capsys)
    quick = ["--set", "n_permutations=40", "--set", "n_chance=1", "--set", "n_splits=0"]
    assert run([*asked, *quick, "--quiet"]) == 0
    done = planned([*asked, *quick], capsys)
    assert done["state"] == "done" and (small / "selectivity" / done["selection"]).is_dir()
    before = files(small)
    shared = planned(["share", str(small)], capsys)
    assert shared["pairs"] == 1 and shared["sides"][0]["selection"] == done["selection"]
    assert "holds no selection" not in refused(["share", str(small), "--tasks", "sort"], capsys)
    assert files(small) == before


def test_studies_of_runs(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(small)
    out = str(tmp_path / "organ")
    asked = ["study", "cross-task", "octave-synthetic", out, str(tmp_path / "pluck"), "--model", "demo:"]
    plan = planned([*asked, "--limit", "12"], capsys)
    assert [one["record"]["clips"] for one in plan["runs"]] == [12, 12] and plan["tasks"] == [
        "octave",
        "octave",
    ]
    assert not list(tmp_path.iterdir())
    assert "unknown study 'octaves'" in refused(["study", "cross-task", "octaves", out, out], capsys)
    within = planned(["study", "within-task", "gtzan", str(small), "--folds", "1"], capsys)
    assert within["settings"] == {"folds": "1"} and within["runs"][0]["clips"] == 24
    for name in ("selectors", "interpretability", "selectivity-calibration", "planted-selectivity"):
        assert planned(["study", name, str(small)], capsys)["run"] == str(small)
    assert planned(["study", "deactivation", str(small), "--class", "rain"], capsys)["classes"] == ["rain"]
    assert (
        planned(["study", "ordered", str(small), "--attributes", "nouns"], capsys)["config"]["descriptions"]
        == "open"
    )
    overlap = ["study", "overlap", "demo:", "--data", DATA, "--out", str(tmp_path / "o"), "--limit", "8"]
    assert planned(overlap, capsys)["clips"] == 8
    assert files(small) == before and not list(tmp_path.iterdir())


def test_rate_tells_the_page(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["rate", str(small), "--neurons", "3", "--clips", "2", "--layers", "blocks.0"]
    plan = planned(asked, capsys)
    assert plan["n_items"] == 3 and plan["replaces"] is False and not (small / "ratings").exists()
    assert run([*asked, "--quiet"]) == 0
    again = planned(asked, capsys)
    assert again["replaces"] is True and {**again, "replaces": False} == plan
    answers = planned(["rate", str(small), "--read", "answers.json"], capsys)
    assert answers["read"] == ["answers.json"] and answers["writes"] is None


def test_reproduce_looks_up_network_sounds_and_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["reproduce", "and-2024", "--model", "demo:", "--data", DATA, "--out", str(tmp_path / "out")]
    plan = planned(asked, capsys)
    assert plan["clips"] == 24 and plan["out_exists"] is False and len(plan["exhibits"]) > 3
    assert "unknown reproduce setting" in refused([*asked, "--set", "captoins=labels"], capsys).lower()
    limited = planned(["reproduce", "aape-2026", *asked[2:], "--limit", "12"], capsys)
    assert (
        limited["clips"] == limited["config"]["limit"] == 12
    )  # of the collections that --set data.NAME gives, too
    assert not list(tmp_path.iterdir())


def test_data_get_asks_no_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(["data", "get", "fsdd", "--out", str(tmp_path)], capsys)
    assert (
        plan["state"] == "new" and plan["received_bytes"] == 0 and plan["licence"] and plan["parts"][0]["url"]
    )
    part = tmp_path / "fsdd.downloading" / f"{plan['parts'][0]['file']}.part"
    part.parent.mkdir()
    part.write_bytes(b"some")
    begun = planned(["data", "get", "fsdd", "--out", str(tmp_path)], capsys)
    assert begun["state"] == "continues" and begun["received_bytes"] == 4
    (tmp_path / "fsdd").mkdir()
    assert "exists but no download made it" in refused(
        ["data", "get", "fsdd", "--out", str(tmp_path)], capsys
    )
    assert "unknown dataset to download 'fsd'" in refused(
        ["data", "get", "fsd", "--out", str(tmp_path)], capsys
    )


def test_data_mix_draws_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mixed"
    plan = planned(["data", "mix", DATA, "--out", str(out), "--n", "5", "--max-part-s", "1"], capsys)
    assert plan == {"out": str(out), "mixtures": 5, "parts": 10, "seconds": 25.0} and not out.exists()


def test_import_weights_recognises_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "stranger.safetensors"
    tensors.write(file, {"x": np.zeros(3, np.float32)})
    assert "no reader knows" in refused(["import-weights", str(file), "--out", str(tmp_path / "m")], capsys)
    counts = tmp_path / "over_zero.pt"
    torch.save(torch.rand(2, 5, 3), counts)
    plan = planned(
        ["import-weights", str(counts), "--out", str(tmp_path / "c"), "--classes", "a,b,c"], capsys
    )
    assert (
        plan["kind"] == "aape-counts"
        and plan["bytes"] == counts.stat().st_size
        and plan["classes"] == ["a", "b", "c"]
    )
    assert plan["out_exists"] is False and sorted(tmp_path.iterdir()) == sorted([file, counts])


@pytest.mark.parametrize(
    "command", ["select", "share", "rate", "reproduce", "import-weights", "probe", "compare"]
)
def test_these_have_it_too(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "--dry-run" in capsys.readouterr().out
