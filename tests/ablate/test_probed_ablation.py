"""Ablation judged by a saved probe: sets of classes, shared ones, the matrix, confusion, paired tests, refitting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.ablate import presets
from otoscope.ablate.config import AblateConfig
from otoscope.ablate.matrix import attainable_p, contrast, heat_map, pairing_p
from otoscope.ablate.plan import neighbours
from otoscope.ablate.probe.stage import probe
from otoscope.ablate.stage import ablate, tables_of
from otoscope.errors import EmptyDataError, InputError, StageError, UnknownNameError
from otoscope.store import tables
from otoscope.store.run import Run, read_stage
from tests.ablate.conftest import CLASSES, Known, make_clips, make_model, make_run
from tests.ablate.test_lesion import FIRST

FAST = {
    "layers": ("act",), "n_random": 19, "replicates": 50, "stratum": 6, "related": None, "curve_points": 0,
    "probe_random": 1, "intervention": "zero",
}  # fmt: skip
PROBE = {"test_folds": "1", "controls": 1, "replicates": 20, "strengths": (1.0,)}


def select_by_hand(run: Run, name: str = "auroc-00000001") -> None:
    """Neurons 2c and 2c + 1 of ``act`` are for class c; neuron 0 also for sea_waves, neuron 3 for all three classes."""
    first = run.layer("act").first_neuron
    pairs = [(one // 2, one) for one in range(6)] + [(1, 0), (0, 3), (2, 3)]
    rows = [
        {"task": "label", "class": CLASSES[c], "class_index": c, "layer": "act", "layer_index": 1, "index": one,
         "neuron": first + one, "score": 0.9 - 0.01 * one - 0.1 * (c != one // 2), "p": 0.01}
        for c, one in pairs
    ]  # fmt: skip
    tables.write(run.root / "selectivity" / name / "triples.parquet", pl.DataFrame(rows))


def config(**options) -> AblateConfig:
    return AblateConfig(**{**FAST, "strategy": "selection:auroc", "saved_probe": "last", **options})


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = make_run(tmp_path_factory.mktemp("probed") / "run")
    select_by_hand(run)
    probe(run, make_model(), make_clips(), PROBE)
    return run


def index_of(found: dict[str, pl.DataFrame], concept: str) -> list[int]:
    return sorted(found["sets"].filter(concept=concept)["index"].to_list())


def test_the_probe_judges_and_the_own_class_breaks(ready: Run, model, clips) -> None:
    name = ablate(ready, model, clips, config(max_neurons=2))
    found = tables_of(ready, name)
    notes = read_stage(ready, f"ablate-{name}")["notes"]
    assert notes["judge"].startswith("label-logistic") and notes["held_out"] and notes["clips"] == 12
    rows = found["classes"].filter(measure="probability", concept="dog")
    assert rows["change"][0] < -0.2 and rows.filter(target=True)["class"].to_list() == ["dog"]
    before = found["classes"].filter(measure="accuracy")["before"]
    assert (before == 1).all()


def test_columns_of_classes_hang_together(ready: Run, model, clips) -> None:
    found = tables_of(ready, ablate(ready, model, clips, config(neighbour=True)))
    rows = found["classes"].filter(measure="accuracy")
    for row in rows.iter_rows(named=True):
        assert row["change"] == pytest.approx((row["gained"] - row["lost"]) / 4)
        assert row["random_low"] <= row["random_change"] <= row["random_high"]
        assert 0 < row["random_p"] <= 1 and 0 < row["group_p"] <= 1 and 0 < row["mcnemar_p"] <= 1
        assert row["neighbour_change"] is not None
    assert found["classes"].filter(measure="logit")["lost"].null_count() == 9
    confusion = found["confusion"]
    assert confusion.height == 27
    for column in ("before", "after", "random", "neighbour"):
        sums = confusion.group_by("concept", "class").agg(pl.col(column).sum())
        assert sums[column].to_list() == pytest.approx([4] * 9)
    for column in ("probability_before", "probability_after"):
        sums = confusion.group_by("concept", "class").agg(pl.col(column).sum())
        assert sums[column].to_list() == pytest.approx([1] * 9)
    diagonal = confusion.filter(pl.col("class") == pl.col("named")).join(
        found["classes"].filter(measure="probability"), on=["concept", "class"]
    )
    assert (diagonal["probability_after"] - diagonal["probability_before"]).to_list() == pytest.approx(
        diagonal["change"].to_list(), abs=1e-6
    )


def test_shared_neurons_by_intersection_and_by_exact_label_set(ready: Run, model, clips) -> None:
    pair = "dog & sea waves"
    both = tables_of(ready, ablate(ready, model, clips, config(concepts=(pair,), refit=False)))
    assert index_of(both, pair) == [0, 3]
    exact = tables_of(
        ready, ablate(ready, model, clips, config(concepts=(pair,), shared="exact", refit=False))
    )
    assert index_of(exact, pair) == [0]
    effects = both["effects"].filter(measure="probability").to_dicts()[0]
    rows = both["classes"].filter(measure="probability")
    own = rows.filter(target=True)
    assert effects["target"] == "dog & sea_waves" and own["class"].to_list() == ["dog", "sea_waves"]
    assert effects["change"] == pytest.approx(own["change"].mean())
    rest = rows.filter(pl.col("class") == "train")["change"].mean()
    assert effects["rest_change"] == pytest.approx(rest)
    assert "matrix" not in both  # no concept is one class


def test_gains_deactivate_attenuate_leave_alone_and_amplify(ready: Run, model, clips) -> None:
    def change(**options) -> float:
        found = tables_of(
            ready, ablate(ready, model, clips, config(concepts=("dog",), refit=False, **options))
        )
        return float(found["effects"].filter(measure="logit")["change"][0])

    zero = change()
    assert change(intervention="gain", gain=0.0) == pytest.approx(zero, rel=1e-5) and zero < 0
    half, twice = (change(intervention="gain", gain=one) for one in (0.5, 2.0))
    assert half == pytest.approx(zero / 2, rel=1e-4) and twice == pytest.approx(-zero, rel=1e-4)
    assert change(intervention="gain", gain=1.0) == 0


def test_the_matrix_s_diagonal_stands_out(ready: Run, model, clips) -> None:
    found = tables_of(ready, ablate(ready, model, clips, config(max_neurons=2, refit=False)))
    row = found["matrix"].filter(measure="probability").to_dicts()[0]
    shown = heat_map(found["classes"])
    assert shown.rows == shown.columns == CLASSES
    own = np.eye(3, dtype=bool)
    assert row["diagonal"] == pytest.approx(shown.values[own].mean())
    assert row["contrast"] == pytest.approx(shown.values[own].mean() - shown.values[~own].mean()) and row[
        "contrast"
    ] == pytest.approx(contrast(shown.values))
    assert row["contrast_low"] <= row["contrast"] <= row["contrast_high"] < 0
    assert row["pairing_p"] == pytest.approx(1 / 6) == row["pairing_attainable_p"]
    assert row["random_p"] <= 0.1 and row["random_contrast"] > row["contrast"] and row["n_random"] == 19
    with pytest.raises(UnknownNameError, match="probabilty"):
        heat_map(found["classes"], "probabilty")


def test_pairing_counts_every_deal_and_ignores_fragile_classes_and_big_sets() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, 5)) - 2 * np.eye(5)
    assert pairing_p(table) == pytest.approx(pairing_p(table + rng.normal(size=5) + rng.normal(size=(5, 1))))
    assert pairing_p(table) >= attainable_p(5) == 1 / 120
    wide = rng.normal(size=(9, 9))
    assert pairing_p(wide - 5 * np.eye(9), seed=1) == attainable_p(9) == 1 / 10000
    sizes = [pairing_p(rng.normal(size=(5, 5))) <= 0.05 for _ in range(300)]
    assert np.mean(sizes) <= 0.08
    with pytest.raises(EmptyDataError, match="two classes"):
        pairing_p(np.zeros((1, 1)))


def test_a_probe_that_learns_again_makes_good_what_is_only_moved(ready: Run, model, clips) -> None:
    """Without its two neurons a class is silent, and that tells it apart: the saved probe is lost, a new one is not."""
    found = tables_of(ready, ablate(ready, model, clips, config(max_neurons=2)))
    whole = found["refit"].filter(pl.col("class").is_null() & (pl.col("concept") == "train")).to_dicts()[0]
    assert whole["before"] == whole["refit_before"] == 1 and whole["refit_after"] == 1
    own = found["refit"].filter((pl.col("class") == "train") & (pl.col("concept") == "train")).to_dicts()[0]
    assert own["target"] and own["fixed_change"] <= own["refit_change"] == 0
    fixed = found["classes"].filter(pl.col("class") == "train", measure="accuracy", concept="train")
    assert own["fixed_change"] == pytest.approx(fixed["change"][0])


def test_neighbours_are_the_next_ones_and_the_last_s_is_the_first() -> None:
    assert neighbours(np.array([0, 4, 5]), (FIRST,)).tolist() == [1, 5, 0]


def test_published_preset_runs_on_the_run_s_last_selection_and_probe(ready: Run, model, clips) -> None:
    config_ = presets.preset(
        "aape-2026", strategy="selection:auroc", concepts=("dog & sea_waves",), n_random=19, stratum=6,
        replicates=20, layers=("act",), refit=False,
    )  # fmt: skip
    found = tables_of(ready, ablate(ready, model, clips, config_))
    assert index_of(found, "dog & sea_waves") == [0]
    assert found["classes"]["neighbour_change"].null_count() == 0


def test_neurons_may_be_selected_in_another_run_of_the_same_network(
    ready: Run, model, clips, tmp_path: Path
) -> None:
    other = make_run(tmp_path / "other", make_clips(12))
    select_by_hand(other, "auroc-0000000f")
    base = config(selected_in=str(other.root), concepts=("dog",), refit=False)
    assert index_of(tables_of(ready, ablate(ready, model, clips, base)), "dog") == [0, 1, 3]
    foreign = make_model(Known())
    with torch.no_grad():
        foreign.net.head.bias += 1
    stranger = make_run(tmp_path / "stranger", model=foreign)
    select_by_hand(stranger)
    with pytest.raises(InputError, match="another network"):
        ablate(ready, model, clips, config(selected_in=str(stranger.root)))


def test_what_cannot_be_judged_by_a_probe_says_why(ready: Run, model, clips, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was trained on"):
        ablate(ready, model, clips, config(folds="2"))
    with pytest.raises(InputError, match="reads 'label'"):
        ablate(ready, model, clips, config(label_set="other"))
    with pytest.raises(UnknownNameError, match="selection"):
        ablate(ready, model, clips, config(strategy="selection:entropy"))
    with pytest.raises(
        UnknownNameError, match=r"unknown class of the task 'label' 'dgo'. Did you mean 'dog'"
    ):
        ablate(ready, model, clips, config(concepts=("train & dgo",)))
    with pytest.raises(UnknownNameError, match="task of the selection"):
        ablate(ready, model, clips, config(task="octave"))
    bare = make_run(tmp_path / "bare")
    with pytest.raises(StageError, match="holds no selection yet"):
        ablate(bare, model, clips, AblateConfig(strategy="selection"))
    select_by_hand(bare)
    with pytest.raises(StageError, match="holds no probe yet"):
        ablate(bare, model, clips, config())
