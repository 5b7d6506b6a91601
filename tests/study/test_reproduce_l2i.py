"""L2I's exhibits on small sounds: made or with a reason, controls beside them, removal by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.data import open_data
from otoscope.data.clips import Clips, LabelSet
from otoscope.models import cnn
from otoscope.store import tables
from otoscope.study.reproduce.exhibits import Made, exhibits
from otoscope.study.reproduce.l2i_2022 import MAKERS, reproduce
from otoscope.study.reproduce.l2i_bench import PUBLISHED_THRESHOLDS, L2IBench, L2IReproduceConfig
from otoscope.study.reproduce.l2i_removal import row

SMALL = {
    "n_components": 8,
    "dictionary_iterations": 10,
    "dictionary_frames": 300,
    "width": 6,
    "epochs": 1,
    "valid": 0.25,
}
CONFIG = L2IReproduceConfig(folds=None, settings=SMALL, limit=6, pairs=2, snrs_db=(0.0,))


@pytest.fixture(scope="module")
def clips() -> Clips:
    return open_data("sounds:24", seed=3, duration_s=1.0)


@pytest.fixture(scope="module")
def network(clips):
    return cnn.build(clips.label_set().classes, width=4, clip_s=1.0, n_mels=32).eval()


@pytest.fixture(scope="module")
def done(clips, network, tmp_path_factory) -> tuple[Path, dict[str, Made]]:
    page, found = reproduce(network, clips, tmp_path_factory.mktemp("l2i"), CONFIG)
    return page, {one.exhibit.id: one for one in found}


def table(done, name: str) -> pl.DataFrame:
    made = done[1][name]
    assert made.table is not None, made.reason
    return made.table


def test_published_numbers_have_a_source_and_a_maker() -> None:
    about, shown = exhibits("l2i-2022")
    assert about["preset"] == "l2i-2022" and {one.ours for one in shown} == set(MAKERS)
    assert all(one.source for one in shown)
    assert len(PUBLISHED_THRESHOLDS) == 8


def test_what_cannot_be_made_says_why(done) -> None:
    page, found = done
    reasons = {name: one.reason for name, one in found.items() if one.table is None}
    assert set(reasons) == {"Table 3", "Table 4", "Overlap, published pairs", "Listening study"}
    assert "several labels a clip" in reasons["Table 3"] and "fold 1" in reasons["Overlap, published pairs"]
    text = page.read_text()
    assert all(f"## {name}." in text for name in found)
    for name, one in found.items():
        if one.table is not None:
            assert tables.read(page.parent / f"{one.exhibit.slug}.parquet").equals(one.table), name


def test_fidelity_of_both_poolings_beside_chance(done) -> None:
    found = table(done, "Table 1")
    assert found["pooling"].to_list() == ["max", "attention"] and found["n"].to_list() == [6, 6]
    for one in found.iter_rows(named=True):
        assert one["top1_percent"] <= one["top3_percent"] <= one["top5_percent"]
        assert one["top1_chance"] == pytest.approx(100 / 24) and one["top5_chance"] == pytest.approx(500 / 24)
        assert one["top1_low"] <= one["top1_percent"] <= one["top1_high"]
    assert "--preset l2i-2022" in done[1]["Table 1"].commands[0]


def test_removal_beside_random_components(done) -> None:
    found = table(done, "Table 2")
    by_name = {one["removed"]: one for one in found.iter_rows(named=True)}
    assert len(by_name) == 4 and by_name["as published, random"]["mean_components"] == 7
    same = by_name["corrected, random of the same number"]
    assert same["mean_components"] == by_name["corrected"]["mean_components"]
    for one in by_name.values():
        assert one["probability_low"] <= one["median_probability_drop"] <= one["probability_high"]


def test_global_relevance_and_noise(done) -> None:
    best = table(done, "Figure global")
    assert (best.group_by("class").len()["len"] <= 5).all() and best["relevance"].is_not_null().all()
    noise = table(done, "Noise")
    assert noise["method"].to_list() == ["L2I", "random components"]
    assert noise["input_share"].to_list() == pytest.approx(
        [0.5, 0.5], abs=0.05
    )  # 0 dB, up to the edges' frames


def test_overlap_explains_both_sounds(done) -> None:
    found = table(done, "Overlap")
    assert set(found["nominal_db"].unique()) == {0.0} and "explanation" in found["mask"].to_list()


def test_removal_of_components_by_hand() -> None:
    found = {
        "logit": np.array([1.0, 3.0, 2.0]),
        "probability": np.array([0.1, 0.3, 0.2]),
        "relative": np.array([0.5, 0.6, 0.7]),
        "components": np.array([1.0, 2.0, 6.0]),
    }
    one = row(found, np.array(["a", "b", "c"]))
    assert (one["median_logit_drop"], one["median_relative_drop"], one["mean_components"]) == (2.0, 0.6, 3.0)
    assert one["median_probability_drop"] == pytest.approx(0.2) and one["n"] == 3
    assert one["probability_low"] == pytest.approx(0.1) and one["probability_high"] == pytest.approx(0.3)


def test_several_labels(clips, network, tmp_path) -> None:
    lists = clips.table[clips.label_set().name].map_elements(lambda one: [one], pl.List(pl.String))
    name = clips.label_set().name
    several = replace(
        clips,
        table=clips.table.with_columns(lists.alias(name)),
        label_sets=(LabelSet(name, clips.label_set().classes, "multi"),),
    )
    how = CONFIG.model_copy(update={"activation": "sigmoid", "limit": 3})
    found = {one.exhibit.id: one for one in reproduce(network, several, tmp_path, how)[1]}
    three = found["Table 3"].table
    assert three is not None, found["Table 3"].reason
    assert three["stand_in"].to_list() == ["head", "head, components shuffled", "share of named clips"]
    assert three["n_clips"].to_list() == [3] * 3 and three["macro_auprc"].is_between(0, 1).all()
    four = found["Table 4"].table
    assert four is not None and set(four["removed"]) == {"relevant", "random of the same number"}
    assert "one class a clip" in found["Table 1"].reason


def test_published_thresholds_are_for_eight_labels(clips, network, tmp_path) -> None:
    bench = L2IBench(
        network, clips, tmp_path, CONFIG.model_copy(update={"activation": "sigmoid", "limit": 2})
    )
    assert bench.label_threshold.tolist() == [0.5] * 24
    assert bench.threshold == 0.1 and L2IBench(network, clips, tmp_path, CONFIG).threshold == 0.3
