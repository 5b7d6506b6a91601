"""What breaks by each selector, and the published per-class table, on a network whose class neurons are known."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from otoscope.ablate import presets
from otoscope.ablate.probe.stage import probe
from otoscope.cli.main import run as call
from otoscope.store.run import Run
from otoscope.study.deactivation import deactivation
from otoscope.study.selectors_ablated import selectors_ablated
from tests.ablate.conftest import CLASSES, make_clips, make_model, make_run
from tests.ablate.test_probed_ablation import FAST, PROBE, select_by_hand

SELECTION = {"n_permutations": 40, "n_chance": 1, "n_splits": 0, "layers": ("act",), "value": "activation"}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = make_run(tmp_path_factory.mktemp("selectors") / "run")
    probe(run, make_model(), make_clips(), PROBE)
    return run


def test_every_selector_has_its_matrix_or_a_reason(ready: Run) -> None:
    options = {**FAST, "saved_probe": "last", "max_neurons": 2, "refit": False}
    found = selectors_ablated(
        ready,
        make_model(),
        options,
        selection=SELECTION,
        selectors=("auroc", "fisher", "property"),
        clips=make_clips(),
    )
    auroc = found.filter(selector="auroc", measure="probability").to_dicts()[0]
    assert auroc["mean_neurons"] == 2 and auroc["contrast"] < auroc["random_contrast"]
    assert auroc["pairing_p"] == pytest.approx(1 / 6)
    assert set(found["selector"]) == {"auroc", "fisher", "property"}
    for (_,), rows in found.group_by("selector"):
        assert rows.height == 3 or rows["reason"].null_count() == 0


def test_the_published_table(ready: Run) -> None:
    select_by_hand(ready)
    config = presets.preset(
        "aape-2026", strategy="selection:auroc-00000001", n_random=19, stratum=6, replicates=20,
        layers=("act",), refit=False, shared="intersection",
    )  # fmt: skip
    found = deactivation(ready, make_model(), ("dog", "sea_waves"), config, clips=make_clips())
    assert found["class"].to_list() == list(CLASSES) and found["clips"].to_list() == [4, 4, 4]
    assert found["n_neurons"].to_list() == [2, 2, 2] and (found["base"] == 1).all()
    for row in found.iter_rows(named=True):
        assert row["target_points"] == pytest.approx(100 * (row["target"] - row["base"]))
        assert row["target_points"] == pytest.approx(25 * (row["gained"] - row["lost"]))
        assert row["neighbour_points"] == pytest.approx(100 * (row["neighbour"] - row["base"]))
        assert row["random_low_points"] <= row["random_points"] <= row["random_high_points"]


def test_commands(ready: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Probe, ablate and compare from the command line, on the demo network."""
    run, other = str(tmp_path / "run"), str(tmp_path / "other")
    data = "sounds:48?duration_s=0.5&kinds=rain,siren,clicks"
    for one, layers in ((run, "blocks.2"), (other, "blocks.3")):
        recorded = ["record", "demo:", "--data", data, "--out", one, "--quiet", "--layers", layers]
        assert call([*recorded, "--layers", "logits"]) == 0
    capsys.readouterr()
    quick = ["--set", "controls=1", "--set", "strengths=1.0", "--set", "replicates=20", "--quiet"]
    assert call(["probe", run, *quick, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test"]["measure"] == "accuracy" and "chance" in found["controls"]
    assert call(["probe", run, *quick]) == 0
    assert "held-out clips (95 % interval over groups" in capsys.readouterr().out
    out = str(tmp_path / "probe")
    assert call(["probe", "demo:", "--data", data, "--out", out, *quick, "--limit", "36"]) == 0
    assert call(["probe", "demo:", *quick]) == 1 or "needs --data and --out" in capsys.readouterr().err
    capsys.readouterr()
    table = pl.DataFrame(
        {"layer": ["blocks.2"] * 3, "index": [0, 1, 2], "class": ["rain", "siren", "clicks"]}
    )
    table.write_csv(tmp_path / "sets.csv")
    ablate = [
        "ablate",
        run,
        "--strategy",
        f"table:{tmp_path / 'sets.csv'}",
        "--probe",
        "last",
        "--n-random",
        "19",
    ]
    ablate += ["--set", "replicates=20", "--set", "refit=false", "--set", "related=none", "--quiet"]
    assert call([*ablate, "--gain", "0", "--gain", "2"]) == 0
    shown = capsys.readouterr().out
    assert "(gain 0)" in shown and "(gain 2)" in shown and "classes ablated x classes tested" in shown
    compared = [
        "compare",
        f"{run}@blocks.2",
        other,
        "--layers",
        "blocks.*",
        "--out",
        str(tmp_path / "c"),
        "--quiet",
    ]
    compared += [
        "--set",
        "blocks=0",
        "--set",
        "plots=false",
        "--set",
        "replicates=20",
        "--set",
        "probe=false",
    ]
    assert call([*compared, "--select", "n_permutations=40"]) == 0
    assert "48 clips in 48 groups are shared" in capsys.readouterr().out
    assert call([*compared, "--dry-run"]) == 0
