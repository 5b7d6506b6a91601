"""Probes, ablations that they judge, and comparisons stand on their pages, key by key and column by column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from otoscope.ablate.probe.config import ProbeConfig
from otoscope.ablate.probe.folder import WEIGHTS
from otoscope.ablate.probe.stage import load, probe
from otoscope.ablate.stage import ablate, tables_of
from otoscope.caption.stage import caption
from otoscope.describe.stage import describe
from otoscope.store import manifest, tensors
from otoscope.store.run import Run, read_stage
from otoscope.study.compare.config import CompareConfig
from otoscope.study.compare.stage import compare
from tests.ablate.conftest import make_clips, make_model, make_run
from tests.ablate.test_probed_ablation import PROBE, config, select_by_hand
from tests.docs.pages import table_names
from tests.format.pages import PAGES, keys, same, section, typed
from tests.study.test_compare import FAST


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = make_run(tmp_path_factory.mktemp("probed") / "run")
    select_by_hand(run)
    probe(run, make_model(), make_clips(), PROBE)
    return run


def test_probe_folder(run: Run) -> None:
    saved = load(run)
    content = {**saved.manifest, "config": 0, "fits": 0}
    documented = set(table_names(PAGES / "probes.md", "probe.json"))
    assert set(keys(content)) == documented - {"controls.prevalence"}
    assert set(saved.manifest["config"]) == set(ProbeConfig.model_fields)
    assert set(tensors.read(saved.folder / WEIGHTS)) == set(
        table_names(PAGES / "probes.md", "probe.safetensors")
    )
    same(saved.clips(), typed("probes.md", "clips.parquet"))


def test_markers_of_probes(run: Run) -> None:
    name = load(run).folder.name
    for heading, marker, parts in (
        ("probe-NAME", read_stage(run, f"probe-{name}"), ("inputs", "notes")),
        ("probe", read_stage(run, "probe"), ("config", "inputs")),
    ):
        named = set(re.findall(r"^\| `([^`]+)` \|", section("run.md", heading), re.MULTILINE))
        assert set(keys({one: marker[one] for one in parts})) == named


def test_ablation_judged_by_a_probe(run: Run) -> None:
    name = ablate(run, make_model(), make_clips(), config(neighbour=True))
    found = tables_of(run, name)
    assert "refit" in found and "probe" not in found
    for one, table in found.items():
        same(table, typed("ablations.md", f"{one}.parquet"))
    marker = read_stage(run, f"ablate-{name}")
    named = set(re.findall(r"^\| `([^`]+)` \|", section("run.md", "ablate-NAME"), re.MULTILINE))
    notes = {**marker["notes"], "summary": 0, "matrix": 0}
    assert set(keys({"inputs": marker["inputs"], "notes": notes})) == named


def test_comparison(tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        made = make_run(tmp_path / name)
        (made.root / "descriptions" / "db-00000001.parquet").unlink()
        caption(made, make_clips(), {"captioner": "labels"})
        options = {"concepts": "labels", "permutations": 20, "replicates": 20, "captions": "labels"}
        describe(made, {**options, "layers": ("act",)})
        runs.append(made)
    found = compare(runs, tmp_path / "out", {**FAST, "layers": ("act",), "plots": True})
    text = (PAGES / "comparison.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^## (\w+)\.parquet", text, re.MULTILINE)) == sorted(found.tables)
    for name, table in found.tables.items():
        same(table, typed("comparison.md", f"{name}.parquet"))
    content = {**manifest.read(tmp_path / "out" / "comparison.json"), "config": 0, "selection": 0}
    documented = set(table_names(PAGES / "comparison.md", "comparison.json")) - {"not_made.<name>"}
    assert set(keys(content, ("not_made",))) - {"not_made"} == documented
    assert set(found.content["config"]) == set(CompareConfig.model_fields)
