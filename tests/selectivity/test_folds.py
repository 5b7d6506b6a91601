"""Selections on a part of a run's clips: which, what is refused, and how they are found again."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from otoscope.cli.main import run as call
from otoscope.errors import EmptyDataError, InputError
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.labels import label
from otoscope.selectivity.share import share
from otoscope.selectivity.stage import config_of, load, made_on, select
from otoscope.selectivity.units import attainable
from otoscope.store import run as runs
from otoscope.store import tables
from tests.selectivity.conftest import WIDTHS

QUICK = {"n_permutations": 60, "n_chance": 2, "n_splits": 0, "labels": ("kind",)}


def test_only_clips_of_the_folds_are_selected_on(run) -> None:
    name = select(run, {**QUICK, "folds": "1-2"})
    found = load(run, name)[1]
    wanted = run.clips().filter(pl.col("fold") < 3, pl.col("status") == "ok")
    assert found["clips"].rows() == [
        ("kind", *row) for row in wanted.select("row", "id", "group").iter_rows()
    ]
    row = found["statistics"].row(0, named=True)
    assert (row["folds"], row["split"], row["n_clips"]) == ("1-2", None, 80)
    assert {n + start for n in range(4) for start in (0, WIDTHS[0])} == set(found["triples"]["neuron"])
    same = load(run, select(run, {**QUICK, "split": "train"}))[1]
    assert same["clips"].equals(found["clips"]) and same["statistics"]["split"].item() == "train"
    assert same["triples"].equals(found["triples"])
    whole = load(run, select(run, QUICK))[1]
    assert whole["clips"].height == 120 and whole["statistics"]["folds"].item() is None


def test_what_no_clip_can_be_selected_on(run) -> None:
    with pytest.raises(InputError, match=r"has no fold 7; it has 1, 2, 3"):
        label(run, "kind", folds="7")
    with pytest.raises(InputError, match=r"has no split valid; it has test, train"):
        label(run, "kind", split="valid")
    with pytest.raises(EmptyDataError, match="in folds 1 and split test at once"):
        label(run, "kind", folds="1", split="test")
    bare = run.clips().drop("fold", "split")
    tables.write(run.root / "clips.parquet", bare)
    with pytest.raises(InputError, match=r"has no folds, so fold 1 cannot be chosen"):
        label(runs.open_run(run.root), "kind", folds="1")


def test_a_part_with_one_class_only(run) -> None:
    clips = run.clips().with_columns(
        fold=pl.when(pl.col("kind") == "class 2").then(4).otherwise(pl.col("fold"))
    )
    tables.write(run.root / "clips.parquet", clips)
    with pytest.raises(
        InputError, match=r"all 30 clips .* are of its class 'class 2': nothing can be selective"
    ):
        label(runs.open_run(run.root), "kind", folds="4")


def test_a_class_without_clips_takes_no_part(run) -> None:
    """It has no neuron, and does not make the smallest p larger: its name is exchanged with nobody's."""
    clips = run.clips().with_columns(
        fold=pl.when(pl.col("kind").is_in(["class 2", "class 3"])).then(4).otherwise(1)
    )
    tables.write(run.root / "clips.parquet", clips)
    there = runs.open_run(run.root)
    task = label(there, "kind", folds="1")
    assert task.weights.sum(axis=0).tolist() == [30, 30, 0, 0]
    two = label(there, "two", folds="1", maps={"two=kind": {"class 0": "a", "class 1": "b"}})
    assert attainable(task) == pytest.approx(attainable(two))
    found = load(there, select(there, {**QUICK, "folds": "1"}))[1]
    assert found["classes"]["n_neurons"].to_list()[2:] == [0, 0] and found["triples"].height > 0
    assert np.isfinite(found["neurons"]["p"].to_numpy()).all()


def test_a_selection_is_found_by_its_folds(run) -> None:
    whole, part = select(run, QUICK), select(run, {**QUICK, "folds": "1,2"})
    select(run, {**QUICK, "method": "fisher"})
    assert made_on(run, "1,2", None) == part and made_on(run, None, None, "auroc") == whole
    assert config_of(run, part) == SelectConfig.of({**QUICK, "folds": "1,2"})
    assert runs.read_stage(run, f"share-{share(run, {'folds': '1,2'})}")["inputs"][0]["selection"] == part
    with pytest.raises(
        InputError, match=rf"no selection on folds 3: otoscope select .* --folds 3 writes one.*{part} on"
    ):
        share(run, {"folds": "3"})


def test_a_selection_of_an_earlier_version_is_read(run) -> None:
    name = select(run, QUICK)
    (run.root / "selectivity" / name / "clips.parquet").unlink()
    assert "clips" not in load(run, name)[1] and load(run, name)[1]["triples"].height > 0


def test_from_the_command_line(run, capsys) -> None:
    asked = ["select", str(run.root), "--labels", "kind", "--folds", "1-2", "--plots", "none", "--quiet"]
    assert call([*asked, "--set", "n_permutations=60", "--set", "n_chance=2", "--set", "n_splits=0"]) == 0
    assert "80 clips of folds 1-2, exchanged by group" in capsys.readouterr().out
    assert call(["share", str(run.root), "--folds", "1-2", "--plots", "none", "--quiet"]) == 0
    assert call(["share", str(run.root), "--split", "train", "--plots", "none", "--quiet"]) == 2
    assert "holds no selection on split train" in capsys.readouterr().err
