"""Neurons that some clips selected are judged by the others: by default, by refusal, or with a warning."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from otoscope.ablate.config import AblateConfig
from otoscope.ablate.held_out import Selectors, judging
from otoscope.ablate.probe.stage import probe
from otoscope.ablate.stage import ablate
from otoscope.errors import EmptyDataError, InputError
from otoscope.selectivity.stage import select
from otoscope.store import run as runs
from otoscope.store.run import Run, read_stage
from otoscope.study.selectors_ablated import selectors_ablated
from tests.ablate.conftest import make_clips, make_model, make_run
from tests.ablate.test_probed_ablation import FAST, PROBE

SELECTION = {
    "rule": "published", "top_rate": 1.0, "n_permutations": 0, "n_chance": 0, "n_splits": 0, "layers": ("act",),
    "value": "activation",
}  # fmt: skip
QUIET = {**FAST, "probe": False, "refit": False, "strategy": "selection"}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = make_run(tmp_path_factory.mktemp("held-out") / "run")
    probe(run, make_model(), make_clips(), PROBE)
    return run


def judged(run: Run, **options: object) -> dict:
    name = ablate(run, make_model(), make_clips(), AblateConfig(**{**QUIET, **options}))
    return read_stage(run, f"ablate-{name}")["notes"]


def test_clips_that_did_not_select_judge(ready: Run, caplog: pytest.LogCaptureFixture) -> None:
    name = select(ready, {**SELECTION, "folds": "2"})
    with caplog.at_level(logging.WARNING):
        notes = judged(ready, strategy=f"selection:{name}")
    assert (notes["clips"], notes["clips_that_selected"]) == (12, 0)
    assert "have also selected" not in caplog.text
    again = judged(ready, strategy=f"selection:{name}", saved_probe="last")
    assert (again["clips"], again["clips_that_selected"]) == (12, 0)
    with pytest.raises(
        InputError, match=rf"12 of the 12 clips to judge on are clips that {name} was selected on"
    ):
        judged(ready, strategy=f"selection:{name}", folds="2")
    assert judged(ready, strategy=f"selection:{name}", folds="1")["clips_that_selected"] == 0


def test_a_probe_whose_test_clips_all_selected_is_refused(ready: Run) -> None:
    name = select(ready, {**SELECTION, "folds": "1"})
    with pytest.raises(
        EmptyDataError, match=rf"all 12 clips to judge on are clips that {name} was selected on"
    ):
        judged(ready, strategy=f"selection:{name}", saved_probe="last")


def test_a_selection_on_all_clips_is_allowed_and_said(ready: Run, caplog: pytest.LogCaptureFixture) -> None:
    name = select(ready, SELECTION)
    with caplog.at_level(logging.WARNING):
        assert judged(ready, strategy=f"selection:{name}", folds="1")["clips_that_selected"] == 12
    assert "12 of the 12 clips that judge have also selected the neurons" in caplog.text
    (ready.root / "selectivity" / name / "clips.parquet").unlink()  # as selections were before they said so
    assert judged(ready, strategy=f"selection:{name}", folds="2", n_random=20)["clips_that_selected"] == 12


def test_other_strategies_select_on_nothing(ready: Run) -> None:
    assert judged(ready, strategy="db", folds="1")["clips_that_selected"] is None


def test_the_selection_of_another_run_is_known_by_clip(ready: Run, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other")
    name = select(other, {**SELECTION, "folds": "1"})
    notes = judged(ready, strategy=f"selection:{name}", selected_in=str(other.root))
    assert (notes["clips"], notes["clips_that_selected"]) == (12, 0)


def test_a_selection_without_a_neuron_says_so(ready: Run) -> None:
    name = select(ready, {**SELECTION, "rule": "fdr", "n_permutations": 20, "min_effect": 2.0})
    with pytest.raises(
        InputError, match=f"{name} assigned no neuron to any class: there is nothing to ablate"
    ):
        judged(ready, strategy=f"selection:{name}")


def test_clips_of_a_group_that_selected_are_told(caplog: pytest.LogCaptureFixture) -> None:
    clips = pl.DataFrame({"id": ["a", "b", "c"], "group": ["g", "g", "h"]})
    selected = Selectors("auroc-1", frozenset("a"), frozenset("g"), part=True)
    with caplog.at_level(logging.WARNING):
        left = judging(clips, pl.Series([0, 1, 2]).to_numpy(), selected, named=False)
    assert left.tolist() == [1, 2]
    assert "1 of the 2 clips that judge are of groups that auroc-1 was selected on" in caplog.text


def test_study_of_selectors_on_one_run(ready: Run) -> None:
    options = {**QUIET, "saved_probe": "last", "max_neurons": 2}
    found = selectors_ablated(
        ready,
        make_model(),
        options,
        selection={**SELECTION, "folds": "2"},
        selectors=("auroc",),
        clips=make_clips(),
    )
    name = found["ablation"][0]
    assert read_stage(runs.open_run(ready.root), f"ablate-{name}")["notes"]["clips_that_selected"] == 0
    with pytest.raises(InputError, match="name other folds or another split"):
        selectors_ablated(
            ready,
            make_model(),
            {**options, "saved_probe": None, "folds": "1"},
            selection={**SELECTION, "folds": "1"},
            selectors=("auroc", "fisher"),
            clips=make_clips(),
        )
