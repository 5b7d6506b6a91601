"""Selectors against planted truth: strong neurons are found, noise is not, by hand and on recorded sounds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from otoscope.data import open_data
from otoscope.errors import InputError
from otoscope.models import open_model
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.stage import labelling
from otoscope.store.run import Run
from otoscope.study import planted_selectivity as study
from otoscope.study.planted_selectivity import RULES, planted_selectivity, truth_of
from otoscope.study.selectivity_calibration import selectivity_calibration

MODEL = (
    "planted:floor=-1,rules=low_pitch+high_pitch+noisy,strengths=1+0.3,pairs=1,distractors=8,projections=2"
)
DATA = "sounds:?n=96&kinds=pure_tone,broadband_noise,clicks&duration_s=1"
QUICK = SelectConfig(n_permutations=60, n_chance=0, n_splits=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = RecordConfig(layers=("neurons", "neurons.rule"), evidence_clips=0)
    return record(open_model(MODEL), open_data(DATA), tmp_path_factory.mktemp("planted") / "run", config)


def test_truth_is_of_the_rule_without_noise(run: Run) -> None:
    task = labelling(run, "kind", QUICK)
    truth = truth_of(run, task)
    table = pl.DataFrame(open_model(MODEL).config["neurons"])
    noisy = table["rules"].list.contains("noisy").to_numpy() & (table["kind"] == "single").to_numpy()
    classes = list(task.classes)
    assert truth.selective[classes.index("broadband_noise"), noisy].all()  # at either strength
    assert not truth.selective[classes.index("pure_tone"), noisy].any()
    assert (
        truth.noise.sum() == 8
        and not truth.selective[:, truth.noise].any()
        and truth.decided[:, truth.noise].all()
    )
    projection = table["rules"].list.contains("projection").to_numpy()
    assert projection.sum() == 2 and not truth.decided[:, projection].any()


def test_precision_and_recall(run: Run) -> None:
    found = planted_selectivity(run, "kind", methods=("auroc", "entropy", "contrastive"), config=QUICK)
    summary = {(row["method"], row["rule"]): row for row in found["summary"].iter_rows(named=True)}
    assert set(summary) == {(m, rule) for m in ("auroc", "entropy", "contrastive") for rule in RULES}
    best = summary["auroc", "fdr"]
    assert best["precision_low"] <= best["precision"] <= best["precision_high"]
    assert best["precision"] > 0.6 > 2 * best["prevalence"]
    assert best["average_precision"] > 0.6
    strength = found["strength"].filter(method="auroc", rule="fdr")
    recall = dict(strength.select("strength", "recall").iter_rows())
    assert recall[1.0] > 0.6 > recall[0.3]


def test_by_hand() -> None:
    selective = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], dtype=bool)
    decided = np.array([[1, 1, 1, 1], [1, 1, 1, 0]], dtype=bool)
    truth = study.Truth(
        selective, decided, np.array([1.0, 0.3, 0.0, 0.0]), np.array([0, 0, 1, 0], dtype=bool)
    )
    assigned = np.array([[1, 0, 1, 0], [0, 0, 0, 1]], dtype=bool)
    found = SimpleNamespace(
        choice=SimpleNamespace(assigned=assigned, selected=assigned.any(axis=0)),
        evidence=SimpleNamespace(
            effect=np.array([[0.9, 0.1, 0.8, 0.2], [0.1, 0.7, 0.2, 1.0]]), standing=None
        ),
    )
    row = study.scored(found, truth)  # type: ignore[arg-type]
    assert (row["precision"], row["recall"], row["noise_selected"]) == (0.5, 0.5, 1.0)
    assert row["prevalence"] == pytest.approx(2 / 7) and row["average_precision"] == pytest.approx(
        (1 + 2 / 3) / 2
    )
    strengths = list(study.by_strength(found, truth))  # type: ignore[arg-type]
    assert [(one["strength"], one["recall"]) for one in strengths] == [(1.0, 1.0), (0.3, 0.0)]


def test_what_is_refused(tmp_path: Path) -> None:
    demo = record(
        open_model("demo:"),
        open_data("sounds:6?duration_s=0.5"),
        tmp_path / "demo",
        RecordConfig(layers=("logits",)),
    )
    with pytest.raises(InputError, match="planted truth is known of planted: networks only"):
        planted_selectivity(demo)


def test_calibration_of_the_runs_groups(run: Run) -> None:
    table = selectivity_calibration(
        run, "kind", methods=("auroc", "entropy"), config=QUICK, group_sds=(0.0,), n_null=60, n_selective=6
    )
    assert table["method"].to_list() == ["auroc", "entropy"]
    assert table["size"].max() <= 0.15 and table["power"].min() >= 0.8


def test_a_run_without_the_noiseless_rules_says_how_to_record(tmp_path: Path) -> None:
    clips = open_data("sounds:12?duration_s=0.5")
    config = RecordConfig(layers=("neurons",), evidence_clips=0)
    run = record(open_model("planted:floor=-1,pairs=1"), clips, tmp_path / "run", config)
    with pytest.raises(
        InputError, match=r"lacks the layer neurons\.rule.*--layers neurons --layers neurons\.rule"
    ):
        planted_selectivity(run)
