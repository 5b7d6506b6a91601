"""Tables of selections and of what classes share stand on their pages, column by column."""

from __future__ import annotations

import re

import polars as pl
import pytest

from otoscope.selectivity import SELECTORS
from otoscope.selectivity import tables as made
from otoscope.selectivity.config import SelectConfig, ShareConfig
from otoscope.selectivity.share import share
from otoscope.selectivity.stage import load, select
from otoscope.store import manifest
from otoscope.store.run import Run
from tests.docs.pages import table_names
from tests.format.pages import PAGES, keys, same, typed
from tests.selectivity.conftest import write_run

QUICK = {"n_permutations": 40, "n_chance": 2, "n_splits": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("selected") / "run")


def test_tables(run: Run) -> None:
    name = select(run, {**QUICK, "labels": ("kind", "side")})
    found = load(run, name)[1]
    text = (PAGES / "selectivity.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (\w+)\.parquet", text, re.MULTILINE) == list(made.NAMES)
    for one, table in found.items():
        same(table, typed("selectivity.md", f"{one}.parquet"))
    for one in made.AS_CSV:
        assert f"`{one}`" in text.split("are written as CSV")[0]
        assert pl.read_csv(run.root / "selectivity" / name / f"{one}.csv").columns == found[one].columns


def test_thresholds_of_every_rule(run: Run) -> None:
    listed = set(table_names(PAGES / "selectivity.md", "thresholds.parquet"))
    seen: set[str] = set()
    for method in SELECTORS:
        for rule in ("fdr", "published"):
            options = {**QUICK, "labels": ("kind",), "method": method, "rule": rule, "n_splits": 0}
            seen |= set(load(run, select(run, options))[1]["thresholds"]["threshold"])
    assert seen <= listed and seen == listed - {"task", "threshold", "value"}


def test_sharing_and_markers(run: Run) -> None:
    selected = select(run, {**QUICK, "labels": ("kind", "side")})
    marker = manifest.read(run.root / "stages" / f"select-{selected}.json")
    assert set(marker["config"]) == set(SelectConfig.model_fields) and set(marker["inputs"]) == {"record"}
    shown = set(
        re.findall(
            r"`(\w+)`", (PAGES / "selectivity.md").read_text(encoding="utf-8").split("`notes.TASK.`:")[1]
        )
    )
    assert set(marker["notes"]["kind"]) - {"n_selected"} == shown
    name = share(
        run, ShareConfig(tasks=("kind", "side"), n_permutations=9, contrasts={"x": (("class 0", "left"),)})
    )
    table = pl.read_parquet(run.root / "sharing" / f"{name}.parquet")
    same(table, typed("sharing.md", "sharing/TASK-HASH.parquet"))
    marker = manifest.read(run.root / "stages" / f"share-{name}.json")
    assert set(marker["config"]) == set(ShareConfig.model_fields)
    listed = set(table_names(PAGES / "sharing.md", "Marker"))
    inputs = {f"inputs[].{one}" for one in marker["inputs"][0]}
    notes = set(keys({"notes": marker["notes"]}, ("notes.contrasts",)))
    assert {*inputs, *notes} == {re.sub(r"\.<\w+>$", "", one) for one in listed if "." in one}
    assert set(marker["notes"]["contrasts"]["x"]) == {one for one in listed if "." not in one}
